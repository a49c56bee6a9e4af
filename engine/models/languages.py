"""The languages that a model is known for: of an embedded one as declared, of a folder by its model card."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import ModelError
from engine.gate import passed
from engine.models.embedded import EMBEDDED
from engine.system.places import expanded

_CARD = "README.md"
_FRONT = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_MANY = {"multilingual", "multi", "mul"}


def languages(name: str, base: Path | None = None) -> frozenset[str]:
    """Return the languages that a model is known for, as codes of ISO 639-1; empty where nothing is known.

    A name on the Hugging Face Hub says nothing, unless an embedded model was made from it.

    Args:
        name: As in a recipe.
        base: Where relative folders start.
    """
    for model in EMBEDDED.values():
        if name in (model.name, model.made_from):
            return frozenset(model.languages)
    return _of_card((base or Path()) / expanded(name) / _CARD, base)


def _of_card(card: Path, base: Path | None) -> frozenset[str]:
    """Return what the front matter of a model card says (`language: en`, or a list)."""
    import yaml

    try:
        # Of a card that may not be read nothing is known; whoever loads the model says so.
        card = passed(card, base, ModelError)
        front = _FRONT.match(card.read_text("utf-8").replace("\r\n", "\n"))
        said = yaml.safe_load(front[1]).get("language") if front else None
    except Exception:
        return frozenset()
    named = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    # YAML reads the code of Norwegian as false.
    codes = {"no" if one is False else str(one).lower().partition("-")[0] for one in named}
    return frozenset() if codes & _MANY else frozenset(code for code in codes if len(code) == 2)
