"""CPU seconds to begin: `import fanfold`, and `fanfold --help`. The best of five; a bare interpreter's is taken off the import."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator


def cpu(*command: str) -> float:
    best = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def measure() -> Iterator[tuple[str, float, float | None]]:
    bare = cpu(sys.executable, "-c", "pass")
    yield "python -c pass", bare, None
    yield "import fanfold", cpu(sys.executable, "-c", "import fanfold") - bare, 0.150
    yield "import every public name", cpu(sys.executable, "-c", "from fanfold import *") - bare, None
    yield "fanfold --help, whole", cpu(sys.executable, "-m", "fanfold", "--help"), 0.500
    yield "fanfold mealplan --help, whole", cpu(sys.executable, "-m", "fanfold", "mealplan", "--help"), None
