"""Numbers of cells: no two share one, also on axes whose lengths nobody knows yet."""

from __future__ import annotations

from itertools import product

from fanfold.core.placing import number


def test_without_unknown_axes_the_numbers_are_those_from_nought_on():
    sizes = (3, 2, 4)
    found = [number(at, sizes) for at in product(*map(range, sizes))]
    assert sorted(found) == list(range(24))


def test_each_meal_meets_every_value_of_a_facet_of_three():
    assert {number((day, 0), (3, 3)) % 3 for day in range(3)} == {0, 1, 2}


def test_no_two_cells_on_unknown_axes_share_a_number():
    places = [((at,), unknown) for at in range(3) for unknown in product(range(6), repeat=2)]
    assert len({number(known, (3,), unknown) for known, unknown in places}) == len(places)
