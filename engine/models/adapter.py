"""A LoRA adapter that exists already: read without loading it, held against its base model, copied as it is.

Of safetensors files the headers alone are read, so that an adapter of another base, or one that was cut in a copy, is
found in a moment and without torch.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import ModelError, reason_of
from engine.fingerprint import digest, file_digest
from engine.gate import passed_folder
from engine.models.safetensors_header import Tensor, read_header
from engine.system.files import replacing
from engine.system.places import expanded

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PICKLED = "adapter_model.bin"
_HINT = f"a folder as peft's save_pretrained writes it holds {CONFIG} and {WEIGHTS}"
_LORA = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_TAIL = 4
"""Last parts of a module's name by which it is found in the base model: `layers.0.self_attn.q_proj`. What stands
before them differs between a checkpoint and the model that is made of it."""
_HEAD, _EMBEDDINGS = "lm_head", ("embed_tokens", "wte")
"""Last parts of the names of the output layer, and of the input embeddings whose weights it has where a base is tied:
its checkpoint holds these alone."""
_CACHED = re.compile(r"models--[^/]+?--(?P<name>[^/]+)/snapshots/")


class Adapter(NamedTuple):
    """What an adapter's folder says of it."""

    folder: Path
    base: str
    """The model that it says it was trained on; empty where it says none."""
    r: int
    alpha: float
    shapes: Mapping[str, tuple[int, int]]
    """Adapted module -> inputs and outputs, in features."""

    @property
    def digest(self) -> str:
        """SHA-256 over its files."""
        return adapter_digest(self.folder)


def locate_adapter(name: str, base: Path) -> Path:
    """Return an adapter's folder; `base` is where relative ones start. Raises ModelError where there is none."""
    folder = passed_folder(base / expanded(name), base, ModelError)
    if not folder.is_dir():
        raise ModelError(f"no folder {folder}", _HINT)
    return folder


def read_adapter(folder: Path) -> Adapter:
    """Return what an adapter is; loads nothing.

    Raises:
        ModelError: the folder lacks a file, one is no such file or cut, or it is no LoRA adapter.
    """
    config = _config(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        if (folder / _PICKLED).is_file():
            raise ModelError(
                f"{folder} holds {_PICKLED}, which is not read: unpickling can run code",
                f"save the adapter again with peft, as {WEIGHTS}",
            )
        raise ModelError(f"{folder} has no weights: {WEIGHTS} is missing", _HINT)
    kind = str(config.get("peft_type", ""))
    if kind != "LORA":
        raise ModelError(
            f"the adapter in {folder} is of the kind '{kind}'", "LoRA adapters can be used"
        )
    r = config.get("r")
    if not isinstance(r, int) or r < 1:
        raise ModelError(f"{folder / CONFIG} says no rank: r is {r!r}", _HINT)
    alpha = config.get("lora_alpha", r)
    return Adapter(
        folder=folder,
        base=str(config.get("base_model_name_or_path") or ""),
        r=r,
        alpha=float(alpha) if isinstance(alpha, int | float) else float(r),
        shapes=_shapes(weights, None if config.get("rank_pattern") else r),
    )


def check_base(adapter: Adapter, base: Path) -> None:
    """Raise ModelError where an adapter cannot be put on the model in a folder, by the shapes of their weights.

    Weights that are no safetensors say nothing here: then loading decides.
    """
    known: dict[str, Tensor] = {}
    embeddings: Tensor | None = None
    for file in sorted(base.glob("*.safetensors")):
        for name, found in read_header(file).items():
            if name.endswith(".weight"):
                module = name.removesuffix(".weight")
                known[_tail(module)] = found
                if _last(module) in _EMBEDDINGS:
                    embeddings = found
    if not known:
        return
    said = f" (it says it was trained on {adapter.base})" if adapter.base else ""
    hint = "name the base model on which the adapter was trained in models.student.model"
    for module, shape in adapter.shapes.items():
        tensor = known.get(_tail(module))
        if tensor is None and _last(module) == _HEAD:
            tensor = embeddings
        if tensor is None:
            raise ModelError(
                f"the adapter in {adapter.folder} is of another base model: {base} has no {module}{said}",
                hint,
            )
        # What is quantized is packed, and what is convolved has more dimensions.
        plain = len(tensor.shape) == len(shape) and tensor.dtype.startswith(("F", "BF"))
        # Some models keep the inputs first.
        if plain and sorted(tensor.shape) != sorted(shape):
            there, own = (" x ".join(map(str, sorted(each))) for each in (tensor.shape, shape))
            raise ModelError(
                f"the adapter in {adapter.folder} is of another base model: {module} is {own} for it,"
                f" and {there} in {base}{said}",
                hint,
            )


def other_name(adapter: Adapter, model: str) -> bool:
    """Return whether an adapter says it was trained on a model of another name; paths are judged by their last part."""

    def last(name: str) -> str:
        if cached := _CACHED.search(f"{name}/"):
            return cached["name"].casefold()
        return name.rstrip("/").rsplit("/", 1)[-1].partition("@")[0].casefold()

    return bool(adapter.base) and last(adapter.base) != last(model)


def adapter_digest(folder: Path) -> str:
    """Return the SHA-256 (64 hexadecimal digits) over an adapter's files; raises ModelError."""
    try:
        return digest([file_digest(folder / name) for name in (CONFIG, WEIGHTS)])
    except OSError as problem:
        raise ModelError(f"cannot read the adapter in {folder}: {problem}", _HINT) from problem


def copy_adapter(folder: Path, to: Path) -> None:
    """Copy an adapter's two files; the folder `to` is whole or not there. Raises ModelError."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with replacing(to) as part:
            part.mkdir()
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(folder / name, part / name)
    except OSError as problem:
        raise ModelError(
            f"cannot copy the adapter in {folder} to {to}: {problem.strerror or problem}",
            "free some disk space, or correct the permissions",
        ) from problem


def _config(folder: Path) -> Mapping[str, Any]:
    file = folder / CONFIG
    if not file.is_file():
        if (folder / "config.json").is_file():
            raise ModelError(
                f"{folder} is a whole model: it has no {CONFIG}",
                "name it as models.student.model, and leave adapter out",
            )
        raise ModelError(f"{folder} is not an adapter: it has no {CONFIG}", _HINT)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except Exception as problem:
        raise ModelError(f"{file} cannot be read: {reason_of(problem)}", _HINT) from problem
    if not isinstance(config, dict):
        raise ModelError(f"{file} is not a JSON object", _HINT)
    return config


def _shapes(weights: Path, rank: int | None) -> dict[str, tuple[int, int]]:
    """Return inputs and outputs of each adapted module; `rank` is None where it differs among them."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, tensor in read_header(weights).items():
        if parts := _LORA.fullmatch(name):
            found.setdefault(parts["module"], {})[parts["side"]] = tensor.shape
    if not found:
        raise ModelError(f"{weights} holds no LoRA weights", _HINT)
    shapes = {}
    for module, sides in found.items():
        a, b = sides.get("A", ()), sides.get("B", ())
        if len(a) < 2 or len(b) < 2 or a[0] != b[1] or rank not in (None, a[0]):
            raise ModelError(
                f"{weights} is broken: the weights of {module} do not belong together, or to the rank in {CONFIG}",
                "copy the adapter again from where it was trained",
            )
        shapes[module] = (a[1], b[0])
    return shapes


def _tail(module: str) -> str:
    return ".".join(module.split(".")[-_TAIL:])


def _last(module: str) -> str:
    return module.rpartition(".")[2]
