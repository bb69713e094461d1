"""A folder of evidence: what is taken, and that what is odd or hostile is an error which names the file."""

from __future__ import annotations

import json
import os

import pytest

from fanfold import PlanError, read_evidence, read_object
from fanfold.evidence import MOST_BYTES, MOST_PIECES


@pytest.fixture
def folder(tmp_path):
    """folder("primary/E1.md", "text", …) writes files and returns their folder."""

    def make(*files: str | bytes):
        for name, text in zip(files[::2], files[1::2], strict=True):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return make


def refused(folder) -> str:
    with pytest.raises(PlanError) as error:
        read_evidence(folder)
    return str(error.value)


def test_tiers_ids_titles_and_texts(folder):
    root = folder(
        "primary/E10-late.md", "# Late news\n\nIt came late.",
        "primary/E2_scan.txt", "Scan of the hull\n\nIt is thin.",
        "primary/deep/er/Grid letter.md", "---\ntitle: From the grid\ndate: 2026-01-02\nsource: them\n---\nNo power.",
        "supporting/s.json", json.dumps({"id": "S1", "title": "Offers", "price": 3, "notes": ["cheap"]}),
        "supporting/list.json", "[1, 2]",
        "supporting/text.json", json.dumps({"id": "S3", "text": "Only words."}),
        "note.md", "---\nid: N-1\ntier: Supporting\n---\nMarked itself.",
        "metrics.json", "{}", ".hidden.md", "x", "primary/.DS_Store", b"\0\1",
    )  # fmt: skip
    found = read_evidence(root)
    assert [(piece.id, piece.tier, piece.title, piece.file) for piece in found] == [
        ("E2", "primary", "Scan of the hull", "primary/E2_scan.txt"),
        ("E10", "primary", "Late news", "primary/E10-late.md"),
        ("Grid-letter", "primary", "From the grid", "primary/deep/er/Grid letter.md"),
        ("list", "supporting", "list", "supporting/list.json"),
        ("N-1", "supporting", "note", "note.md"),
        ("S1", "supporting", "Offers", "supporting/s.json"),
        ("S3", "supporting", "text", "supporting/text.json"),
    ]
    by_id = {piece.id: piece for piece in found}
    assert by_id["Grid-letter"].text == "No power." and by_id["Grid-letter"].about["source"] == "them"
    assert json.loads(by_id["S1"].text) == {"price": 3, "notes": ["cheap"]} and by_id["S3"].text == "Only words."


def test_a_rule_at_the_top_is_no_front_matter(folder):
    assert read_evidence(folder("primary/a1.md", "---\nJust text\n---\nMore."))[0].text.startswith("---")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((), "holds no evidence"),
        (("primary/E1.md", ""), "E1.md: is empty"),
        (("primary/E1.md", " \n\t\n"), "is empty"),
        (("primary/E1.md", "---\nid: E1\n---\n"), "is empty"),
        (("primary/E1.json", ""), "is empty"),
        (("primary/E1.json", '{"id": "E1"}'), "says nothing"),
        (("primary/E1.md", b"PK\3\4\0\0binary"), "is no text"),
        (("primary/E1.md", "caf\xe9".encode("latin-1")), "is not UTF-8 (byte 4)"),
        (("primary/E1.txt", "x" * (MOST_BYTES + 1)), "shorten it"),
        (("primary/report.pdf", "x"), "is a .pdf file"),
        (("primary/Makefile", "x"), "without an ending"),
        (("primary/E1.json", '{"a": 1,}'), "E1.json:1: is not valid JSON"),
        (("primary/E1.json", '{"a": NaN}'), "NaN is no number"),
        (("primary/E1.json", "[" * 100_000), "is not valid JSON"),
        (("primary/E1.md", "---\nid: [\n---\nx"), "front matter"),
        (("primary/E1.md", "---\na: 1\na: 2\n---\nx"), "front matter"),
        (("primary/E1.md", "---\nid: 'E 1]'\n---\nx"), "cannot be cited"),
        (("primary/E1.md", "---\nid: " + "x" * 41 + "\n---\nx"), "cannot be cited"),
        (("primary/«».md", "x"), "makes no id"),
        (("E1.md", "x"), "has no tier"),
        (("elsewhere/E1.md", "x"), "has no tier"),
        (("E1.md", "---\ntier: third\n---\nx"), "one of primary, supporting"),
        (("primary/E1.md", "---\ntier: supporting\n---\nx"), "and is in primary/"),
        (("primary/E1-a.md", "x", "supporting/e1-b.md", "y"), "has the id 'e1', and so has primary/E1-a.md"),
        (("primary/" + "d/" * 10 + "E1.md", "x"), "folders deep"),
        (tuple(part for i in range(6) for part in (f"primary/E{i}.md", "x" * 200_000)), "KiB of evidence"),
        (tuple(part for i in range(MOST_PIECES + 1) for part in (f"primary/E{i}.md", "x")), "pieces of evidence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_evidence_is_named(folder, files, words):
    assert words in refused(folder(*files))


def test_links_lead_nowhere_outside(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.md"
    outside.write_text("secret")
    for target, words in (
        (outside, "out of the folder"),
        (outside.parent, "out of the folder"),
        ("nothing.md", "a link to nothing"),
    ):
        root = folder("primary/E1.md", "x")
        link = root / "primary/E9.md"
        link.symlink_to(target)
        assert words in refused(root)
        link.unlink()
    (root / "primary/loop").symlink_to(root / "primary")
    assert "a link to a folder" in refused(root)
    (root / "primary/loop").unlink()
    (root / "primary/E9.md").symlink_to(root / "primary/E9.md")
    assert "a link to nothing" in refused(root)


def test_a_link_inside_the_folder_is_a_file_like_any_other(folder):
    root = folder("primary/E1.md", "x")
    (root / "supporting").mkdir()
    (root / "supporting/S1.md").symlink_to(root / "primary/E1.md")
    assert [piece.id for piece in read_evidence(root)] == ["E1", "S1"]


def test_a_pipe_is_not_waited_for(folder):
    root = folder("primary/E1.md", "x")
    os.mkfifo(root / "primary/E2.md")
    assert "is no plain file" in refused(root)


def test_no_folder(folder):
    root = folder("E1.md", "x")
    assert "is a file, not a folder" in refused(root / "E1.md")
    assert "is no folder" in refused(root / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read_is_said(folder):
    root = folder("primary/E1.md", "x")
    (root / "primary/E1.md").chmod(0)
    assert "cannot be read: Permission denied" in refused(root)


@pytest.mark.parametrize(("text", "words"), [("[]", "not an object"), ("{", "is not valid JSON"), (b"\0", "is no text")])
def test_an_object_is_read_as_carefully(folder, text, words):
    path = folder("m.json", text) / "m.json"
    with pytest.raises(PlanError, match=words):
        read_object(path)
