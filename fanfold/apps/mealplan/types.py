"""A recipe: what the model is asked for, and what is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Allergen = Literal[
    "gluten", "crustaceans", "eggs", "fish", "peanuts", "soy", "milk", "nuts", "celery", "mustard", "sesame", "sulphites", "lupin", "molluscs"
]  # fmt: skip

SYNONYMS = {
    "wheat": "gluten", "cereals": "gluten", "shellfish": "crustaceans", "crustacean": "crustaceans", "egg": "eggs", "peanut": "peanuts",
    "soya": "soy", "soybeans": "soy", "soybean": "soy", "dairy": "milk", "lactose": "milk", "tree-nuts": "nuts", "treenuts": "nuts",
    "nut": "nuts", "sulfites": "sulphites", "sulphite": "sulphites", "sulfite": "sulphites", "mollusc": "molluscs", "mollusks": "molluscs",
}  # fmt: skip


def tag(text: Any) -> Any:
    """ "Gluten Free" -> "gluten-free"."""
    return "-".join(text.casefold().replace("_", " ").replace("-", " ").split()) if isinstance(text, str) else text


def _allergens(value: Any) -> Any:
    """Other names for the fourteen, and "none" for the empty list."""
    if not isinstance(value, list):
        return value
    named = [SYNONYMS.get(tag(item), tag(item)) if isinstance(item, str) else item for item in value]
    return [item for item in dict.fromkeys(named) if item not in ("none", "")] if _all_text(named) else named


def _diets(value: Any) -> Any:
    return list(dict.fromkeys(map(tag, value))) if isinstance(value, list) and _all_text(value) else value


def _all_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _whole(value: Any) -> Any:
    """Models write 512.5 kcal: the nearest whole number is what they mean."""
    return round(value) if isinstance(value, float) and abs(value) < 1e9 else value


Whole = Annotated[int, BeforeValidator(_whole)]
Line = Annotated[str, Field(min_length=1)]


class Ingredient(BaseModel):
    """amount: of `unit`, for all servings; 0 is "to taste"."""

    model_config = ConfigDict(str_strip_whitespace=True)

    name: Line = Field(description="the ingredient alone, e.g. spring onions")
    amount: float = Field(ge=0, allow_inf_nan=False, description="for all servings together; 0 for to taste")
    unit: str = Field(default="", description="g, kg, ml, l, tsp, tbsp, cup, piece, clove, slice, can, bunch, pinch or to taste")


class Recipe(BaseModel):
    """minutes: in all, from start to table. calories: kcal per serving. meal: which meal of the day it is, as the model says."""

    model_config = ConfigDict(str_strip_whitespace=True)

    name: Line = Field(description="the name of the dish")
    meal: Annotated[str, BeforeValidator(tag)] = Field(default="", description="the meal it was asked for")
    cuisine: Line
    minutes: Whole = Field(ge=1, description="in all, from start to table")
    servings: Whole = Field(ge=1)
    calories: Whole = Field(ge=0, description="kcal per serving")
    diets: Annotated[list[str], BeforeValidator(_diets)] = Field(
        description="every diet that it suits, e.g. vegetarian, vegan, gluten-free"
    )
    allergens: Annotated[list[Allergen], BeforeValidator(_allergens)] = Field(
        description="every one of these that an ingredient contains"
    )
    ingredients: list[Ingredient]
    steps: list[str] = Field(description="what to do, one short sentence each")


class ShoppingItem(BaseModel):
    """A line of the shopping list. amount 0: to taste. used_in: names of recipes."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    name: str
    amount: float
    unit: str
    section: str
    used_in: list[str] = Field(alias="for")
