"""What is reviewed, and by whom, where nothing is said."""

from __future__ import annotations

from typing import Any

PRODUCT: dict[str, Any] = {
    "name": "Morgen Kettle",
    "category": "electric kettle",
    "description": "A 1.2 litre kettle for tea and filter coffee.",
    "features": ["gooseneck spout", "temperature dial", "quiet boil", "cork handle", "keep-warm mode", "1.2 litre jug"],
}

PERSONAS: list[dict[str, Any]] = [
    {"name": "Retired teacher", "description": "drinks tea all day, has owned many kettles", "tone": "dry and precise"},
    {"name": "Student on a budget", "description": "lives in a small room, counts every euro", "tone": "casual"},
    {"name": "Parent of two", "description": "always in a hurry, needs things that last", "tone": "warm"},
    {"name": "Coffee enthusiast", "description": "weighs the beans, times the pour", "tone": "enthusiastic, detailed"},
    {"name": "Home office worker", "description": "on calls most of the day", "tone": "matter-of-fact"},
    {"name": "Design lover", "description": "cares how things look and feel", "tone": "elegant"},
    {"name": "Sceptical buyer", "description": "reads all reviews before buying, trusts none", "tone": "wry"},
]
