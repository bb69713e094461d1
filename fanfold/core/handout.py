"""Candidates are handed out: what a cell is offered is told as keys, best first, and it has the first free ones from that moment on.

A cell keeps its candidates while it is drawn again, and gives them back when it ends without an answer of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.core.commands import FALLBACK, Give
from fanfold.core.rows import Rows
from fanfold.core.run import Cell, Run
from fanfold.core.stock import Stock
from fanfold.spec.errors import Code

TWINS_HINT = "give each an id or a name of its own, or Candidates(…, key=…) that tells them apart"
USED_UP_HINT = "give more candidates, or ask for fewer cells"


class Handout(Rows):
    """What is different where a step has candidates."""

    def _begin(self, cell: Cell, now: int) -> None:
        if cell.rule.take and cell.phase != FALLBACK:
            cell.dealt = self._deal(cell)
        super()._begin(cell, now)

    def _deal(self, cell: Cell) -> tuple[int, ...]:
        """Numbers of a fixed pool to look at: a fair share where it cannot give everybody as many as they would take."""
        stock = stock_of(cell.run, cell)
        if stock.size is None:
            return ()
        share = stock.size // max(1, cell.run.grid.totals[cell.rule.index])
        return stock.deal(max(1, min(cell.rule.take, share)))

    def offered(self, cell: Cell, keys: Sequence[str], now: int) -> None:
        """What there is for a cell that is being prepared, best first; of a fixed pool, what it was dealt."""
        if cell.wake < 0:
            return  # given up: its `prepared` still comes
        stock = stock_of(cell.run, cell)
        places = stock.take(cell.id, keys, cell.rule.take, cell.dealt)
        cell.took = tuple([keys[place] for place in places])
        if places or stock.size is None:
            cell.dealt = ()
            self._out.append(Give(cell, places))
            return
        cell.dealt = self._deal(cell)
        if cell.dealt:
            self._out.append(Give(cell, (), again=True))
        else:
            cells = cell.run.grid.totals[cell.rule.index]
            same = ", some of which have the same key," if stock.twins else ""  # how many, only all cells together would know
            message = f"the pool of candidates is used up: {stock.size}{same} for {cells} cells"
            self._give_up(cell, Code.BAD_REQUEST, message, TWINS_HINT if stock.twins else USED_UP_HINT)

    def _hand_back(self, cell: Cell) -> None:
        """It ends without an answer of its own: somebody else may have its candidates."""
        if cell.took or cell.dealt:
            stock = stock_of(cell.run, cell)
            stock.give_back(cell.id, cell.took)
            stock.put_back(cell.dealt)
            cell.took = cell.dealt = ()


def stock_of(run: Run, cell: Cell) -> Stock:
    """The candidates of a cell's step."""
    stock = run.stocks.get(cell.rule.index)
    if stock is None:
        stock = run.stocks[cell.rule.index] = Stock(cell.rule.stock)
    return stock
