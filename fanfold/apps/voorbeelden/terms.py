"""The terms of a run: one, or the rows of a file, read when they are needed and never held all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any, overload

from fanfold import PlanError
from fanfold.apps.voorbeelden.clean import LONGEST, cleaned
from fanfold.apps.voorbeelden.types import Term

COLUMNS = tuple(LONGEST)


class Terms(Sequence[Term]):
    """Rows as terms. A first pass reads every row; a row that is wrong raises PlanError with its number, the first being 1.

    given: how many of them bring their own definition.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        self._rows, self._name = rows, name
        self.given = 0
        seen: dict[bytes, int] = {}
        for number in range(1, len(rows) + 1):
            term = self._term(number)
            key = blake2b(f"{term.begrip.casefold()}\0{term.context}".encode(), digest_size=12).digest()
            if key in seen:
                raise PlanError(
                    self._place(number),
                    f"het begrip {term.begrip!r} staat al in rij {seen[key]}",
                    "laat één van beide weg, of geef ze een verschillende context",
                )
            seen[key] = number
            self.given += term.definitie is not None
        if not seen:
            raise PlanError(name, "bevat geen begrippen", "zet op elke rij een begrip")

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Term: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Term]: ...
    def __getitem__(self, index: int | slice) -> Term | Sequence[Term]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._term(index + 1 if index >= 0 else len(self) + index + 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Terms) and other._rows == self._rows

    __hash__ = None  # type: ignore[assignment]

    def _place(self, number: int) -> str:
        return f"{self._name}, rij {number}"

    def _term(self, number: int) -> Term:
        row = self._rows[number - 1]
        found = {name: row[column] for column in row for name in [column.strip().casefold()] if name in COLUMNS}
        try:
            _check_columns(row)
            fields = {name: cleaned(name, value) for name, value in found.items()}
        except ValueError as error:
            raise PlanError(self._place(number), str(error)) from error
        begrip = fields.pop("begrip", None)
        if begrip is None:
            raise PlanError(self._place(number), "het begrip ontbreekt", "vul de kolom begrip in")
        return Term(begrip=begrip, **fields)


def _check_columns(row: Iterable[str]) -> None:
    """Columns of one's own may stand beside ours; one that looks like ours is a slip of the pen."""
    names = [column.strip().casefold() for column in row]
    for name in names:
        if name not in COLUMNS and (near := get_close_matches(name, [each for each in COLUMNS if each not in names], 1, 0.75)):
            raise ValueError(f"de kolom {name!r} is onbekend; bedoel je {near[0]!r}?")
