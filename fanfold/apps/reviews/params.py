"""What can be asked of reviews: the command's options, the words of a config file, and the service's parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, field_validator

from fanfold import PlanError
from fanfold.apps.reviews.demo import PERSONAS, PRODUCT
from fanfold.apps.reviews.language import named
from fanfold.apps.reviews.ratings import USUAL, counts_of, read_ratings
from fanfold.apps.reviews.types import Persona, Product

MOST_REVIEWS = 100_000
LEAST_WORDS, MOST_WORDS = 15, 180
NEAR = 0.5
MOST_WORDS_EVER = 2000


def _product(value: Any) -> Any:
    """ "A name", or all of it as a mapping or as JSON."""
    value = _json(value)
    return {"name": value} if isinstance(value, str) else value


def _personas(value: Any) -> Any:
    """ "student, retired teacher", or a list of names or mappings, or that as JSON."""
    value = _json(value)
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return [{"name": each} if isinstance(each, str) else each for each in value] if isinstance(value, list) else value


def _json(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None


class Params(BaseModel):
    """Parameters of a set of reviews."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    num_samples: int = Field(default=20, description="Reviews to write; exactly so many.")
    product: Annotated[Product, BeforeValidator(_product)] = Field(
        default_factory=lambda: Product(**PRODUCT),
        description="What is reviewed: a name, or JSON with name, category, features, language and the like.",
    )
    personas: Annotated[list[Persona], BeforeValidator(_personas)] = Field(
        default_factory=lambda: [Persona(**each) for each in PERSONAS],
        description="Who writes: names with commas between, or JSON with name, description, tone and share.",
    )
    ratings: Annotated[dict[int, float], BeforeValidator(read_ratings)] = Field(
        default=USUAL, description="Stars and how many: 5=40,4=30,3=15,2=10,1=5, as percentages, shares of 1, or counts."
    )
    language: str = Field(default="", description="Language of the reviews; English if none is given, here or with the product.")
    min_words: int = Field(default=LEAST_WORDS, description="Least words of a review.")
    max_words: int = Field(default=MOST_WORDS, description="Most words of a review.")
    near: float = Field(
        default=NEAR,
        description="How alike no two reviews may be, above 0 to 1: shared runs of three words, as a part of all of theirs.",
    )
    temperature: float | None = Field(default=None, description="Of the model: higher is more varied.")
    compare: str | None = Field(
        default=None, description="A file of real reviews (CSV or JSONL with text, rating) to compare with."
    )

    @field_validator("num_samples")
    @classmethod
    def _some(cls, value: int) -> int:
        if not 1 <= value <= MOST_REVIEWS:
            raise ValueError(f"a whole number from 1 to {MOST_REVIEWS}, not {value}")
        return value

    @field_validator("personas")
    @classmethod
    def _each_once(cls, value: list[Persona]) -> list[Persona]:
        if not value:
            raise ValueError("name at least one")
        names = [persona.name.casefold() for persona in value]
        if twice := next((persona.name for persona in value if names.count(persona.name.casefold()) > 1), None):
            raise ValueError(f"{twice!r} is named twice")
        return value

    @field_validator("near")
    @classmethod
    def _part(cls, value: float) -> float:
        if not 0 < value <= 1:
            raise ValueError(f"a number above 0 and up to 1, not {value:g}")
        return value

    @field_validator("temperature")
    @classmethod
    def _warm(cls, value: float | None) -> float | None:
        if value is not None and not 0 <= value <= 2:
            raise ValueError(f"a number from 0 to 2, not {value:g}")
        return value

    @field_serializer("compare", when_used="json")
    def _whole(self, value: str | None) -> str | None:
        """As a run's record keeps it, so that a run can be gone on with from anywhere."""
        return None if value is None else str(Path(value).absolute())

    @property
    def asked(self) -> dict[int, int]:
        """Stars -> how many reviews. Raises ValueError, where they are not as many as are to be written."""
        return counts_of(self.ratings, self.num_samples)

    def check(self) -> None:
        """What must be right of several parameters together. Raises PlanError."""
        if not 1 <= self.min_words <= self.max_words <= MOST_WORDS_EVER:
            raise PlanError(
                "min_words", f"{self.min_words} and --max-words {self.max_words}: from 1 to {MOST_WORDS_EVER}, the least first"
            )
        try:
            counts_of(self.ratings, self.num_samples)
        except ValueError as error:
            raise PlanError("ratings", str(error)) from None

    @property
    def spoken(self) -> str:
        """The language that is asked for, by its English name where we know it."""
        return named(self.language or self.product.language or "English")
