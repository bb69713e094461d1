"""What the logger `fanfold` writes, whoever listens and at whatever level: one line a record, without keys or control characters."""

from __future__ import annotations

import logging
import traceback

from fanfold.spec.hidden import redact

LONGEST = 2_000  # characters of a record


class CleanRecords(logging.Filter):
    """Rewrites each record before any handler sees it. Lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = str(record.msg)
        record.msg, record.args = one_line(message), None
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = shown(record.exc_info[1])
        return True


class CleanFormat(logging.Formatter):
    """The same for a handler, whatever logger a record comes from."""

    _cleaner = CleanRecords()

    def format(self, record: logging.LogRecord) -> str:
        copy = logging.makeLogRecord(record.__dict__)
        self._cleaner.filter(copy)
        return super().format(copy)


def one_line(text: str, longest: int = LONGEST) -> str:
    """A text that stays in its line and does nothing to a terminal."""
    text = redact(text if len(text) <= 2 * longest else text[: 2 * longest])
    if len(text) > longest:
        text = text[:longest] + "…"
    return text if text.isprintable() else "".join(map(_visible, text))


def shown(error: BaseException | None) -> str:
    """A traceback, each of its lines marked as one, so that none can pass for a record."""
    lines = "".join(traceback.format_exception(error)).splitlines() if error is not None else []
    return "\n".join(f"  | {one_line(line)}" for line in lines)


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape", "replace").decode("ascii")
