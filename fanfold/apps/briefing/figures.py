"""The supplied procurement metrics: what is fallen back on when no procurement can be written."""

from __future__ import annotations

from pydantic import ValidationError

from fanfold import METRICS, PlanError, read_object
from fanfold.apps.briefing.params import Params
from fanfold.apps.briefing.types import Metrics

SHAPE = '{"currency": "EUR", "items": [{"item": "charging mast", "quantity": 1, "unit_cost": 84000, "lead_weeks": 26}]}'


def figures(params: Params) -> Metrics | None:
    """As named, else those that lie in the folder, else none. Raises PlanError."""
    path = params.metrics or str(params.folder / METRICS)
    if params.metrics is None and not (params.folder / METRICS).exists():
        return None
    data = read_object(path)
    try:
        return Metrics(**data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise PlanError(
            f"{path}: {place}", str(first["msg"]).removeprefix("Value error, "), f"metrics look like {SHAPE}"
        ) from None
