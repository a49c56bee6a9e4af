"""Which pack a teacher or a judge is talked to with: named, by its declared size, or `standard` where nobody tells."""

from __future__ import annotations

from typing import NamedTuple

from engine.backends import BACKENDS
from engine.spec.loader import LoadedRecipe
from engine.spec.pack import Pack, load_pack
from engine.spec.recipe import ModelSpec, WriterSpec

UNKNOWN = "standard"
"""The pack for a model of unknown size."""
_UNITS = {"M": 1e6, "B": 1e9, "T": 1e12}
_BOUNDS = ((3e9, "small"), (100e9, "standard"))
"""Parameters under which a model gets a pack."""
LARGEST = "frontier"
WRITERS = ("teacher", "judge")
"""Roles with a pack."""


class Choice(NamedTuple):
    """The pack of one role."""

    name: str
    known: bool
    """Whether the recipe, or what the backend says of its models, decides it."""


def choose(spec: ModelSpec) -> Choice:
    """Return the pack for a model: the one named, else by its size; `standard` where its size is unknown."""
    if isinstance(spec, WriterSpec) and spec.pack is not None:
        return Choice(spec.pack, True)
    if isinstance(spec, WriterSpec) and spec.size is not None:
        return Choice(pack_of(float(spec.size[:-1]) * _UNITS[spec.size[-1]]), True)
    if spec.model.startswith("embedded/"):
        return Choice("small", True)
    backend = BACKENDS.get(spec.backend)
    if backend is not None and backend.pack is not None:
        return Choice(backend.pack, True)
    return Choice(UNKNOWN, False)


def pack_of(parameters: float) -> str:
    """Return the pack for a number of parameters."""
    return next((name for bound, name in _BOUNDS if parameters < bound), LARGEST)


def packs_of(loaded: LoadedRecipe) -> dict[str, Pack]:
    """Return the packs of teacher and judge; raises RecipeError for one that is not there or wrong."""
    models = loaded.recipe.models
    return {
        role: load_pack(
            choose(models.of(role)).name, loaded.base, loaded.at("models", role, "pack")
        )
        for role in WRITERS
    }


def thinking_tokens(spec: ModelSpec, pack: Pack) -> int:
    """Return the tokens that a reply may spend on thinking: the model's own setting, or the pack's."""
    own = spec.thinking_tokens if isinstance(spec, WriterSpec) else None
    return pack.thinking_tokens if own is None else own
