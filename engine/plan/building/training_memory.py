"""Whether a fine-tune fits in this machine's memory, reckoned from the recipe, its rows and the weights' headers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine import models
from engine.backends import BACKENDS
from engine.backends.serving import server
from engine.backends.training.footprint import Footprint, Shape, Work, footprint, line_of, shape_of
from engine.data.splits import Splits
from engine.errors import EngineError
from engine.models import checkpoint
from engine.spec.loader import LoadedRecipe
from engine.spec.prompts import PromptLibrary
from engine.spec.recipe import Recipe
from engine.tasks import TASKS

CHARACTERS = 4
"""Characters of a token."""
AROUND = 24
"""Tokens that a chat template writes around a row."""
EAGER_TOKENS = 1024
"""As in training: on a CPU shorter rows are computed with eager attention."""
SHARE = 0.7
"""Of the free memory that a training may fill; what allocators keep, and what else is at work, take the rest."""


class Size(NamedTuple):
    """Characters of a training row."""

    asked: int
    answered: int


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """What a fine-tune takes, and what there is."""

    footprint: Footprint
    free: int
    on_card: bool
    rows: int
    """Computed at once."""
    tokens: int
    """Of these rows, about."""

    @property
    def checkpointing(self) -> bool:
        """Whether values are computed twice to save memory."""
        return self.footprint.most > SHARE * self.free

    @property
    def needed(self) -> int:
        """Bytes, with gradient checkpointing where that is needed."""
        return self.footprint.least if self.checkpointing else self.footprint.most

    @property
    def fits(self) -> bool:
        """Whether there is room for it."""
        return self.needed <= SHARE * self.free

    def __str__(self) -> str:
        print_ = self.footprint
        kept = print_.checkpointed if self.checkpointing else print_.activations
        twice = ", computed twice" if self.checkpointing else ""
        place = "the graphics card" if self.on_card else "this machine"
        return (
            f"about {_size(self.needed)} of the {_size(self.free)} that are free on {place} (weights "
            f"{_size(print_.weights)}, gradients {_size(print_.gradients)}, optimizer {_size(print_.optimizer)}, kept "
            f"values of {self.rows} rows at once, {self.tokens:,} tokens{twice}: {_size(kept)})"
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.0f} MB"


def of_recipe(loaded: LoadedRecipe, splits: Splits) -> TrainingMemory | None:
    """Return what the recipe's fine-tunes take of this machine's memory; None where that cannot be said."""
    rows = splits.rows.get("train")
    if rows is None:
        return None
    task = loaded.recipe.task
    kind = TASKS.get(task.kind)
    name = loaded.recipe.train.prompt or task.prompt or (kind.prompt if kind else "")
    try:
        prompt = PromptLibrary(loaded.base, loaded.further).get(name).characters
    except EngineError:
        return None  # told where the prompt is named
    sizes = [
        Size(
            sum(len(str(record.values.get(name, ""))) for name in task.input),
            len(str(record.values.get(task.target, ""))),
        )
        for record in rows.records
    ]
    return reckoned(loaded, sizes, prompt)


def reckoned(loaded: LoadedRecipe, rows: Sequence[Size], prompt: int) -> TrainingMemory | None:
    """Return what the recipe's fine-tunes take; None where nothing is trained, or a model's size is not known.

    Args:
        loaded: The recipe.
        rows: Its training rows.
        prompt: Characters of the student's prompt around a row.
    """
    recipe = loaded.recipe
    train, backend = recipe.train, BACKENDS.get(recipe.models.student.backend)
    if train.method == "none" or not rows or backend is None or backend.train is None:
        return None
    try:
        folder = models.locate(recipe.models.student.model, loaded.base, backend.weights)
        shape = None if folder is None else model_shape(folder)
    except (EngineError, OSError):
        return None  # told where the model is named
    if shape is None:
        return None
    on_card = not train.device.startswith("cpu") and server.cards() > 0
    at_once = min(train.micro_batch or train.batch_size, -(-train.batch_size // train.devices))
    return TrainingMemory(
        footprint(shape, _work(recipe, rows, prompt, at_once, on_card)),
        # Processes on a CPU share its memory.
        server.free_memory(on_card) // (1 if on_card else train.devices),
        on_card,
        at_once,
        _tokens(recipe, rows, prompt, at_once)[0],
    )


def model_shape(folder: Path) -> Shape | None:
    """Return the size of the model in a folder; None where its files do not say it. Raises ModelError, OSError."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layers = checkpoint.linear_layers(folder)
    return shape_of(
        config,
        checkpoint.parameters(folder),
        sum(layer.inputs * layer.outputs for layer in layers),
        sum(layer.inputs + layer.outputs for layer in layers),
    )


def _tokens(recipe: Recipe, rows: Sequence[Size], prompt: int, at_once: int) -> tuple[int, int]:
    """Return the tokens of the longest rows that may be computed at once, and those of the longest alone."""
    labels = sum(len(label) + 2 for label in recipe.task.labels or ())
    sizes = sorted((row.asked + row.answered for row in rows), reverse=True)
    lengths = [
        min(recipe.train.max_length, AROUND + (size + prompt + labels) // CHARACTERS)
        for size in sizes[:at_once]
    ]
    # Fewer rows than are computed at once are seen several times in it.
    return sum(lengths) * at_once // len(lengths), lengths[0]


def _work(recipe: Recipe, rows: Sequence[Size], prompt: int, at_once: int, on_card: bool) -> Work:
    train = recipe.train
    assert train.method != "none"
    tokens, longest = _tokens(recipe, rows, prompt, at_once)
    answers = sorted((row.answered for row in rows), reverse=True)[:at_once]
    return Work(
        method=train.method,
        r=train.r,
        dtype="float32" if train.dtype == "float32" else "bfloat16",
        master=train.master,
        tokens=tokens,
        longest=line_of(tokens, longest),
        answered=at_once + sum(answers) * at_once // len(answers) // CHARACTERS,
        eager=not on_card and longest <= EAGER_TOKENS,
    )
