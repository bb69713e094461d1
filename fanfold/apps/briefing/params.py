"""What can be asked of a briefing: the command's options and the service's parameters."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

EXAMPLE = Path(__file__).parent / "example"
"""The case that comes with fanfold: a folder of evidence, and its metrics."""
EXAMPLE_QUESTION = "Mend the ferry Wilhelmina for one more season, or order an electric one now?"


class Params(BaseModel):
    """Parameters of a briefing. Paths are kept whole, so that a run can be gone on with from anywhere."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    evidence: str | None = Field(
        default=None, description="A folder of evidence: primary/ and supporting/, with Markdown, text and JSON files."
    )
    metrics: str | None = Field(
        default=None,
        description="A JSON file of procurement metrics to fall back on; metrics.json in the folder if it is there and nothing is given.",
    )
    question: str = Field(default="", description="What is to be decided, in a sentence.", max_length=1000)
    example: bool = Field(default=False, description="Take the case that comes with fanfold, instead of a folder.")

    @field_validator("evidence", "metrics")
    @classmethod
    def _whole(cls, value: str | None) -> str | None:
        if value is not None and (not value or "\0" in value):
            raise ValueError("is no path")
        return None if value is None else str(Path(value).expanduser().absolute())

    @model_validator(mode="after")
    def _one_case(self) -> Params:
        if self.example and self.evidence is not None:
            raise ValueError("give a folder or --example, not both")
        if not self.example and self.evidence is None:
            raise ValueError("give a folder of evidence, or --example for the one that comes with fanfold")
        return self

    @property
    def asked(self) -> str:
        """What is to be decided; "" where nobody said."""
        return self.question or (EXAMPLE_QUESTION if self.example else "")

    @property
    def folder(self) -> Path:
        return EXAMPLE if self.evidence is None else Path(self.evidence)
