"""Cells of several axes in one row: numbers from 0 on, so that what goes round with the numbers meets every value of every axis."""

from __future__ import annotations

from collections.abc import Sequence


def number(known: Sequence[int], sizes: Sequence[int], unknown: Sequence[int] = ()) -> int:
    """Of a cell at `known` on axes of these sizes, and at `unknown` on axes whose lengths nobody knows yet. No two cells share one.

    In axis order a facet of three values would always be the same for breakfast where there are three meals: each axis is
    turned by the coordinates before it, as the rows of a Latin square are. Without unknown axes the numbers are 0 … cells - 1.
    """
    found = unknown[0] if unknown else 0
    for digit in unknown[1:]:  # Cantor's pairing: any two numbers as one
        found = (found + digit) * (found + digit + 1) // 2 + digit
    turn = found
    for digit, size in zip(known, sizes, strict=True):
        found = found * size + (digit + turn) % size
        turn += digit
    return found
