"""Sizes before the provider says them, and corrected by what it says."""

from fanfold import Engine, Plan, Step
from fanfold.engine.tokens import PromptSize
from fanfold.spec.calls import Usage
from fanfold.spec.events import Called
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


def test_what_is_reported_corrects_what_is_estimated():
    size = PromptSize()
    assert size.corrected(100) == 100
    for _ in range(50):
        size.saw(100, 150)
    assert size.corrected(100) == 150
    size.saw(100, 0)
    size.saw(0, 100)
    assert size.corrected(100) == 150, "what says nothing teaches nothing"
    for _ in range(200):
        size.saw(1, 10**9)
    assert size.corrected(100) == 500, "within reason"


def test_bookings_follow_the_provider():
    """A provider that counts three times as many tokens as we do is booked so after its first answers."""
    provider = ScriptedProvider(lambda request, number: Says("x", usage=Usage(tokens_in=30, tokens_out=5)))
    booked = []

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(400)}, concurrent=1)
            watch = lambda events: booked.extend(event.tokens for event in events if isinstance(event, Called))  # noqa: E731
            await engine.start(plan, sinks=[watch]).result()

    run(main())
    assert booked[0] > 500 and booked[-1] in range(30, 45)
