"""How many tokens a text has, before the provider says. Estimates are booked; what comes back is settled."""

from __future__ import annotations

from collections.abc import Iterable

from fanfold.spec.calls import Message

CHARACTERS_PER_TOKEN = 3.6
MARGIN = 1.1
PER_MESSAGE = 4  # role and separators
UNKNOWN_ANSWER = 512  # tokens, where there is no `max_tokens`
VERDICT_MOST = 200  # tokens of a judge's answer


def estimate(text: str) -> int:
    """Latin text has about 3.6 characters a token, denser scripts about one."""
    dense = 0 if text.isascii() else sum(char > "\u2e7f" for char in text)
    return round(((len(text) - dense) / CHARACTERS_PER_TOKEN + dense) * MARGIN) + 1


def estimate_messages(messages: Iterable[Message]) -> int:
    return sum(estimate(message.content) + PER_MESSAGE for message in messages)


def guess(max_tokens: int | None) -> int:
    """Tokens of a step's answer before any has come: half of `max_tokens`. What comes then is learned in `core.sizes`."""
    return max_tokens // 2 if max_tokens else UNKNOWN_ANSWER


class PromptSize:
    """What a model's own count is of the prompts of a step, over ours: learned from what providers report."""

    LEAST, MOST = 0.2, 5.0

    def __init__(self) -> None:
        self.ratio = 1.0
        self._seen = 0

    def saw(self, estimated: int, told: int) -> None:
        """told: tokens in, as the provider reports them; 0 when it did not."""
        if estimated <= 0 or told <= 0:
            return
        self._seen += 1
        found = min(max(told / estimated, self.LEAST), self.MOST)
        self.ratio += max(0.05, 1 / self._seen) * (found - self.ratio)

    def corrected(self, estimated: int) -> int:
        return max(1, round(estimated * self.ratio))
