from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fanfold.testing.faults.exchange import Mode
from fanfold.testing.faultserver import MODES, FaultServer
from tests.door.conftest import clean_environment

Serve = Callable[..., FaultServer]


@pytest.fixture
def faults() -> Iterator[Serve]:
    """Start a `FaultServer` on a thread of its own: what is tested may block, fork or be another process."""
    stops: list[Callable[[], None]] = []

    def start(modes: Mapping[str, Mode] | None = None) -> FaultServer:
        server, ready, end = FaultServer({**MODES, **(modes or {})}), threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with server:
                ready.set()
                await end.wait()

        thread = threading.Thread(target=lambda: (loop.run_until_complete(serve()), loop.close()))
        thread.start()
        assert ready.wait(10)

        def stop() -> None:
            loop.call_soon_threadsafe(end.set)
            thread.join()

        stops.append(stop)
        return server

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program, or a script: program("run", "plan.yaml"), program(script="…"). Nothing is asserted of how it ends."""

    def call(*args: str, script: str | None = None, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        what = ["-m", "fanfold"] if script is None else ["-c", script]
        place = {**clean_environment(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path), **(environ or {})}
        return subprocess.run(
            [sys.executable, *what, *args], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=place,
            stdin=subprocess.DEVNULL, errors="replace",
        )  # fmt: skip

    return call
