"""When a batch waits for more: only in a stream of answers, and then briefly."""

from fanfold.engine.clock import LINGER_S, STREAM, LoopClock
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
    assert lingered([0.001] * 10) == [0.0] * STREAM + [LINGER_S] * (10 - STREAM)


def test_calls_that_come_one_by_one_are_never_delayed():
    assert set(lingered([0.02] * 20)) == {0.0}


def test_what_is_not_an_answer_is_never_delayed():
    assert set(lingered([0.0001] * 20, answered=False)) == {0.0}


def test_a_pause_ends_the_stream():
    assert lingered([0.001] * 6 + [0.05] + [0.001] * 3)[-4:] == [0.0] * 4
