"""What can be asked of a set of prompts: the command's options and the service's parameters."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

DOMAINS = ["science", "history", "mathematics", "programming", "writing", "business", "health", "everyday life"]
LEVELS = ["easy", "medium", "hard"]
MOST = 100_000
RUBRIC = (
    "It can be answered as it stands: clear what is asked, about what, and when an answer is complete.",
    "It does not give its own answer away.",
    "It belongs to the domain, and to the topic where there is one.",
    "It is as hard as was asked for: easy is recall or one step, medium takes an explanation, hard takes reasoning about a trade-off.",
    "It is one prompt, in the language asked for, as a person would write it.",
)


def _listed(value: Any) -> Any:
    """A list, or the same as text with commas."""
    return value.split(",") if isinstance(value, str) else value


def _blank(value: Any) -> Any:
    """A text of nothing but spaces is none."""
    return value if not isinstance(value, str) or value.strip() else None


Texts = Annotated[list[str], BeforeValidator(_listed)]
Text = Annotated[str | None, BeforeValidator(_blank)]


class Params(BaseModel):
    """Parameters of a set of prompts."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    count: int = Field(default=50, description="Prompts to be accepted.")
    topic: Text = Field(default=None, description="What all of them are about; a domain is then the side it is seen from.")
    domains: Texts = Field(default=DOMAINS, description="Domains that the prompts are spread over evenly.")
    levels: Texts = Field(default=LEVELS, description="How hard they are, likewise.")
    languages: Texts = Field(default=["English"], description="Languages they are in, likewise.")
    system: Text = Field(default=None, description="A system prompt for the target model; fine-tuning rows carry it too.")
    rubric: Text = Field(default=None, description="What the checker judges by, instead of its own five rules.")
    min_score: int = Field(default=3, description="Lowest score, 1 to 5, with which the checker's pass is a pass.")
    similarity: float = Field(default=0.85, description="How alike two prompts may not be: 0 to 1, where 1 is the same words.")
    engineer_model: Text = Field(default=None, description="Writes the prompts; --model if not given.")
    checker_model: Text = Field(default=None, description="Judges them; --model if not given.")
    target_model: Text = Field(default=None, description="Answers them; --model if not given.")

    @field_validator("count")
    @classmethod
    def _some(cls, value: int) -> int:
        if not 1 <= value <= MOST:
            raise ValueError(f"a whole number from 1 to {MOST}, not {value}")
        return value

    @field_validator("min_score")
    @classmethod
    def _score(cls, value: int) -> int:
        if not 1 <= value <= 5:
            raise ValueError(f"a score from 1 to 5, not {value}")
        return value

    @field_validator("similarity")
    @classmethod
    def _part(cls, value: float) -> float:
        if not 0 < value <= 1:
            raise ValueError(f"a number above 0, to 1, not {value:g}")
        return value

    @field_validator("domains", "levels", "languages")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        named: dict[str, str] = {}
        for item in value:
            plain = " ".join(item.split())
            named.setdefault(plain.casefold(), plain)
        if not (found := [item for item in named.values() if item]):
            raise ValueError("name at least one, with commas between them")
        return found
