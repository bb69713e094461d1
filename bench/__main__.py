"""`make bench`: every benchmark, or those named: `python -m bench fanout startup`. Prints figures, and fails on a missed target."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main() -> int:
    names = sys.argv[1:] or sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))
    missed = []
    for name in names:
        print(f"\n{name}: {(import_module(f'bench.{name}').__doc__ or '').splitlines()[0]}")
        for what, value, target in import_module(f"bench.{name}").measure():
            good = target is None or value <= target
            missed += [] if good else [f"{name}: {what}"]
            print(
                f"  {what:<66} {value:9.3f}"
                + ("" if target is None else f"   target ≤ {target:g}   {'ok' if good else 'MISSED'}")
            )
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
