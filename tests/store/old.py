"""Files as earlier formats were written: made from what those versions themselves had written, not with the code of today."""

from __future__ import annotations

import sqlite3
from pathlib import Path

FORMATS = (1,)


def build(path: Path, version: int) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(Path(__file__).with_name(f"format{version}.sql").read_text())
    db.close()
