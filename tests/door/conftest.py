from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Fanfold = Callable[..., "subprocess.CompletedProcess[str]"]


def clean_environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FANFOLD_", "OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_"))}
    return {**kept, "FANFOLD_HOME": str(home), "PYTHONWARNINGS": "error"}


@pytest.fixture
def fanfold(tmp_path: Path) -> Fanfold:
    """Run the program in a folder of its own: fanfold("mealplan", "--days", "1")."""

    def call(
        *args: str, environ: dict[str, str] | None = None, code: int | None = None, cwd: Path = tmp_path
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "fanfold", *args], capture_output=True, text=True, timeout=60, cwd=cwd,
            env={**clean_environment(tmp_path / "home"), **(environ or {})},
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


class Server:
    """`fanfold sim` as a process of its own."""

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fanfold", "sim", "--port", "0", *args], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = next(word for word in self.process.stdout.readline().split() if word.startswith("http"))

    def stats(self) -> dict[str, int]:
        import json
        from urllib.request import urlopen

        with urlopen(self.url.removesuffix("/v1") + "/stats") as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(10) == 0, "a server that is asked to end ends well"
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start simulated providers that end with the test."""
    servers: list[Server] = []

    def start(*args: str) -> Server:
        servers.append(Server(*args))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
