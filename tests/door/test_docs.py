"""What the pages about data, tokens and clients show is true: every block of Python runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from fanfold.sim.server import start
from fanfold.sim.world import World

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    (page, n, code)
    for page in ("data", "tokens", "clients")
    for n, code in enumerate(re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL))
]


@pytest.mark.parametrize(("page", "n", "code"), BLOCKS, ids=[f"{page}-{n}" for page, n, _ in BLOCKS])
async def test_every_block_runs(page, n, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FANFOLD_HOME", str(tmp_path))
    (tmp_path / "terms.csv").write_text("term,lang\nijs,nl\nvuur,nl\n")
    running = await start(World(fixed_s=0.01), api_key="sk-test-0123456789")
    for name in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{name}_API_KEY", "sk-test-0123456789")
        monkeypatch.setenv(f"{name}_BASE_URL", running.url if name == "OPENAI" else running.root)
    names = {}
    try:
        made = eval(compile(code, f"{page}.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if made is not None:
            await made
    finally:
        await running.stop()
    assert names["result"].ok
    if page == "tokens":
        assert names["shown"] == {cell.at["animal"]: cell.value for cell in names["result"]["tale"]}
    if (page, n) == ("data", 1):
        assert (tmp_path / "names.parquet").read_bytes()[:4] == b"PAR1"
