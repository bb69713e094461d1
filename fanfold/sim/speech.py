"""How a simulated model puts its words together: titles, sentences, paragraphs, names of people and places."""

from __future__ import annotations

from fanfold.sim.pen import Pen
from fanfold.sim.vocabulary import Vocabulary, topics

_LISTS = {
    "city": "cities", "country": "countries", "company": "companies", "street": "streets", "day": "days",
    "colour": "colours", "language": "languages",
}  # fmt: skip


class Speech:
    """One answer's way of putting things: it speaks of what the prompt speaks of."""

    def __init__(self, pen: Pen, vocabulary: Vocabulary) -> None:
        self._pen, self._words, self._rng = pen, vocabulary.words, pen.rng
        self.topics = topics(pen.prompt, vocabulary.stop) or self._words["nouns"][:3]
        self._nouns = [*self.topics, *self._words["nouns"]]

    def text(self, kind: str) -> str:
        """A text of a kind that `words.json` names."""
        if kind in _LISTS:
            return self._pen.choose(self._words[_LISTS[kind]])
        made: str = getattr(self, kind)()
        return made

    def title(self) -> str:
        patterns = self._words["titles"]

        def named(rank: int) -> str:
            adjective, noun = self._pair(rank)
            pattern: str = patterns[rank // 7 % len(patterns)]
            pattern = _with_article(pattern, "{Adjective}", adjective)
            return pattern.format(Adjective=adjective.title(), Noun=noun.title())

        return self._pen.pick(self._pairs, named)

    def phrase(self) -> str:
        return self._pen.pick(self._pairs, lambda rank: " ".join(self._pair(rank)))

    def word(self) -> str:
        return self._pen.choose(self._nouns)

    def person(self) -> str:
        first, family = self._words["first_names"], self._words["family_names"]
        return self._pen.pick(
            len(first) * len(family),
            lambda rank: f"{first[rank % len(first)]} {family[(rank // len(first) + rank % len(first)) % len(family)]}",
        )

    def sentence(self) -> str:
        return self._say(self._rng.choice(self._words["sentences"]))

    def paragraph(self) -> str:
        chosen = self._rng.sample(self._words["sentences"], self._rng.randint(3, 5))
        return " ".join(map(self._say, chosen))

    def verdict(self, *, good: bool) -> str:
        return self._say(self._rng.choice(self._words["reasons_good" if good else "reasons_bad"]))

    def page(self) -> str:
        """A text answer: some paragraphs; with headings and a list when Markdown is asked for."""
        paragraphs = [self.paragraph() for _ in range(self._rng.randint(2, 4))]
        if "markdown" not in self._pen.prompt.lower():
            return "\n\n".join(paragraphs)
        points = "\n".join(f"- {self.sentence()}" for _ in range(self._rng.randint(3, 5)))
        return f"# {self.title()}\n\n{paragraphs[0]}\n\n## {self.title()}\n\n{points}\n\n" + "\n\n".join(paragraphs[1:])

    def email(self) -> str:
        return self.person().lower().replace(" ", ".") + "@example.org"

    def uri(self) -> str:
        return "https://example.org/" + self.phrase().replace(" ", "-")

    def date(self) -> str:
        return f"{self._rng.randint(2024, 2027)}-{self._rng.randint(1, 12):02d}-{self._rng.randint(1, 28):02d}"

    def time(self) -> str:
        return f"{self._rng.randint(0, 23):02d}:{self._rng.randint(0, 59):02d}:00"

    def phone(self) -> str:
        return f"+31 20 {self._rng.randint(1_000_000, 9_999_999)}"

    def code(self) -> str:
        return f"{self._rng.choice('ABCDEFGHKLMNPRSTVX')}{self._rng.randint(1000, 9999)}"

    @property
    def _pairs(self) -> int:
        return len(self._words["adjectives"]) * len(self._nouns)

    def _pair(self, rank: int) -> tuple[str, str]:
        """Neighbouring ranks share neither word; every pair occurs once."""
        adjectives: list[str] = self._words["adjectives"]
        row, column = divmod(rank, len(adjectives))
        return adjectives[column], self._nouns[(row + column) % len(self._nouns)]

    def _say(self, sentence: str) -> str:
        topic, adjective = self._rng.choice(self.topics), self._rng.choice(self._words["adjectives"])
        others = [noun for noun in self._nouns if noun != topic]
        said = _with_article(sentence, "{adjective}", adjective).format(
            topic=topic, other=self._rng.choice(others), adjective=adjective, noun=self._rng.choice(self._words["nouns"])
        )
        return said[:1].upper() + said[1:]


def _with_article(pattern: str, slot: str, word: str) -> str:
    """`a {slot}` becomes `an {slot}` before a vowel."""
    if word[0].lower() not in "aeiou":
        return pattern
    return pattern.replace(f"a {slot}", f"an {slot}").replace(f"A {slot}", f"An {slot}")
