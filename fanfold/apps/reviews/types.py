"""A review: what the model is asked for; and who and what it is about."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Line = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=120)]


class ProductReview(BaseModel):
    """One review, as the model writes it."""

    model_config = ConfigDict(str_strip_whitespace=True)

    text: str = Field(min_length=1, description="the review itself, in the reviewer's own words")
    title: str = Field(min_length=1, description="a short title, as the reviewer would put above it")
    rating: int = Field(ge=1, le=5, description="the stars that you were asked for")


class Persona(BaseModel):
    """Who writes. share: how many of the reviews are by this one, in relation to the others."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)

    name: Name
    description: str = Field(default="", max_length=1000)
    tone: str = Field(default="", max_length=200)
    share: float = Field(default=1.0, gt=0, le=1e6, allow_inf_nan=False)


class Product(BaseModel):
    """What is reviewed: a product, or a service."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)

    name: Name
    category: str = Field(default="", max_length=200)
    description: str = Field(default="", max_length=2000)
    features: list[Line] = Field(default=[], max_length=50)
    audience: str = Field(default="", max_length=200)
    price: str = Field(default="", max_length=100)
    language: str = Field(default="", max_length=40)
    kind: Literal["product", "service"] = "product"
