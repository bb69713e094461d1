"""The peak of this program's own resident memory."""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> float:
    """Resident at most, in MB. Linux only: `getrusage` counts the process that this one was forked from as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
