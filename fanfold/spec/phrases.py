"""What the engine writes at the end of a prompt, in one place, so that the simulated provider can read it as a model would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

AVOID = "These are taken already. Choose something clearly different from every one of them:"
CROWDED = "There are many already with:"
REJECTED = "Your previous answer was not accepted. Reason:"
PREVIOUS = "Your previous answer was:"
EVIDENCE = "First give your reason: what in the text shows it. Only then your verdict."
"""Ends the prompt of a judge."""
REPAIR = "Write it again, complete and corrected."


def avoid(names: Sequence[str]) -> str:
    """The avoid-list: one name a line, each after "- "."""
    return AVOID + "\n" + "\n".join(f"- {' '.join(name.split())}" for name in names)


def crowded(words: Sequence[str]) -> str:
    """What there is too much of, among names that are too many to be told."""
    return f"{CROWDED} {', '.join(words)}."


def facets(named: Mapping[str, str]) -> str:
    """What an answer is to be like, where the prompt does not say it: "Tone: angry. Product: kettle."."""
    return " ".join(f"{name[:1].upper()}{name[1:].replace('_', ' ')}: {text.rstrip('.')}." for name, text in named.items())


def rejected(reason: str, previous: str | None) -> str:
    """Why the last answer was refused; with the answer itself when it is to be repaired rather than replaced."""
    if previous is None:
        return f"{REJECTED} {reason}"
    return f"{PREVIOUS}\n{previous}\n\n{REJECTED} {reason}\n{REPAIR}"
