"""The prompts for programs and for people: JSON, Markdown, one row a prompt, and the rows that trainers and evaluators read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from fanfold import Result
from fanfold.apps.prompts.params import Params

Json = dict[str, Any]

LABELS = ("domain", "level", "language")
_PROMPT = re.compile(r'"prompt"\s*:\s*("(?:[^"\\]|\\.)*")', re.S)
CHECKER = "checker"
NO_ANSWER = "accepted, but not answered"


def content(params: Params, result: Result) -> Json:
    """`{"accepted": [{"prompt", "verdict", "answer", …}], "rejected": […], "failed": […], "asked", "system"}`, in the order of the samples.

    rejected: every prompt that was written and refused, with who refused it (`by`: "checker", the name of a check, "duplicate",
    "malformed" …) and why; prompt is None where there was none to be read. failed: samples that came to nothing, with their stage
    and code; one whose target failed keeps its prompt and verdict. system: the target's, None without one.
    """
    accepted, failed = [], []
    for written, answered in zip(result["engineer"], result["target"], strict=True):
        item = {**_judged(written), "answer": answered.value}
        error = written.error or answered.error
        if error is None:
            accepted.append(item)
        else:
            why = {"stage": error.stage, "code": str(error.code), "message": error.message}
            kept = {key: value for key, value in item.items() if value is not None}
            failed.append({**kept, **why})
    rejected = [_rejected(refused) for refused in result["engineer"].refused]
    return {"accepted": accepted, "rejected": rejected, "failed": failed, "asked": params.count, "system": params.system}


def _judged(cell: Any) -> Json:
    """What is known of a prompt that the checker has passed."""
    item = {"sample": cell.at["sample"]}
    if cell.value is None:
        return item
    written = cell.value.model_dump(mode="json")
    return {**item, "prompt": written["prompt"], "verdict": cell.verdict, **{label: written[label] for label in LABELS}}


def _rejected(refused: Any) -> Json:
    by = refused.check or str(refused.code)
    said = {"prompt": _prompt_in(refused.text), "by": CHECKER if by == "judge" else by}
    return {**said, "reason": refused.reason.removeprefix("a judge says: "), "sample": refused.at["sample"]}


def _prompt_in(text: str) -> str | None:
    """The prompt in an answer, whole or cut off after it."""
    found = _PROMPT.search(text)
    try:
        return None if found is None else str(json.loads(found.group(1), strict=False))
    except ValueError:
        return None


# -------------------------------------------------------------------- for people


def markdown(data: Json) -> str:
    """What was accepted, to read; then what was not, and why."""
    return "\n".join(_lines(data))


def _lines(data: Json) -> Iterator[str]:
    accepted, rejected, failed = data["accepted"], data["rejected"], data["failed"]
    yield f"# {len(accepted)} of {data['asked']} prompts\n"
    yield f"*{len(accepted)} accepted · {_refusals(len(rejected))} on the way · {len(failed)} failed*\n"
    for item in accepted:
        yield f"## {item['sample']}. {_label(item)}\n"
        yield f"{_quoted(item['prompt'])}\n"
        yield f"{item['answer'].strip()}\n"
        verdict = item["verdict"] or {}
        yield f"*Checker, {verdict.get('score', '-')} of 5: {verdict.get('reason', 'no verdict')}*\n"
    if rejected:
        yield "# Rejected on the way\n"
        yield from (
            f"- **{item['by']}**: {_line(item['prompt'] or '(not readable)')}\n  *{_line(item['reason'])}*" for item in rejected
        )
        yield ""
    if failed:
        yield "# Failed\n"
        yield from (_failure(item) for item in failed)


def _refusals(count: int) -> str:
    return "1 rejected" if count == 1 else f"{count} rejected"


def _failure(item: Json) -> str:
    about = f": {_line(item['prompt'])} ({NO_ANSWER})" if "prompt" in item else ""
    return f"- **{item['sample']}**, {item['stage']}, {item['code']}{about}\n  *{_line(item['message'])}*"


def _label(item: Json) -> str:
    language = "" if item["language"].casefold() == "english" else f", {item['language']}"
    return f"{item['domain'].capitalize()}, {item['level']}{language}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))


# -------------------------------------------------------------------- for programs


def rows(data: Json) -> list[Json]:
    """One flat row an accepted prompt."""
    return [
        {
            **{key: item[key] for key in ("sample", *LABELS, "prompt", "answer")},
            "score": (item["verdict"] or {}).get("score"),
            "reason": (item["verdict"] or {}).get("reason"),
        }
        for item in data["accepted"]
    ]


def chat(data: Json) -> str:
    """For fine-tuning: `{"messages": [{"role", "content"}, …]}`, one line an accepted prompt."""
    first = [{"role": "system", "content": data["system"]}] if data["system"] else []
    return _jsonl({"messages": [*first, *_turns(item)]} for item in data["accepted"])


def _turns(item: Json) -> list[Json]:
    return [{"role": "user", "content": item["prompt"]}, {"role": "assistant", "content": item["answer"]}]


def evaluation(data: Json) -> str:
    """For evaluation: `{"input": [messages], "ideal", "metadata"}`, one line an accepted prompt; the target's answer is the ideal one."""
    first = [{"role": "system", "content": data["system"]}] if data["system"] else []
    return _jsonl(
        {
            "input": [*first, _turns(item)[0]],
            "ideal": item["answer"],
            "metadata": {"sample": item["sample"], **{label: item[label] for label in LABELS}},
        }
        for item in data["accepted"]
    )


def _jsonl(lines: Iterator[Json]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
