"""What the three roles answer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _whole(value: Any) -> Any:
    """Models write "4/5" and 4.0."""
    if isinstance(value, str):
        value = value.strip().removesuffix("/5").strip()
    return round(value) if isinstance(value, float) and abs(value) < 100 else value


class SyntheticPrompt(BaseModel):
    """What the engineer writes. The labels say what it was asked for, so that they stay with the prompt wherever it goes."""

    model_config = ConfigDict(str_strip_whitespace=True)

    prompt: str = Field(min_length=1, description="the prompt itself, exactly as it is to be sent, and nothing else")
    domain: str = Field(description="the domain that was asked for")
    level: str = Field(description="the level that was asked for")
    language: str = Field(description="the language that the prompt is in")


class PromptVerdict(BaseModel):
    """What the checker answers: its reason before its verdict."""

    model_config = ConfigDict(str_strip_whitespace=True, populate_by_name=True, serialize_by_alias=True)

    reason: str = Field(description="one or two sentences that point at words of the prompt")
    score: Annotated[int, BeforeValidator(_whole)] = Field(ge=1, le=5, description="5: use it as it is; 1: of no use")
    passed: bool = Field(alias="pass")
