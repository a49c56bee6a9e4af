"""Keys and prices: what a run needs in the environment, and whether a budget in money can be kept at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from engine.backends import BACKENDS
from engine.errors import Problem
from engine.spec.loader import LoadedRecipe
from engine.spec.yaml import KeyPath

ASKED = ("student", "teacher", "judge")
"""The roles whose calls cost money where their backend is a server."""


def check_money(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what is wrong with keys and budget.money."""
    for role in (*ASKED, "embedder"):
        settings = getattr(loaded.recipe.models, role).settings
        yield from missing_keys(loaded, settings, ("models", role))
    if loaded.recipe.budget.money is None:
        return
    priced = [role for role in ASKED if has_price(loaded, role) is not None]
    for role in priced:
        if not has_price(loaded, role):
            at = loaded.at("budget", "money")
            message = f"budget.money cannot be kept: models.{role} has no price, so what its calls cost is unknown"
            hint = (
                f"add `price: {{prompt: …, completion: …}}` (money per million tokens) to models.{role}, "
                "or bound it by budget.tokens instead"
            )
            yield Problem(at, message, hint, code="price")
    if not priced:
        message = "budget.money bounds nothing: no model of this recipe costs money"
        hint = "leave it out, or bound the run by budget.calls, tokens or minutes"
        yield Problem(loaded.at("budget", "money"), message, hint, "warning", "price")


def has_price(loaded: LoadedRecipe, role: str) -> bool | None:
    """Return whether a role's model has a price; None where its calls cost nothing or it is not asked."""
    spec = getattr(loaded.recipe.models, role)
    backend = BACKENDS.get(spec.backend)
    if backend is None or "price" not in backend.settings.model_fields:
        return None
    rates = any(metric.judge for metric in loaded.recipe.measured)
    if role == "judge" and loaded.recipe.quality.judge == "off" and not rates:
        return None
    return spec.settings.get("price") is not None


def missing_keys(
    loaded: LoadedRecipe, settings: Mapping[str, Any], path: KeyPath
) -> Iterator[Problem]:
    """Warn of keys that the environment lacks: the run would end at the first call."""
    for name, value in settings.items():
        variable = value.get("env") if isinstance(value, Mapping) else None
        if isinstance(variable, str) and not os.environ.get(variable, "").strip():
            message = f"the environment has no variable {variable}, which holds the key"
            hint = f"set it before the run: export {variable}=…"
            yield Problem(loaded.at(*path, name, "env"), message, hint, "warning", "key")
