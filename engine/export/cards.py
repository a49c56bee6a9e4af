"""What the cards of data sets and models are made of, besides a report's own tables."""

from __future__ import annotations

import re
from typing import Any

import yaml


def front_matter(values: dict[str, Any]) -> str:
    """Return the YAML block with which a card begins."""
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---"


def card(front: dict[str, Any], *sections: str) -> str:
    """Return a card: its front matter, and the sections that say something."""
    return "\n\n".join(section for section in (front_matter(front), *sections) if section) + "\n"


def fenced(text: str, language: str = "") -> str:
    """Return a text as a code block, whatever back quotes it holds."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
