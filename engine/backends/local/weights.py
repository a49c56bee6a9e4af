"""Base models in memory: each loaded once per process and shared by every role, never changed.

A fine-tuned student is a second set of modules around the same tensors, with its adapter put into
that set alone: the base cannot be touched by it, and one adapter cannot leak into the next.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ModelError, boundary

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Loaded:
    """A causal language model and its tokenizer; `lock` keeps roles from using it at the same time."""

    model: Any
    tokenizer: Any
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def context(self) -> int | None:
        """Tokens of prompt and reply together that the model can take; None when it does not say."""
        return context_of(self.model.config)


def context_of(config: Any) -> int | None:
    """Return the tokens of prompt and reply together that a model of this configuration takes; None where unsaid."""
    length = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


_loaded: dict[tuple[Path, str, str], Loaded] = {}
_loading = threading.Lock()


def load(path: Path, dtype: str, device: str) -> Loaded:
    """Return the model in a folder, loaded at the first call of the process.

    Args:
        path: Folder with config.json, tokenizer and weights.
        dtype: `auto` (bfloat16), `bfloat16` or `float32`.
        device: `auto` (the first CUDA device, else the CPU) or a torch device.

    Raises:
        ModelError: the folder holds no model that transformers can load, or no chat template.
    """
    place = pick_device(device)
    key = (path.resolve(), pick_dtype(dtype), place)
    with _loading:
        if key not in _loaded:
            _loaded[key] = Loaded(_load_model(*key), load_tokenizer(path))
        return _loaded[key]


def pick_device(device: str) -> str:
    """Return the torch device that `device` means here; raises ModelError for one that is not there."""
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as problem:
        raise ModelError(
            f"device '{device}' cannot be used: {str(problem).splitlines()[0]}",
            "write device: auto to take the graphics card if there is one, else the CPU",
        ) from problem
    return device


def pick_dtype(dtype: str) -> str:
    """Return the torch dtype's name; `auto` is bfloat16, in which students are also trained."""
    return "bfloat16" if dtype == "auto" else dtype


def with_adapter(base: Loaded, adapter: Path) -> Any:
    """Return the base model as fine-tuned: LoRA weights around the shared tensors, or a full model.

    The adapter is applied beside the base weights, in their number format, not added into them. In
    bfloat16, against float32 (embedded student): beside, the labels' log-likelihoods are 0.07 nats off
    and 0.92 of the speed is kept; added in, 0.18 nats off; beside in float32, 0.08 off at 0.69.

    Raises:
        ModelError: the folder holds neither an adapter nor a model, or one that does not fit the
        base.
    """
    if (adapter / "adapter_config.json").is_file():
        return _inject(base.model, adapter)
    if (adapter / "config.json").is_file():
        weights: torch.nn.Parameter = next(base.model.parameters())
        return _load_model(adapter, str(weights.dtype).removeprefix("torch."), str(weights.device))
    raise ModelError(
        f"no fine-tuned student in {adapter}",
        "run `pada run` again: the fine-tune whose folder is gone will be made again",
    )


def _inject(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    shared = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    shell = copy.deepcopy(model, shared)
    with loading("adapter", adapter):
        tuned = PeftModel.from_pretrained(shell, adapter, autocast_adapter_dtype=False).eval()
    return tuned.get_base_model()


def _load_model(path: Path, dtype: str, device: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    with loading("model", path), quiet():
        model = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    # Parameters keep requires_grad, though nothing here trains: without it torch multiplies the last
    # positions of a prompt by 32 copies of the output matrix instead of one (9 s instead of 0.1 s).
    return model.to(device).eval()


def load_tokenizer(path: Path) -> Any:
    """Return the tokenizer in a model's folder; raises ModelError for none, or one without a chat template."""
    from transformers import AutoTokenizer

    with loading("tokenizer", path):
        tokenizer = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    if tokenizer.chat_template is None:
        raise ModelError(
            f"the tokenizer in {path} has no chat template, so a prompt cannot be written for it",
            "choose an instruct model, or add a chat_template.jinja to the model's folder",
        )
    return tokenizer


_HINTS = {
    "adapter": "copy it again from where it was trained; peft must load it onto this base model",
    "model": "the folder must hold config.json and safetensors of a causal language model, whole",
    "tokenizer": "the folder must hold the tokenizer that belongs to the model, as transformers saves it",
}


def loading(what: str, place: Path) -> contextlib.AbstractContextManager[None]:
    """Have whatever libraries raise over an adapter, a model or a tokenizer in a folder become a ModelError."""
    return boundary(
        lambda reason: ModelError(f"cannot load the {what} in {place}: {reason}", _HINTS[what])
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' own progress bars, which would tear ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
