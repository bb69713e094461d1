"""`python -m fanfold.testing repro SEED`: one history again, event by event. `histories FIRST COUNT`: many, the failing seeds printed."""

from __future__ import annotations

import sys
from traceback import print_exc

from fanfold.testing.weather import Climate, heap_history, same_log, shell_history


def repro(seed: int) -> int:
    climate = Climate.of(seed)
    print(climate)  # noqa: T201
    for name, history in (("heap", heap_history), ("shell", shell_history)):
        try:
            events = history(climate)
        except BaseException:  # noqa: BLE001 - whatever it is, it is shown
            print(f"--- {name}: failed")  # noqa: T201
            print_exc()
            return 1
        print(f"--- {name}: {len(events)} events")  # noqa: T201
        if name == "heap":
            print("\n".join(map(str, events)))  # noqa: T201
    try:
        same_log(climate)
    except AssertionError as error:
        print(error)  # noqa: T201
        return 1
    return 0


def histories(first: int, count: int) -> int:
    failed = []
    for seed in range(first, first + count):
        try:
            same_log(Climate.of(seed))
        except BaseException as error:  # noqa: BLE001 - the seed is what matters
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)  # noqa: T201
    print(f"{count - len(failed)} passed, {len(failed)} failed")  # noqa: T201
    return 1 if failed else 0


def main(args: list[str]) -> int:
    if len(args) == 2 and args[0] == "repro":
        return repro(int(args[1]))
    if len(args) == 3 and args[0] == "histories":
        return histories(int(args[1]), int(args[2]))
    print(__doc__)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
