"""What is wrong with how the student is trained: devices, micro-batches, 4 bits, attention, and what fits in memory."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from engine.backends.serving import server
from engine.errors import Problem
from engine.plan.building.training_memory import TrainingMemory
from engine.spec.loader import LoadedRecipe


def check_training(loaded: LoadedRecipe, memory: TrainingMemory | None) -> Iterator[Problem]:
    """Yield what cannot be done, what this machine lacks for it, and what changes nothing.

    `memory` is what the training takes, where that could be reckoned.
    """
    train = loaded.recipe.train
    if train.method == "none":
        return
    yield from _devices(loaded)
    yield from _cards(loaded)
    if train.master != "float32" and train.method != "full":
        message = f"train.master changes nothing: train.method is {train.method}"
        hint = "write method: full, or leave master out"
        yield Problem(loaded.at("train", "master"), message, hint, "warning", "train")
    if memory is not None and not memory.fits:
        hint = (
            "lower train.micro_batch or train.batch_size, take method: qlora on a graphics card, of method: full also "
            "master: bfloat16, or choose a smaller student"
        )
        at = loaded.at("train", key=True)
        yield Problem(
            at, f"the training may not fit in memory: {memory}", hint, "warning", "memory"
        )


def _devices(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield steps that cannot be shared as the recipe says."""
    train = loaded.recipe.train
    if train.devices > train.batch_size:
        message = f"train.devices is {train.devices}, and a step has {train.batch_size} rows: some would have none"
        hint = "raise train.batch_size, or lower train.devices"
        yield Problem(loaded.at("train", "devices"), message, hint, code="train")
    shared = [key for key in ("devices", "micro_batch") if getattr(train, key) not in (1, None)]
    if train.objective == "dpo" and shared:
        message = f"train.{shared[0]} is for supervised fine-tuning, and train.objective is dpo"
        hint = f"leave {shared[0]} out, or write objective: sft"
        yield Problem(loaded.at("train", shared[0]), message, hint, code="train")


def _cards(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what this machine lacks."""
    train = loaded.recipe.train
    there = 0 if train.device.startswith("cpu") else server.cards()
    where = "train.device is cpu" if train.device.startswith("cpu") else "this machine shows none"
    if train.devices > 1:
        at = loaded.at("train", "devices")
        if ":" in train.device:
            message = f"train.devices is {train.devices}, and train.device names one"
            yield Problem(at, message, "write device: auto, or leave it out", code="train")
        elif not train.device.startswith("cpu") and there < train.devices:
            message = (
                f"train.devices is {train.devices}, and this machine shows {there} graphics cards"
            )
            hint = "lower train.devices, or write `device: cpu` to train with processes on the CPU"
            yield Problem(at, message, hint, code="train")
    needs = {
        "method": ("qlora", train.method, "bitsandbytes", "method: lora"),
        "attention": ("flash", train.attention, "flash_attn", "attention: auto"),
    }
    for key, (wanted, said, module, instead) in needs.items():
        if said != wanted:
            continue
        at = loaded.at("train", key)
        if not there:
            message = f"train.{key} is {wanted}, which needs a graphics card (CUDA), and {where}"
            yield Problem(at, message, f"write {instead}, or run where there is one", code="train")
        elif importlib.util.find_spec(module) is None:
            name = {"bitsandbytes": "'pada-engine[qlora]'", "flash_attn": "flash-attn"}[module]
            message = f"train.{key} is {wanted}, and {module} is not installed"
            yield Problem(at, message, f"pip install {name}, or write {instead}", code="train")
