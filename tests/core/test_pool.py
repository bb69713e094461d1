"""When more draws for a counted axis are hopeless: what is on its way counts."""

from __future__ import annotations

from types import SimpleNamespace

from fanfold.core.cover import ZERO_IN
from fanfold.core.pool import Odds, Pool


def test_a_pool_is_not_given_up_while_what_is_good_is_on_its_way():
    """Duplicates are found out while they stream, good answers at their end: thirteen of the one have come, five of the other will."""
    pool = Pool(20, (0,), 5, Odds())
    for _ in range(ZERO_IN):
        pool.saw(False, told=True)
    for number in range(5):
        pool.live[number] = SimpleNamespace(told=True)  # type: ignore[assignment]
    pool.give_up(lambda cell: True)
    assert not pool.given_up
    pool.give_up(lambda cell: False)
    assert pool.given_up, "nothing that is on its way holds a key"
