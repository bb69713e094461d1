"""What can be asked: the command's options and the service's parameters. In Dutch, like everything this application says."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, field_validator, model_validator

from fanfold.apps.voorbeelden.clean import cleaned
from fanfold.apps.voorbeelden.kinds import BY_NAME, KINDS, NAMES

MOST = 20
COUNTED = tuple(kind.name for kind in KINDS if kind.count is not None)


def _listed(value: Any) -> Any:
    """A list, or the same as text with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _count(name: str) -> Any:
    kind = BY_NAME[name]
    few = "Aantal" if kind.exact else "Grootste aantal"
    return Field(default=kind.count, description=f"{few} {name}, 1 tot {MOST}.")


class Params(BaseModel):
    """Parameters van voorbeelden."""

    model_config = ConfigDict(extra="forbid")

    begrip: str | None = Field(default=None, description="Het begrip waarbij voorbeelden gevraagd worden.")
    definitie: str | None = Field(
        default=None, description="Een definitie die al vastligt; zonder wordt er eerst een geschreven en gecontroleerd."
    )
    context: str | None = Field(default=None, description="Waar het begrip gebruikt wordt, bijvoorbeeld: bestuursrecht.")
    terms: str | list[dict[str, Any]] | None = Field(
        default=None, description="Een bestand met veel begrippen (CSV of JSONL), met de kolommen begrip, definitie en context."
    )
    soorten: Annotated[list[str], BeforeValidator(_listed)] = Field(
        default=list(NAMES), description="Alleen deze soorten, met komma's ertussen."
    )
    voorbeeldzinnen: int = _count("voorbeeldzinnen")
    praktijkvoorbeelden: int = _count("praktijkvoorbeelden")
    tegenvoorbeelden: int = _count("tegenvoorbeelden")
    synoniemen: int = _count("synoniemen")
    antoniemen: int = _count("antoniemen")
    gecombineerd: int | None = Field(
        default=None, description="Alle soorten van een begrip samen in 1 of 2 aanroepen, in plaats van elk in een eigen aanroep."
    )

    @field_validator("begrip", "definitie", "context", mode="before")
    @classmethod
    def _clean(cls, value: Any, info: Any) -> Any:
        found = cleaned(info.field_name, value)
        if value is not None and found is None and info.field_name == "begrip":
            raise ValueError("het begrip is leeg; geef een woord, bijvoorbeeld --begrip dwangsom")
        return found

    @field_validator(*COUNTED)
    @classmethod
    def _countable(cls, value: int) -> int:
        if not 1 <= value <= MOST:
            raise ValueError(f"een getal van 1 tot {MOST}, niet {value}; laat een soort weg met --soorten")
        return value

    @field_validator("soorten")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        """Each once, in the fixed order."""
        for name in value:
            if name.casefold() not in NAMES:
                near = get_close_matches(name.casefold(), NAMES, 1)
                meant = f" (bedoel je {near[0]!r}?)" if near else ""
                raise ValueError(f"er is geen soort {name!r}{meant}; kies uit {', '.join(NAMES)}")
        chosen = {name.casefold() for name in value}
        if not chosen:
            raise ValueError(f"noem ten minste één van {', '.join(NAMES)}")
        return [name for name in NAMES if name in chosen]

    @field_validator("gecombineerd")
    @classmethod
    def _one_or_two(cls, value: int | None) -> int | None:
        if value not in (None, 1, 2):
            raise ValueError(f"1 of 2 aanroepen per begrip, niet {value}")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Params:
        if self.begrip is None and self.terms is None:
            raise ValueError("geef een begrip (--begrip dwangsom) of een bestand met begrippen (--terms begrippen.csv)")
        if self.terms is not None and (self.begrip or self.definitie or self.context):
            raise ValueError("--begrip, --definitie en --context gaan niet samen met --terms; zet ze als kolommen in het bestand")
        return self

    @field_serializer("terms", when_used="json")
    def _whole(self, value: str | list[dict[str, Any]] | None) -> str | list[dict[str, Any]] | None:
        """As a run's record keeps it, so that a run can be gone on with from anywhere."""
        return str(Path(value).absolute()) if isinstance(value, str) else value

    def count(self, kind: str) -> int:
        """How many texts are asked of a kind."""
        return int(getattr(self, kind, 1))
