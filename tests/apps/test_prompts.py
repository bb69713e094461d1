"""The pure parts of prompts: parameters, checks, exports, and what the simulated models write."""

from __future__ import annotations

import csv
import io
import json
import random
import re

import pytest
from pydantic import ValidationError

from fanfold.apps.prompts import APP, checks
from fanfold.apps.prompts.content import checker, engineer, target
from fanfold.apps.prompts.exports import _prompt_in
from fanfold.apps.prompts.library import language_of, languages, level_of, library, notes, prompts, recognised
from fanfold.apps.prompts.params import Params
from fanfold.apps.prompts.texts import BEGIN, END
from fanfold.apps.prompts.types import PromptVerdict, SyntheticPrompt
from fanfold.sim.pen import Habits, Pen
from fanfold.spec.phrases import avoid, rejected
from fanfold.views.exports import to_csv

LEVELS = ("easy", "medium", "hard")
ASKED = "Write prompt number 1.\n- Domain: {domain}\n- Level: {level}\n- Language: {language}\n"


def pen(prompt: str, seed: int = 0, slips: float = 0.0) -> Pen:
    return Pen(random.Random(seed), prompt, {}, Habits(slips=slips, obeys=1.0))


def wrote(domain="science", level="easy", language="English", topic="", seed=0, slips=0.0, more="") -> str:
    asked = ASKED.format(domain=domain, level=level, language=language) + (f"- Topic: {topic}\n" if topic else "") + more
    return engineer(pen(asked, seed, slips))["prompt"]


def verdict(text: str, domain="science", level="easy", language="English", seed=0):
    asked = ASKED.format(domain=domain, level=level, language=language)
    return PromptVerdict.model_validate(checker(pen(f"{asked}\n{BEGIN}\n{text}\n{END}\n\nScore it.", seed)))


# -------------------------------------------------------------------- parameters


def test_lists_are_texts_with_commas_and_each_is_there_once():
    params = Params(domains="science, History,science ,", levels=["easy"], topic="  ", languages="Dutch")
    assert (params.domains, params.levels, params.languages, params.topic) == (["science", "History"], ["easy"], ["Dutch"], None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"count": 0}, "a whole number from 1"), ({"count": 10**6}, "not 1000000"), ({"levels": " , "}, "at least one"),
        ({"similarity": 0}, "above 0"), ({"min_score": 6}, "1 to 5"), ({"tpoic": "bees"}, "Extra inputs"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_told_in_words(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Params(**wrong)


def test_each_role_has_its_own_model():
    plan = APP.plan(Params(engineer_model="openai/a", target_model="google/c", count=3))
    engineer, target = plan.steps
    assert (engineer.model, engineer.judge.model, target.model) == ("openai/a", "", "google/c"), (
        "the checker is the common --model"
    )
    assert APP.plan(Params(checker_model="anthropic/b")).steps[0].judge.model == "anthropic/b"


# -------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Why?", "too short"), ("word " * 900, "too many"), ("Here is a prompt about bees.", "begins with 'Here is'"),
        ("Prompt 3: explain how bees dance.", "write the prompt alone"), ("Explain [topic] in three sentences.", "is a gap"),
        ("Write a poem on {{subject}} for a friend.", "is a gap"), ("I'm sorry, I cannot help with that.", "a refusal"),
    ],
)  # fmt: skip
def test_what_is_plain_to_see_needs_no_checker(text, said):
    written = SyntheticPrompt(prompt=text, domain="science", level="easy", language="English")
    (found,) = [found for check in checks.CHECKS if (found := check(written))]
    assert said in found


@pytest.mark.parametrize(
    "text",
    ["What does `f\"{total}\"` print in Python?", "Sure-footed animals: name three and say where they live.",
     "Heres to Hera: write a toast.", "Explain what x[i] means, and what x[text] would mean, in a language of your choice."],
)  # fmt: skip
def test_what_only_looks_so_passes(text):
    written = SyntheticPrompt(prompt=text, domain="programming", level="easy", language="English")
    assert [check(written) for check in checks.CHECKS if check(written) and "x[text]" not in text] == []


# -------------------------------------------------------------------- the library


def test_every_prompt_of_the_library_is_recognised_as_what_it_is():
    for domain in library()["domains"]:
        for level in LEVELS:
            for text in prompts(domain, level, "English", ""):
                known = recognised(text)
                assert known is not None and (known.language, known.domain, known.level) == ("English", domain, level), text
                assert known.subject in text and notes(known.subject), text
                assert "{" not in text and not any(
                    check(SyntheticPrompt(prompt=text, domain="", level="", language="")) for check in checks.CHECKS
                )


@pytest.mark.parametrize("language", list(languages()))
def test_every_language_has_prompts_of_every_level_on_any_topic(language):
    for level in LEVELS:
        for text in prompts("science", level, language, "beekeeping") + prompts("astrology", level, language, ""):
            known = recognised(text)
            assert known is not None and (known.language, known.level) == (language, level), text
            assert known.subject in ("beekeeping", "astrology")


def test_there_are_thousands_and_neighbours_differ():
    found = [text for domain in library()["domains"] for level in LEVELS for text in prompts(domain, level, "English", "")]
    assert len(found) == len(set(found)) > 3_000
    first = prompts("science", "hard", "English", "")[:6]
    assert len({recognised(text).subject for text in first}) == 6


def test_words_of_users_mean_levels_and_languages():
    assert [level_of(word) for word in ("Beginner", "EXPERT", "so-so")] == ["easy", "hard", "medium"]
    assert (language_of("Nederlands"), language_of("de"), language_of("Swahili")) == ("Dutch", "German", None)


# -------------------------------------------------------------------- what the models write


def test_the_engineer_writes_what_was_asked():
    for domain in library()["domains"]:
        for level in LEVELS:
            known = recognised(wrote(domain, level, seed=3))
            assert (known.domain, known.level) == (domain, level)
    assert "sourdough" in wrote("history", "hard", topic="sourdough") and "history" in wrote("history", "hard", topic="sourdough")
    assert recognised(wrote(language="Nederlands")).language == "Dutch"
    assert "for want of Swahili" in wrote(language="Swahili"), "what it cannot do is said"


def test_it_keeps_away_from_what_is_taken_although_only_the_beginning_is_told():
    every = prompts("science", "easy", "English", "")
    told = [text if len(text) <= 80 else text[:79] + "…" for text in every[:-5]]
    assert all(wrote(more=avoid(told), seed=seed) in every[-5:] for seed in range(30))


def test_a_correction_stays_with_its_subject():
    previous = json.dumps({"prompt": "Tell me something about the tides.", "domain": "science"})
    for seed in range(20):
        assert "the tides" in wrote(more=rejected("Too vague", previous), seed=seed)


def test_the_checker_refuses_what_is_wrong_and_says_where():
    assert not (said := verdict("Tell me something about the tides.")).passed and "“something”" in said.reason
    given = "What is photosynthesis, in plain words? (Answer: Plants make sugar from light.)"
    assert not (said := verdict(given)).passed and "Plants make sugar" in said.reason and said.score == 1
    assert not (said := verdict("What is photosynthesis, in plain words?", domain="history")).passed and "science" in said.reason
    assert not (said := verdict("What is photosynthesis, in plain words?", level="hard")).passed and "recalling" in said.reason
    assert not (said := verdict(wrote(level="hard"))).passed and "Not easy" in said.reason


def test_the_checker_passes_everything_else():
    for domain in library()["domains"]:
        for level in LEVELS:
            for seed, text in enumerate(prompts(domain, level, "English", "")[::7]):
                said = verdict(text, domain, level, seed=seed)
                assert said.passed and said.score >= 4 and recognised(text).subject in said.reason + text
    strange = "Quel temps fait-il à Brest en novembre, et pourquoi ?"
    assert verdict(strange).passed and "Quel temps" in verdict(strange).reason, "what it does not know it reads all the same"


def test_now_and_then_the_engineer_slips_and_is_caught():
    caught = {"gap": 0, "refused": 0, "passed": 0}
    for seed in range(300):
        text = wrote("mathematics", "medium", seed=seed, slips=0.2)
        said = verdict(text, "mathematics", "medium", seed=seed)
        caught["gap" if "[insert topic]" in text else "passed" if said.passed else "refused"] += 1
    assert min(caught.values()) > 10


def test_the_target_answers_from_its_notes_in_the_form_that_was_asked_for():
    for domain in library()["domains"]:
        for level in LEVELS:
            for text in prompts(domain, level, "English", "")[::5]:
                answer, known = target(pen(text)), recognised(text)
                told = notes(known.subject)
                assert any(line in answer for line in (*told["points"], told["example"])) and "Simulated answer" in answer
                if known.form == "list":
                    assert answer.count("\n- ") >= 4
                if known.form == "mistake":
                    assert answer.count(told["caveat"]) == 1 and "mistake" in answer.split("\n\n")[-2]
    dutch = target(pen(prompts("health", "easy", "Dutch", "")[0]))
    assert "slaap" in dutch and "Gesimuleerd" in dutch
    assert "nothing of it" in target(pen(wrote(topic="beekeeping")))


def test_prompts_of_others_are_none_of_its_own():
    for text in ("Write a haiku about spring.", "What is photosynthesis?", "Write the recipe for day 1, meal: lunch.", ""):
        assert target(pen(text)) is None


def test_notes_are_whole_sentences():
    for domain in library()["domains"].values():
        for subject in domain["subjects"]:
            for line in (*subject["points"], subject["example"], subject["caveat"]):
                assert re.search(r"[.!?\"”]$", line) and "  " not in line, line


# -------------------------------------------------------------------- exports

ITEM = {
    "sample": 1, "prompt": "Why is the sky blue?\nIn one line.", "verdict": {"reason": "clear, and short", "score": 4, "pass": True},
    "answer": "Because short waves\nscatter more.", "domain": "science", "level": "easy", "language": "English",
}  # fmt: skip
DATA = {
    "accepted": [ITEM], "asked": 3, "system": None,
    "rejected": [{"prompt": None, "by": "duplicate", "reason": "'x' is taken", "sample": 2},
                 {"prompt": "Tell me\nsomething.", "by": "checker", "reason": "Too vague", "sample": 3}],
    "failed": [{"sample": 2, "stage": "engineer", "code": "filtered", "message": "no"},
               {"sample": 3, "prompt": "Why?", "stage": "target", "code": "timeout", "message": "late"}],
}  # fmt: skip


def test_markdown_is_for_reading():
    text = APP.markdown(DATA)
    assert text.startswith("# 1 of 3 prompts") and "1 accepted · 2 rejected on the way · 2 failed" in text
    assert "> Why is the sky blue?\n> In one line." in text and "Checker, 4 of 5: clear, and short" in text
    assert "- **checker**: Tell me something.\n  *Too vague*" in text and "(not readable)" in text
    assert "**3**, target, timeout: Why? (accepted, but not answered)" in text
    assert "Rejected" not in APP.markdown({**DATA, "rejected": [], "failed": []})


def test_rows_for_training_and_for_evaluation():
    (row,) = csv.DictReader(io.StringIO("".join(to_csv(APP.rows(DATA)))))
    assert row["prompt"] == ITEM["prompt"] and row["score"] == "4" and row["domain"] == "science"
    (line,) = map(json.loads, APP.documents["chat.jsonl"](DATA).splitlines())
    assert line == {"messages": [{"role": "user", "content": ITEM["prompt"]}, {"role": "assistant", "content": ITEM["answer"]}]}
    with_system = {**DATA, "system": "Be brief."}
    (line,) = map(json.loads, APP.documents["chat.jsonl"](with_system).splitlines())
    assert line["messages"][0] == {"role": "system", "content": "Be brief."}
    (line,) = map(json.loads, APP.documents["eval.jsonl"](with_system).splitlines())
    assert [message["role"] for message in line["input"]] == ["system", "user"] and line["ideal"] == ITEM["answer"]
    assert line["metadata"] == {"sample": 1, "domain": "science", "level": "easy", "language": "English"}


def test_a_prompt_is_found_in_an_answer_that_was_cut_off():
    assert _prompt_in('{"prompt": "Say \\"hi\\" to", "domain": "sci') == 'Say "hi" to'
    assert [_prompt_in(text) for text in ("", '{"prompt": "half of', "no json", '{"prompt": "\\x"}')] == [None] * 4
