"""Where each fault of the catalogue is checked (FAULTS 3.A to 3.D, 3.F): row -> tests, as file::function or file::Class::method."""

P, N, S = (
    "tests/faults/test_provider_faults.py::",
    "tests/faults/test_network_faults.py::",
    "tests/faults/test_stream_endings.py::",
)
ONE = P + "test_one_answer_of_each_kind"
WIRE, OPENAI = "tests/providers/test_wire.py::", "tests/providers/test_openai.py::"
CONDUCTOR, CHAIN, PACE = "tests/core/test_conductor.py::", "tests/engine/test_chain.py::", "tests/core/test_pace.py::"
PROCESS, RUNS = "tests/faults/test_process.py::", "tests/faults/test_runs.py::"
STORAGE, INPUT = "tests/faults/test_storage.py::", "tests/faults/test_bad_input.py::"
HEDGING = "tests/engine/test_hedging.py::"
CONFORMANCE = "fanfold/testing/providers.py::ProviderConformance::"
"""Inherited by the tests of every adapter."""

CATALOGUE: dict[str, tuple[str, ...]] = {
    "A1": (
        ONE,
        P + "test_bursts_of_server_errors_cost_no_more_than_their_budget",
        CONDUCTOR + "test_transient_faults_are_retried_within_their_budget_and_no_further",
        CHAIN + "test_a_moment_of_trouble_loses_no_cell",
    ),
    "A2": (
        P + "test_after_a_429_nothing_starts_before_the_time_it_names",
        CONDUCTOR + "test_a_429_pauses_the_whole_lane_and_costs_no_attempt",
        "tests/core/test_limiter.py::test_after_a_429_nothing_starts_before_the_gate",
    ),
    "A3": (PACE + "test_a_storm", PACE + "test_a_storm_with_other_waits", PACE + "test_a_limit_that_rises_is_found"),
    "A4": (
        ONE,
        P + "test_a_wait_beyond_the_deadline_fails_now",
        P + "test_a_wait_that_makes_no_sense_is_as_good_as_none",
        "tests/providers/test_waits.py::test_any_input_gives_a_sound_number_or_none",
        PACE + "test_a_long_wait_is_kept",
    ),
    "A5": (ONE, P + "test_one_account_is_left_after_its_first_refusal", CONDUCTOR + "test_a_fault_condemns_as_much_as_its_scope"),
    "A6": (
        ONE,
        P + "test_one_account_is_left_after_its_first_refusal",
        P + "test_a_key_that_is_withdrawn_stops_its_account_and_no_other",
        CONDUCTOR + "test_a_wrong_key_stops_every_model_that_it_is_for",
    ),
    "A7": (ONE, P + "test_what_is_refused_to_one_is_not_asked_by_its_siblings"),
    "A8": (ONE, P + "test_a_prompt_that_is_too_long_is_asked_once"),
    "A9": (ONE, P + "test_a_truncated_answer_is_asked_for_once_more_with_more_room"),
    "A10": (ONE, P + "test_a_refusal_of_the_model_is_not_argued_with"),
    "A11": (
        ONE,
        P + "test_an_error_inside_a_success_is_read_as_what_it_says",
        CONFORMANCE + "test_whole_answers_end_as_they_should",
    ),
    "A12": (ONE, P + "test_pages_instead_of_answers_open_the_breaker"),
    "A13": (ONE, P + "test_what_stands_around_an_answer_is_left_out_only_where_json_is_asked_for"),
    "A14": (ONE, P + "test_what_is_exported_can_be_read_by_the_strictest", P + "test_a_field_that_is_named_twice_is_found"),
    "A15": (ONE, P + "test_what_is_exported_can_be_read_by_the_strictest"),
    "A16": (ONE, P + "test_an_answer_without_end_takes_little_memory", P + "test_a_stream_without_end_takes_little_memory"),
    "A17": (
        P + "test_tokens_that_were_not_told_are_estimated_and_marked",
        P + "test_cached_tokens_are_billed_at_their_own_price",
        CONFORMANCE + "test_answers_and_what_they_cost",
    ),
    "A18": (
        S + "test_a_stream_is_read_as_the_table_says",
        S + "test_the_table_is_whole",
        "tests/providers/test_sse.py::test_any_split_gives_the_same_events",
    ),
    "A19": (
        P + "test_a_stream_that_only_pings_ends_with_its_silence",
        WIRE + "test_pings_do_not_prolong_the_silence_and_content_does",
    ),
    "A20": (
        P + "test_the_same_answer_to_everything_ends_with_what_is_different",
        CONDUCTOR + "test_late_duplicates_and_keys_that_change_between_stream_and_end",
    ),
    "A21": (P + "test_answers_are_never_swapped",),
    "A22": (
        PACE + "test_without_limits_21_calls_leave_at_once_and_2000_soon",
        PACE + "test_after_a_pause_the_burst_is_there_again_and_no_more",
        PACE + "test_refusals_that_are_no_bucket",
    ),
    "A23": (
        P + "test_a_provider_that_is_down_hands_over_without_going_round",
        CHAIN + "test_a_model_that_only_fails_is_left_after_the_retries_which_are_not_made_again",
    ),
    "A24": (
        HEDGING + "test_a_late_call_gets_a_twin_and_the_first_answer_wins",
        HEDGING + "test_the_twin_may_lose",
        HEDGING + "test_when_both_end_at_once_one_counts",
        HEDGING + "test_what_condemns_the_account_is_heard_of_a_twin_too",
        HEDGING + "test_a_twin_whose_answer_is_no_good_leaves_it_to_the_next_attempt",
    ),
    "B1": (
        N + "test_nobody_listens",
        CONFORMANCE + "test_nobody_listening",
        CHAIN + "test_a_chain_that_is_down_ends_about_as_soon_as_one_server",
    ),
    "B2": (WIRE + "test_a_server_that_does_not_take_connections",),
    "B3": (N + "test_a_connection_that_breaks_is_tried_again_and_may_be_charged",),
    "B4": (N + "test_every_wait_ends", N + "test_a_peer_that_is_gone_without_a_word", CONFORMANCE + "test_deadlines_hold"),
    "B5": (N + "test_every_wait_ends", CONFORMANCE + "test_deadlines_hold"),
    "B6": (N + "test_a_connection_that_breaks_is_tried_again_and_may_be_charged",),
    "B7": (
        N + "test_a_connection_that_was_closed_while_idle_costs_nothing",
        N + "test_a_connection_that_is_closed_on_the_request_is_a_lost_call",
        CONFORMANCE + "test_a_connection_closed_behind_our_back_is_one_lost_call_at_most",
    ),
    "B8": (
        N + "test_a_name_that_moves_is_looked_up_again",
        WIRE + "test_a_name_that_does_not_exist",
        WIRE + "test_a_name_that_is_looked_up_for_ever",
    ),
    "B9": (P + "test_a_redirect_is_no_way_to_another_server",),
    "B10": (
        N + "test_a_certificate_that_is_not_right_gets_no_byte",
        WIRE + "test_an_untrusted_certificate_is_refused_before_a_byte_is_sent",
    ),
    "B11": (
        N + "test_a_thousand_cancelled_calls_leave_a_pool_that_works",
        CONFORMANCE + "test_cancelled_calls_free_their_connections",
    ),
    "B13": (N + "test_a_provider_that_stands_still_and_goes_on",),
    "B14": (N + "test_proxies_of_the_environment_are_left_alone", WIRE + "test_proxies_of_the_environment_are_not_used"),
    "P1": ("tests/histories/test_lives.py::test_every_crash_point_of_a_run", "tests/histories/test_lives.py::test_lives"),
    "P2": (
        "tests/door/test_resume.py::test_killed_again_and_again_nothing_accepted_is_lost_and_only_what_was_in_the_air_is_paid_again",
    ),
    "P3": (PROCESS + "test_a_signal_stops_and_keeps_what_is_there",),
    "P4": (PROCESS + "test_a_second_signal_ends_at_once_and_the_journal_folds", PROCESS + "test_p4_nohup_is_obeyed"),
    "P5": (RUNS + "test_p5_cancelled_at_every_event",),
    "P6": (PROCESS + "test_p6_i22_the_exit_code_says_how_it_ended", PROCESS + "test_p6_nothing_to_do_is_success"),
    "P7": (
        RUNS + "test_p7_user_code_that_fails_fails_its_cells_and_no_other",
        RUNS + "test_p7_user_code_that_blocks_holds_up_nobody",
    ),
    "P8": (
        PROCESS + "test_p8_one_engine_in_two_loops",
        PROCESS + "test_p8_inside_a_running_loop_and_in_threads",
        PROCESS + "test_p8_outside_a_loop_is_one_clear_error",
    ),
    "P9": (PROCESS + "test_p9_a_forked_process_works_and_so_does_its_parent",),
    "P12": (RUNS + "test_p12_calls_that_never_end_are_given_up_and_the_run_ends",),
    "P14": (RUNS + "test_p14_the_clock_on_the_wall_means_nothing_to_limits_and_deadlines",),
    "P15": (PROCESS + "test_p15_streams_that_fail_do_not_end_a_run", PROCESS + "test_p15_a_poor_locale_changes_no_result"),
    "P16": (
        PROCESS + "test_p16_a_run_that_nobody_waits_for_is_said_aloud",
        PROCESS + "test_p16_who_waits_or_cancels_is_not_warned",
    ),
    "S1": (STORAGE + "test_s1_a_full_disk_stops_the_run_and_keeps_what_was_accepted",),
    "S2": (
        STORAGE + "test_s2_a_limit_on_files_is_an_io_error_and_ends_alike",
        STORAGE + "test_s2_the_folder_is_deleted_under_it",
    ),
    "S3": (STORAGE + "test_s3_a_second_writer_waits_beside_the_loop_and_not_for_ever",),
    "S4": (
        STORAGE + "test_s4_every_transaction_that_writes_is_an_immediate_one",
        STORAGE + "test_s4_no_other_way_to_begin_is_written_anywhere",
    ),
    "S5": (STORAGE + "test_s5_one_flipped_byte_in_any_page_is_harmless_or_noticed",),
    "S6": (
        STORAGE + "test_s6_deleted_files_cost_what_was_in_them_and_that_is_said",
        STORAGE + "test_s6_a_copy_without_its_log_is_an_older_state_and_whole",
        STORAGE + "test_s6_a_file_that_was_cut_is_refused",
    ),
    "S7": (STORAGE + "test_s7_a_file_of_lines_is_there_whole_or_not_at_all",),
    "S8": (STORAGE + "test_s8_a_torn_line_is_named",),
    "S9": ("tests/engine/test_cache.py::test_a_damaged_empty_or_foreign_entry_is_a_miss_and_counted",),
    "S10": (
        "tests/engine/test_cache.py::test_what_was_not_accepted_is_never_kept",
        "tests/engine/test_cache.py::test_what_a_judge_refused_is_never_kept",
    ),
    "S11": (STORAGE + "test_s11_a_newer_format_is_refused_and_an_older_one_migrated",),
    "S12": (STORAGE + "test_s12_a_power_cut_takes_nothing_acknowledged",),
    "S13": (STORAGE + "test_s13_what_came_last_by_its_number_counts",),
    "S14": (STORAGE + "test_s2_s14_a_write_that_fails_once_drops_nothing_in_silence",),
    "F1": (INPUT + "test_f1_what_needs_what", INPUT + "test_f1_ten_thousand_deep", INPUT + "test_f1_a_thousand_diamonds"),
    "F2": (INPUT + "test_f2_names",),
    "F3": (INPUT + "test_f3_counts", INPUT + "test_f3_axes", INPUT + "test_f3_numbers_of_a_step"),
    "F4": (INPUT + "test_f4_prompts",),
    "F5": (
        INPUT + "test_f5_more_distinct_values_than_there_are",
        INPUT + "test_f5_a_contradiction_that_nobody_sees_beforehand_is_bounded",
    ),
    "F6": (INPUT + "test_f6_schemas", INPUT + "test_f6_a_tree_is_fine"),
    "F7": (INPUT + "test_f7_a_bad_row_is_named_by_its_line", INPUT + "test_f7_an_endless_line_is_not_held"),
    "F8": (INPUT + "test_f8_yaml", INPUT + "test_f8_words_stay_words"),
    "F9": ("tests/faults/test_secrets.py::test_f9_a_key_that_can_be_none_is_refused_without_repeating_it",),
    "F10": (INPUT + "test_f10_limits", INPUT + "test_f10_a_deadline_that_has_passed", INPUT + "test_f10_options_by_every_level"),
}
