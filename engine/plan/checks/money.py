"""Keys and prices: what a run needs in the environment, and whether a budget in money can be kept at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from engine.backends import BACKENDS
from engine.backends.entry import Settings
from engine.errors import BackendError, Location, Problem
from engine.spec.error_messages import value_at
from engine.spec.loader import LoadedRecipe
from engine.spec.yaml import KeyPath

ASKED = ("student", "teacher", "judge")
"""The roles whose calls cost money where their backend is a server."""


def check_money(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what is wrong with keys and budget.money."""
    for role in (*ASKED, "embedder"):
        yield from missing_keys(loaded, _secrets(loaded, role), ("models", role))
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
    spec = loaded.recipe.models.of(role)
    backend = BACKENDS.get(spec.backend)
    if backend is None or backend.price is None:
        return None
    rates = any(metric.judge for metric in loaded.recipe.measured)
    if role == "judge" and loaded.recipe.quality.judge == "off" and not rates:
        return None
    settings = _settings(loaded, role)
    return settings is None or backend.price(settings) is not None


def _settings(loaded: LoadedRecipe, role: str) -> Settings | None:
    """Return the settings of a role's backend; None where unknown or wrong, which others report."""
    spec = loaded.recipe.models.of(role)
    backend = BACKENDS.get(spec.backend)
    try:
        return None if backend is None else backend.parse(spec.settings)
    except BackendError:
        return None


def _secrets(loaded: LoadedRecipe, role: str) -> tuple[str, ...]:
    settings = _settings(loaded, role)
    backend = BACKENDS.get(loaded.recipe.models.of(role).backend)
    return () if settings is None or backend is None else backend.secrets(settings)


def missing_keys(
    loaded: LoadedRecipe, variables: Sequence[str], path: KeyPath
) -> Iterator[Problem]:
    """Warn of keys that the environment lacks: the run would end at the first call.

    Args:
        loaded: The recipe.
        variables: Names of the environment variables that hold keys.
        path: What needs them.
    """
    for variable in variables:
        if not os.environ.get(variable, "").strip():
            message = f"the environment has no variable {variable}, which holds the key"
            hint = f"set it before the run: export {variable}=…"
            yield Problem(_named_at(loaded, variable, path), message, hint, "warning", "key")


def _named_at(loaded: LoadedRecipe, variable: str, path: KeyPath) -> Location:
    """Return where below `path` the recipe names a variable."""
    document = loaded.document
    below = (at for at in document.values if at[: len(path)] == path)
    matching = (at for at in below if value_at(document.data, at) == variable)
    return loaded.at(*next(matching, path))
