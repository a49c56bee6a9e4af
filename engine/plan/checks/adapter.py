"""What is wrong with a student's adapter: its files, its base model, and settings that contradict it."""

from __future__ import annotations

from collections.abc import Iterator

from engine import models
from engine.backends import BACKENDS
from engine.errors import ModelError, Problem
from engine.models.adapter import Adapter, check_base, other_name
from engine.spec.loader import LoadedRecipe


def check_adapter(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what is wrong with the adapter of the student; nothing where the recipe names none."""
    student = loaded.recipe.models.student
    backend = BACKENDS.get(student.backend)
    if student.adapter is None or backend is None:
        return
    at = loaded.at("models", "student", "adapter")
    if not backend.takes_adapter:
        able = ", ".join(name for name, entry in BACKENDS.items() if entry.takes_adapter)
        message = f"a student on the backend '{backend.name}' takes no adapter"
        yield Problem(at, message, f"write backend: {able}, or leave adapter out", code="adapter")
        return
    try:
        adapter = models.read_adapter(models.locate_adapter(student.adapter, loaded.base))
        try:
            base = models.locate(student.model, loaded.base, backend.weights)
        except (ModelError, OSError):
            base = None  # told where the model is named
        if base is not None:
            check_base(adapter, base)
    except ModelError as error:
        message = f"models.student.adapter: {error.message}"
        yield Problem(at, message, error.hint, code="adapter")
        return
    if other_name(adapter, student.model) and (base is None or other_name(adapter, str(base))):
        fits = "" if base is None else "; the shapes of their weights agree"
        message = (
            f"the adapter says it was trained on '{adapter.base}', and models.student.model is "
            f"'{student.model}'{fits}"
        )
        hint = "see that they are the same model under two names: on another one an adapter only does harm"
        yield Problem(at, message, hint, "warning", "adapter")
    yield from _of_training(loaded, adapter)


def _of_training(loaded: LoadedRecipe, adapter: Adapter) -> Iterator[Problem]:
    """Yield settings of the training that an adapter decides already."""
    train = loaded.recipe.train
    if train.method == "full":
        message = (
            "train.method is full, but a student with an adapter is trained further as that adapter"
        )
        hint = "write method: lora, or name a folder with the whole model as models.student.model"
        yield Problem(loaded.at("train", "method"), message, hint, code="adapter")
    for key, value, own in (("r", train.r, adapter.r), ("alpha", train.alpha, adapter.alpha)):
        if key in train.model_fields_set and value is not None and value != own:
            message = f"train.{key} is {value}, and the adapter's is {own:g}: it keeps its own"
            hint = f"leave train.{key} out: the adapter is trained further as it is"
            yield Problem(loaded.at("train", key), message, hint, code="adapter")
