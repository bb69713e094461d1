"""What a term is, and what a model answers for each kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer

Line = Annotated[str, Field(min_length=1)]


class Term(BaseModel):
    """One term to be explained. definitie: given, so that none has to be generated. Without what is not given it is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begrip: str
    definitie: str | None = None
    context: str | None = None

    @property
    def kader(self) -> str:
        """The context as a prompt says it."""
        return self.context or "algemeen gebruik"

    @model_serializer
    def _given(self) -> dict[str, Any]:
        return {name: value for name in Term.model_fields if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        return self.begrip


class _Answer(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)


class Begripsdefinitie(_Answer):
    definitie: Line = Field(description="de definitie in één of twee zinnen")


class Voorbeeldzinnen(_Answer):
    voorbeeldzinnen: list[Line] = Field(description="zinnen waarin het begrip voorkomt")


class Praktijkvoorbeelden(_Answer):
    praktijkvoorbeelden: list[Line] = Field(description="situaties waarin het begrip van toepassing is")


class Tegenvoorbeelden(_Answer):
    tegenvoorbeelden: list[Line] = Field(description="situaties die erop lijken, maar er net niet onder vallen")


class Synoniemen(_Answer):
    synoniemen: list[Line] = Field(description="woorden met (bijna) dezelfde betekenis")


class Antoniemen(_Answer):
    antoniemen: list[Line] = Field(description="woorden met de tegengestelde betekenis")


class Toelichting(_Answer):
    toelichting: Line = Field(description="één alinea uitleg")


class Voorbeeldsoort(_Answer):
    """Any kind, where several are asked for in one call."""

    soort: Literal[
        "voorbeeldzinnen", "praktijkvoorbeelden", "tegenvoorbeelden", "synoniemen", "antoniemen", "toelichting"
    ] = Field(description="de soort die gevraagd is")  # fmt: skip
    teksten: list[Line] = Field(description="de voorbeelden; bij toelichting precies één tekst")


OUTPUTS: dict[str, type[_Answer]] = {
    "voorbeeldzinnen": Voorbeeldzinnen,
    "praktijkvoorbeelden": Praktijkvoorbeelden,
    "tegenvoorbeelden": Tegenvoorbeelden,
    "synoniemen": Synoniemen,
    "antoniemen": Antoniemen,
    "toelichting": Toelichting,
}


def texts_of(answer: Any) -> list[str]:
    """The items of an answer of any kind; a single text as a list of one."""
    if isinstance(answer, Voorbeeldsoort):
        return answer.teksten
    (value,) = (getattr(answer, name) for name in type(answer).model_fields)
    return [value] if isinstance(value, str) else list(value)
