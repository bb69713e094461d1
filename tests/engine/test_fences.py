"""Markdown is taken out of the fence that models put around it, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.engine.fences import unfenced

INNER = "# Title\n\n```bash\nls\n```\n\nAfter."
CASES = {
    "no fence": ("# Title\n\nText.", "# Title\n\nText."),
    "named": ("```markdown\n# Title\n```", "# Title"),
    "short name, words around it": ("Here you are:\n\n```md\n# Title\n```\nEnjoy!", "# Title"),
    "capitals and spaces": ("``` Markdown \r\n# Title\r\n```  ", "# Title"),
    "no name": ("```\n# Title\n\nText.\n```", "# Title\n\nText."),
    "a block inside": (f"```markdown\n{INNER}\n```", INNER),
    "a longer fence": (f"````markdown\n{INNER}\n````", INNER),
    "tildes": (f"~~~markdown\n{INNER}\n~~~", INNER),
    "tildes inside": ("```markdown\n# T\n~~~\nls\n~~~\nx\n```", "# T\n~~~\nls\n~~~\nx"),
    "no end": ("```markdown\n# Title\n\nText.", "# Title\n\nText."),
    "no end, a block inside": ("```markdown\n" + INNER, INNER),
    "a second block": ("```markdown\n# A\n```\n```json\n{}\n```", "# A"),
    "a text with a block of code": (INNER, INNER),
    "nothing but code": ("```python\nprint()\n```", "```python\nprint()\n```"),
    "two blocks of code": ("```\na\n```\n\n```\nb\n```", "```\na\n```\n\n```\nb\n```"),
    "words before a plain fence": ("Run:\n```\nls\n```", "Run:\n```\nls\n```"),
    "inline": ("Use ```x``` here.", "Use ```x``` here."),
    "empty": ("```markdown\n```", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_inside(name):
    text, expected = CASES[name]
    assert unfenced(text).replace("\r\n", "\n") == expected


@given(st.text(alphabet="ab#` \n", max_size=60))
def test_a_fence_around_a_text_without_fences_changes_nothing(text):
    plain = text.replace("```", "")
    assert unfenced(f"```markdown\n{plain}\n```") == plain.strip()


@given(st.text(alphabet="a`~ \nmdjson", max_size=80))
def test_nothing_is_made_up(text):
    assert unfenced(text) in text
