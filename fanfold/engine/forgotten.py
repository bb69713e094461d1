"""A run that nobody waits for is lost with its engine: said aloud, for its author surely wanted the result."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from fanfold.engine.job import Job


def forgotten(jobs: Iterable[Job]) -> list[str]:
    """Runs that go on although nobody has waited for them, or cancelled them."""
    return [job.run_id for job in jobs if not job.ended and job.error is None and not job.followed]


def warn_of(runs: Sequence[str], when: str) -> None:
    """One RuntimeWarning, as for a coroutine that was never awaited. when: what ended them, e.g. "its engine was closed"."""
    if runs:
        which = f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs ({runs[0]}, …)"
        warnings.warn(
            f"{which} had not ended when {when}, and nobody waited for it: write `await run.result()` before. "
            "What was accepted by then is kept in the store.",
            RuntimeWarning, stacklevel=2,
        )  # fmt: skip
