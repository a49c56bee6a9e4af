"""The weights of an exported student: the adapter as it is, or put into its base model for good."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine import models
from engine.backends.local.chat import Shape, control_tokens, knows_tools, shape_of, turn_end
from engine.backends.local.weights import load_tokenizer, quiet
from engine.backends.protocol import Message
from engine.errors import EngineError, ModelError, reason_of
from engine.export.run import FinishedRun
from engine.models.adapter import CONFIG, WEIGHTS
from engine.models.embedded import EMBEDDED
from engine.system.places import expanded

_TOKENIZER = ("*.json", "*.txt", "*.model", "*.jinja")
_NO_TOKENIZER = ("config.json", "generation_config.json", "manifest.json", "*.index.json", CONFIG)
_WEIGHT_FILES = ("*.safetensors", "*.bin")
_WIDTH = {"float32": 4}
"""Bytes of a number; two in every other format that is used here."""


class Base(NamedTuple):
    """The model on which a student was trained."""

    name: str
    """As the recipe writes it."""
    folder: Path
    on_hub: str | None
    """Its name on the Hugging Face Hub, without a revision; None for a folder or an embedded model."""
    revision: str | None
    made_from: str | None = None
    """Of an embedded model: the model of the Hub whose weights it has, rounded."""

    def bytes_in(self, dtype: str) -> int:
        """Return the size of its weights in a number format."""
        files = (file for ending in _WEIGHT_FILES for file in self.folder.glob(ending))
        size = sum(file.stat().st_size for file in files)
        config = _json(self.folder / "config.json")
        stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
        return size * _WIDTH.get(dtype, 2) // _WIDTH.get(stored, 2)


def base_of(run: FinishedRun) -> Base:
    """Return the base model; raises EngineError where it is not on this machine, or is another one by now."""
    name = run.student.model
    try:
        folder = models.locate(name, run.base)
    except ModelError as problem:
        raise EngineError(
            f"the base model of run {run.id} is not available: {problem.message}",
            "put it back where the recipe names it; without it neither tokenizer nor chat template are there",
        ) from problem
    if folder is None:
        fetch = (
            "`pada models fetch`" if name in models.known() else "`pada run RECIPE` downloads it"
        )
        raise EngineError(
            f"the base model of run {run.id} is not available: {name} is not on this machine", fetch
        )
    was = run.student_identity()
    if was and not was.startswith("unfetched:") and models.weights_digest(folder) != was:
        raise EngineError(
            f"the base model in {folder} is not the one of run {run.id}: its weights have changed",
            "restore it, or run the recipe again",
        )
    on_disk = name in models.known() or (run.base / expanded(name)).is_dir()
    hub, _, revision = name.partition("@")
    if on_disk:
        embedded = EMBEDDED.get(name)
        return Base(name, folder, None, None, embedded.made_from if embedded else None)
    return Base(name, folder, hub, revision or None)


def is_whole(folder: Path) -> bool:
    """Return whether a fine-tune left a whole model, no adapter."""
    return not (folder / CONFIG).is_file() and (folder / "config.json").is_file()


def told_by_tokenizer(base: Base, dialogue: Sequence[Message]) -> dict[str, Any]:
    """Return what `use.py` must know of the tokenizer: how turns are handed to its chat template, and its marks.

    Args:
        base: The model on which the student was trained.
        dialogue: The turns of one row; nothing where there is none.

    Raises:
        ModelError: the chat template refuses the turns, or loses their text.
    """
    tokenizer = load_tokenizer(base.folder)
    shape = shape_of(tokenizer, dialogue) if dialogue else Shape(parts=False, system=True)
    control = sorted(control_tokens(tokenizer), key=len, reverse=True)
    return {
        **_turn_tokens(base, tokenizer), "parts": shape.parts, "system_turn": shape.system, "control": control,
    }  # fmt: skip


def _turn_tokens(base: Base, tokenizer: Any) -> dict[str, Any]:
    """Return the token that ends the student's turn, and all after which its answer is over."""
    end = turn_end(tokenizer)
    own = _json(base.folder / "generation_config.json").get("eos_token_id")
    others = own if isinstance(own, list) else [] if own is None else [own]
    return {
        "end": end,
        "stops": [end, *sorted(set(others) - {end})],
        "native_tools": knows_tools(tokenizer),
    }


def write_adapter(folder: Path, base: Base, to: Path) -> None:
    """Write an adapter's files, its base model named as others can find it, and the base's tokenizer."""
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    config["base_model_name_or_path"] = base.on_hub or str(base.folder)
    config["revision"] = base.revision
    (to / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(folder / WEIGHTS, to / WEIGHTS)
    _copy_tokenizer(base.folder, to)


def write_merged(folder: Path, base: Base, task: Mapping[str, Any], to: Path) -> None:
    """Write the whole model in the number format in which the run asked it: base and adapter added up, or a whole one.

    Raises:
        EngineError: it cannot be loaded.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, GenerationConfig

    asked = getattr(torch, task["dtype"])
    try:
        with quiet():
            source = folder if is_whole(folder) else base.folder
            # Added up in the wider of both formats: what is rounded before stays so.
            wider = asked if asked is torch.float32 else "auto"
            model = AutoModelForCausalLM.from_pretrained(
                source,
                dtype=wider,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
            if source is base.folder:
                model = PeftModel.from_pretrained(model, folder).merge_and_unload(safe_merge=True)
            model = model.to(asked)
            # What servers and pipelines ask it with: as the run did, the likeliest token at each step.
            model.generation_config = GenerationConfig(
                do_sample=False,
                max_new_tokens=task["max_tokens"],
                eos_token_id=task["stops"],
                pad_token_id=task["stops"][0],
            )
            model.save_pretrained(to)
    except Exception as problem:
        raise EngineError(
            f"the student in {folder} cannot be put together with {base.folder}: {reason_of(problem)}",
            "export it as an adapter: --as adapter",
        ) from problem
    _copy_tokenizer(base.folder, to)


def _copy_tokenizer(base: Path, to: Path) -> None:
    wanted = {file for ending in _TOKENIZER for file in base.glob(ending)}
    for file in wanted:
        if not any(file.match(pattern) for pattern in _NO_TOKENIZER):
            shutil.copyfile(file, to / file.name)


def _json(file: Path) -> dict[str, Any]:
    """Return what a model's file says; nothing where there is none."""
    try:
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found
