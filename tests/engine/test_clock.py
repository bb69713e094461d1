"""When a batch waits for more: only in a stream of answers, and then briefly."""

from fanfold.engine.clock import LINGER_S, LoopClock
from fanfold.testing.virtual import run


def lingered(gaps_s, *, answered=True):
    """Seconds that each batch is kept, when the next one comes `gap` after the last."""

    async def main():
        import asyncio

        loop, clock, kept = asyncio.get_running_loop(), LoopClock(), []
        await asyncio.sleep(1)
        for gap in gaps_s:
            await asyncio.sleep(gap)
            began = loop.time()
            await clock.quiet(answered=answered)
            kept.append(round(loop.time() - began, 6))
        return kept

    return run(main())


def test_a_stream_of_answers_waits_for_fuller_batches():
    kept = lingered([0.001] * 40)
    assert set(kept[:12]) == {0.0}, "a small fan-out is over by then"
    assert set(kept[20:]) == {LINGER_S}


def test_a_pause_between_waves_does_not_end_the_stream():
    assert lingered([0.001] * 40 + [0.04] + [0.001] * 8)[-8:] == [LINGER_S] * 8


def test_a_chain_is_never_delayed():
    assert set(lingered([0.02] * 100)) == {0.0}


def test_what_is_not_an_answer_is_never_delayed():
    assert set(lingered([0.0001] * 100, answered=False)) == {0.0}


def test_calm_returns():
    assert set(lingered([0.001] * 40 + [0.05] * 3 + [0.001] * 3)[-3:]) == {0.0}
