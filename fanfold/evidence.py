"""Evidence in two tiers, read from a folder: `primary/` and `supporting/`, or files that name their tier themselves.

A piece is a Markdown, text or JSON file. Its id is its own (`id:` in the front matter, `"id"` in the JSON), else the beginning of its
file's name (`E7-grid-letter.md` is E7), else the name (`grid letter.md` is grid-letter). What cannot be evidence is an error, never left out.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanfold.spec.errors import PlanError

TIERS = ("primary", "supporting")
ENDINGS = (".md", ".markdown", ".txt", ".json")
METRICS = "metrics.json"
"""A file of this name beside the tiers is no evidence: it holds figures to fall back on."""
MOST_BYTES, MOST_BYTES_IN_ALL, MOST_PIECES, DEEPEST = 256 << 10, 1 << 20, 200, 8
LONGEST_TITLE = 160  # characters
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_LEADING_ID = re.compile(r"([A-Za-z]{1,3}\d{1,4})(?![A-Za-z0-9])")
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_OWN = ("id", "tier", "title")


@dataclass(frozen=True)
class Evidence:
    """One piece. tier: "primary" or "supporting". file: its path in the folder. text: what it says. about: what else it says of itself."""

    id: str
    tier: str
    title: str
    text: str
    file: str
    about: Mapping[str, Any]


def read_evidence(folder: str | Path) -> list[Evidence]:
    """All pieces of a folder, primary ones first, in the order of their ids. Raises PlanError naming the file that is wrong."""
    root = Path(folder)
    if not root.is_dir():
        what = "is a file, not a folder" if root.is_file() else "is no folder"
        raise PlanError(str(folder), what, "name a folder with the subfolders primary/ and supporting/")
    pieces: list[Evidence] = []
    seen: dict[str, str] = {}
    size = 0
    for path in _files(root, root, 0):
        piece, length = _piece(root, path)
        size += length
        if size > MOST_BYTES_IN_ALL:
            hint = "leave out what matters least, or shorten it: all of it goes into one prompt"
            raise PlanError(str(folder), f"holds more than {MOST_BYTES_IN_ALL >> 10} KiB of evidence", hint)
        if (other := seen.setdefault(piece.id.casefold(), piece.file)) != piece.file:
            raise PlanError(f"{root / piece.file}", f"has the id {piece.id!r}, and so has {other}", "give one of them another id")
        pieces.append(piece)
        if len(pieces) > MOST_PIECES:
            raise PlanError(str(folder), f"holds more than {MOST_PIECES} pieces of evidence", "join or leave out some")
    if not pieces:
        endings = ", ".join(ENDINGS)
        raise PlanError(str(folder), "holds no evidence", f"put files ({endings}) into its subfolders primary/ and supporting/")
    return sorted(pieces, key=lambda piece: (TIERS.index(piece.tier), _natural(piece.id)))


def read_object(path: str | Path) -> dict[str, Any]:
    """A JSON file that holds one object. Raises PlanError."""
    data = _json(_text(Path(path), Path(path))[0], str(path))
    if not isinstance(data, dict):
        raise PlanError(str(path), f"holds a {type(data).__name__}, not an object", 'write {"name": value, …}')
    return data


# -------------------------------------------------------------------- the folder


def _files(root: Path, folder: Path, depth: int) -> Iterator[Path]:
    """Every file below, by name; hidden ones and the metrics left out. Links are followed to files inside the folder only."""
    if depth > DEEPEST:
        raise PlanError(str(folder), f"is more than {DEEPEST} folders deep", "put the files higher up")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise PlanError(str(folder), f"cannot be read: {error.strerror or error}") from error
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith(".") or (depth == 0 and entry.name == METRICS):
            continue
        if entry.is_symlink():
            _check_link(root, path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _files(root, path, depth + 1)
            continue
        yield path


def _check_link(root: Path, path: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise PlanError(str(path), "is a link to nothing", "remove it, or put the file itself there") from error
    if not target.is_relative_to(root.resolve()):
        raise PlanError(str(path), "is a link out of the folder", "put the file itself there")
    if target.is_dir():
        raise PlanError(str(path), "is a link to a folder", "put the files themselves there")


# -------------------------------------------------------------------- one piece


def _piece(root: Path, path: Path) -> tuple[Evidence, int]:
    """A piece, and how many bytes its file has."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        kind = f"a {ending} file" if ending else "a file without an ending"
        raise PlanError(str(path), f"is {kind}: evidence is Markdown, text or JSON", "convert it, or move it out of the folder")
    shown = path.relative_to(root)
    text, size = _text(path, shown)
    about, body = _of_json(text, str(path)) if ending == ".json" else _of_text(text, str(path))
    if not body.strip():
        raise PlanError(str(path), "is empty", "fill it, or remove it")
    title = " ".join(str(about.get("title") or _title(body, ending) or re.sub(r"[-_]+", " ", path.stem)).split())[:LONGEST_TITLE]
    rest = {str(name): value for name, value in about.items() if name not in _OWN}
    return Evidence(_id(path, about), _tier(root, path, about), title, body.strip(), shown.as_posix(), rest), size


def _text(path: Path, shown: Path) -> tuple[str, int]:
    """The text of a plain file of a reasonable size. Nothing else is opened: a pipe would wait for ever."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise PlanError(str(path), "is no plain file", "put a file there")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PlanError(str(path), f"cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        size = f"{max(about.st_size, len(data)) / 1024:,.0f} KiB"
        raise PlanError(
            str(path), f"has {size}; a file may have {MOST_BYTES >> 10}", "shorten it to what matters, or cut it in pieces"
        )
    if b"\0" in data:
        raise PlanError(str(path), f"is no text: {shown.name} holds binary data", "convert it to Markdown, text or JSON in UTF-8")
    try:
        return data.decode("utf-8-sig"), len(data)
    except UnicodeDecodeError as error:
        raise PlanError(str(path), f"is not UTF-8 (byte {error.start + 1})", "save it as UTF-8") from None


def _of_text(text: str, name: str) -> tuple[dict[str, Any], str]:
    """(front matter, what follows it)."""
    front = _FRONT.match(text)
    if front is None:
        return {}, text
    from fanfold.files import parse_yaml

    about = parse_yaml(front[1], f"{name}: front matter")
    if about is None:
        return {}, text[front.end() :]
    if not isinstance(about, dict):
        return {}, text  # a rule, some text and another rule: no front matter
    return {str(key): value for key, value in about.items()}, text[front.end() :]


def _of_json(text: str, name: str) -> tuple[dict[str, Any], str]:
    """(what the object says of itself, the rest of it as JSON; or its `text`, where that is all the rest)."""
    if not text.strip():
        raise PlanError(name, "is empty", "fill it, or remove it")
    data = _json(text, name)
    if not isinstance(data, dict):
        return {}, json.dumps(data, ensure_ascii=False, indent=1)
    about = {key: data[key] for key in _OWN if key in data}
    rest = {key: value for key, value in data.items() if key not in _OWN}
    if not rest:
        raise PlanError(name, "says nothing beside its id, tier and title", "fill it, or remove it")
    if set(rest) == {"text"} and isinstance(rest["text"], str):
        return about, rest["text"]
    return about, json.dumps(rest, ensure_ascii=False, indent=1)


def _json(text: str, name: str) -> Any:
    def no_number(word: str) -> Any:
        raise ValueError(f"{word} is no number there")

    try:
        return json.loads(text, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise PlanError(f"{name}:{error.lineno}", f"is not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise PlanError(name, f"is not valid JSON: {error}") from None


def _tier(root: Path, path: Path, about: Mapping[str, Any]) -> str:
    folder = path.relative_to(root).parts[0].lower()
    placed = folder if folder in TIERS and len(path.relative_to(root).parts) > 1 else None
    told = about.get("tier")
    if told is None:
        if placed is None:
            hint = "move it into primary/ or supporting/, or write `tier: primary` in its front matter"
            raise PlanError(str(path), "has no tier", hint)
        return placed
    own = str(told).strip().lower()
    if own not in TIERS:
        raise PlanError(str(path), f"has the tier {told!r}", f"one of {', '.join(TIERS)}")
    if placed not in (None, own):
        raise PlanError(str(path), f"says that it is {own}, and is in {placed}/", "move it, or change what it says")
    return own


def _id(path: Path, about: Mapping[str, Any]) -> str:
    if about.get("id") is not None:
        own = str(about["id"]).strip()
        if not ID.fullmatch(own):
            hint = "letters, digits, dots, dashes and underscores, at most 40, e.g. E7"
            raise PlanError(str(path), f"has the id {own[:60]!r}, which cannot be cited", hint)
        return own
    found = _LEADING_ID.match(path.stem) or re.match(r".*", re.sub(r"[^A-Za-z0-9._]+", "-", path.stem).strip("-._")[:40])
    if found is None or not ID.fullmatch(found[0]):
        raise PlanError(str(path), "has a name that makes no id", "give it an id of its own: `id: E7` in its front matter")
    return found[0]


def _title(body: str, ending: str) -> str:
    """The first heading of Markdown; of a text its first line, where that stands alone."""
    if ending == ".txt":
        first, _, rest = body.strip().partition("\n")
        return first.strip() if rest.startswith(("\n", "\r\n")) and len(first) <= LONGEST_TITLE else ""
    found = _HEADING.search(body) if ending != ".json" else None
    return found[1] if found else ""


def _natural(text: str) -> list[tuple[int, int, str]]:
    """E2 comes before E10."""
    parts = re.findall(r"\d+|\D+", text.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
