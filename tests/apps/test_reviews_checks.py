"""What passes for a customer's review, and what is said about what does not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fanfold.apps.reviews import sameness
from fanfold.apps.reviews.checks import CHECKS, checks_for
from fanfold.apps.reviews.language import feeling, named, spoken
from fanfold.apps.reviews.params import Params
from fanfold.apps.reviews.types import ProductReview
from fanfold.core.similarity import likeness

GOOD = "I have had this kettle for a month and it is lovely. The spout pours where I want it to, and the dial is easy to read."
BAD = "After two weeks the lid broke and nobody answered my messages. A waste of money, and I regret that I did not return it."
DUTCH = "Ik heb deze waterkoker nu een maand en ik ben er erg blij mee. De tuit schenkt precies waar ik het wil en hij is mooi."


def findings(text: str, rating: int = 5, asked: int | None = None, title: str = "A kettle", **params) -> list[tuple[str, str]]:
    review = ProductReview(text=text, title=title, rating=rating)
    cell = {"review": {"rating": asked or rating}}
    found = [
        (check.__name__, check(review, cell) if check.__name__ == "rating" else check(review))
        for check in checks_for(Params(**params))
    ]
    return [(name, said) for name, said in found if said is not None]


@pytest.mark.parametrize(
    ("text", "rating", "params"),
    [
        (GOOD, 5, {}), (GOOD, 4, {}), (BAD, 1, {}), (BAD, 2, {}), (DUTCH, 5, {"language": "nl"}), (GOOD + " " + BAD, 3, {}),
        ("The delivery took three days and the box was intact, as it should be for a thing of this size and weight.", 1, {}),
        ("It is not bad at all. I never had a problem with it, and the sound is nothing to complain about, so I am happy.", 5, {}),
        ("Meine Familie ist mit dem Gerät sehr zufrieden und es ist schön, dass wir es jetzt auch in der Küche haben.", 5, {"language": "German"}),
        ("Sou feliz com esta chaleira, que é muito bonita e não faz barulho nenhum na minha cozinha pequena aqui em casa.", 4, {"language": "pt"}),
        ("Ngifuna ukuthi le nto isebenze kahle futhi ihlale isikhathi eside ekhaya lami ngaphandle kwenkinga noma yikuphi lapha.", 5, {"language": "Zulu"}),
    ],
)  # fmt: skip
def test_good_reviews_pass(text, rating, params):
    assert findings(text, rating, **params) == []


@pytest.mark.parametrize(
    ("text", "words", "check", "said"),
    [
        ("Too short.", {}, "length", "it has 2 words: write 15 to 180"), (GOOD * 9, {}, "length", "write 15 to 180"), (GOOD, {"title": "word " * 15}, "length", "its title has 15 words"),
        (GOOD, {"rating": 4, "asked": 2}, "rating", "its rating is 4: write a review of 2 of 5 stars"), (DUTCH, {}, "language", "written in Dutch: write it in English"),
        (GOOD, {"language": "nl"}, "language", "written in English"), (BAD, {"rating": 5}, "sentiment", "it is too negative for 5 stars"), (GOOD, {"rating": 1}, "sentiment", "too positive for 1 star ("),
        (GOOD + " Everything is perfect, wonderful and reliable.", {"rating": 3}, "sentiment", "good and bad in balance"),
        ("As an AI language model, I cannot own a kettle. " + GOOD, {}, "realism", "'As an AI' is no customer's voice"), (GOOD + " I gave it to [name].", {}, "realism", "'[name]' is a placeholder"),
        (GOOD + " Recommended for {occasion}.", {}, "realism", "placeholder"), (GOOD + " #kettlelove", {}, "realism", "hashtag"), ("Review: " + GOOD, {}, "realism", "a label"),
        ("Sure, here is the review. " + GOOD, {}, "realism", "said to us"), (GOOD, {"title": "As an AI"}, "realism", "no customer's voice"), (GOOD + " See www.kettle.example", {}, "realism", "a link"),
        (GOOD + " A revolutionary must-have, truly unparalleled.", {}, "realism", "reads like an advert"), (GOOD + " The spout pours where I want it to, and the dial is easy to read.", {}, "repetition", "twice: say it once"),
        (GOOD + " I would buy it again for me. I would buy it again for you. I would buy it again for all.", {}, "repetition", "'i would buy it' 3 times"),
        ("so good so good so nice " * 8, {}, "repetition", "vary your words"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text, words, check, said):
    words = dict(words)
    rating = words.pop("rating", 5)
    found = findings(text, rating, **words)
    assert any(name == check and said in told for name, told in found), found


def test_the_report_knows_the_checks_by_their_names():
    assert tuple(check.__name__ for check in checks_for(Params())) == CHECKS


def test_one_phrase_of_adverts_is_no_advert():
    assert findings(GOOD + " For me it is a must-have.") == []


@pytest.mark.parametrize(
    ("text", "score"),
    [("good", 1), ("not good", -1), ("not a good idea, and I am happy", 0), ("nothing but praise", 1), ("over de tuit niets dan lof, heel mooi", None), ("a table", None), ("never any problem", 1)],
)  # fmt: skip
def test_a_negation_turns_a_word_round(text, score):
    found = feeling(text, "English")
    assert found is not None and found.score == score


def test_languages_by_their_names_and_by_their_words():
    assert [named(said) for said in ("nl", "Deutsch", "english", "Klingon")] == ["Dutch", "German", "English", "Klingon"]
    counts = spoken(DUTCH)
    assert max(counts, key=lambda name: counts[name]) == "Dutch" and spoken("te kort") == {} and feeling("x", "Klingon") is None


def test_short_reviews_are_compared_by_runs_of_words_too():
    def alike(one, other):
        return likeness(*(sameness(SimpleNamespace(text=text)) for text in (one, other)))  # type: ignore[arg-type]

    assert alike("Great kettle, pours well.", "Awful noise, sent it back.") < 0.1
    assert alike("Great kettle, pours very well.", "Great kettle, pours very well!") == 1
    assert alike(GOOD, GOOD + " Also quiet.") > 0.7 and alike(GOOD, BAD) < 0.1
