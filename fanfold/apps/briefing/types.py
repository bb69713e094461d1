"""What the two JSON stages answer, and the figures that the first of them falls back on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

MOST = 1e12
Amount = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Words = Annotated[str, Field(min_length=1, max_length=400)]


class Line(BaseModel):
    """One thing to buy, lease or hire. cost: for all of it, in the currency of the whole."""

    model_config = ConfigDict(title="ProcurementLine")

    item: Words
    quantity: Annotated[float, Field(gt=0, le=1e9)]
    unit: Words
    cost: Amount
    lead_weeks: Annotated[int, Field(ge=0, le=520)]
    because: Words
    evidence: list[str]


class Procurement(BaseModel):
    """What has to be bought for the plays, in the order in which it has to be ordered."""

    model_config = ConfigDict(title="BriefingProcurement")

    summary: Words
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    lines: Annotated[list[Line], Field(min_length=1, max_length=20)]
    total: Amount


class Note(BaseModel):
    """A short statement, and the evidence that it rests on."""

    model_config = ConfigDict(title="AnnexNote")

    text: Words
    evidence: list[str]


class Annex(BaseModel):
    """What a reader of the briefing should keep in mind: what is taken for granted, what nobody knows yet, what to look at again."""

    model_config = ConfigDict(title="BriefingAnnex")

    assumptions: Annotated[list[Note], Field(min_length=1, max_length=8)]
    open_questions: Annotated[list[Note], Field(max_length=8)]
    look_again: Words


# -------------------------------------------------------------------- the supplied metrics


class Metric(BaseModel):
    """One line of the supplied figures. Numbers are numbers: what "84.000" is depends on who wrote it."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    item: Words
    quantity: Annotated[float, Field(gt=0, le=1e9, strict=True)] = 1
    unit: Words = "piece"
    unit_cost: Annotated[Amount, Field(strict=True)]
    lead_weeks: Annotated[int, Field(ge=0, le=520)] = 0


class Metrics(BaseModel):
    """The supplied procurement metrics. Whatever else the file holds is shown to the model and counts for nothing here."""

    model_config = ConfigDict(extra="allow", str_strip_whitespace=True)

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    items: Annotated[list[Metric], Field(min_length=1, max_length=20)]

    @field_validator("currency", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("items")
    @classmethod
    def _payable(cls, value: list[Metric]) -> list[Metric]:
        total = sum(item.quantity * item.unit_cost for item in value)
        if total > MOST:
            raise ValueError(f"they cost {total:g} together, which is more than {MOST:g}")
        return value


def from_metrics(metrics: Metrics) -> Procurement:
    """The figures as a procurement of their own: no reasons, no evidence, the longest lead time first."""
    items = sorted(metrics.items, key=lambda item: -item.lead_weeks)
    lines = [
        Line(
            item=item.item, quantity=item.quantity, unit=item.unit, cost=round(item.quantity * item.unit_cost, 2),
            lead_weeks=item.lead_weeks, because="as supplied", evidence=[],
        )
        for item in items
    ]  # fmt: skip
    return Procurement(
        summary="The supplied metrics as they are: no procurement was written.",
        currency=metrics.currency,
        lines=lines,
        total=round(sum(line.cost for line in lines), 2),
    )
