"""What a checkpoint says of a model without loading it: its size, and the layers that LoRA adapts."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.models.safetensors_header import read_header

_NOT_ADAPTED = frozenset(
    {"lm_head", "embed_tokens", "wte", "wpe", "embed_in", "embed_out", "shared"}
)


class LinearLayer(NamedTuple):
    """One weight matrix that LoRA adapts."""

    name: str
    inputs: int
    outputs: int


def linear_layers(folder: Path) -> list[LinearLayer]:
    """Return the weight matrices of a model's linear layers, but those of embeddings and output layer; by name.

    Told by their shape: a weight of two dimensions. Nothing is returned where the folder holds no safetensors.

    Raises:
        ModelError: a file is cut.
    """
    found = []
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in read_header(file).items():
            module = name.removesuffix(".weight")
            if module != name and len(tensor.shape) == 2 and _last(module) not in _NOT_ADAPTED:
                found.append(LinearLayer(module, tensor.shape[1], tensor.shape[0]))
    return found


def linear_modules(folder: Path) -> list[str]:
    """Return the last parts of the names of a model's linear layers: `q_proj`, `down_proj`."""
    return sorted({_last(layer.name) for layer in linear_layers(folder)})


def parameters(folder: Path) -> int:
    """Return how many numbers the weights of a model have; 0 where the folder holds no safetensors."""
    total = 0
    for file in folder.glob("*.safetensors"):
        for tensor in read_header(file).values():
            size = 1
            for each in tensor.shape:
                size *= each
            total += size
    return total


def weights_bytes(folder: Path, wide: int) -> int:
    """Return how many bytes the weights of a model take in memory, each `wide` bytes."""
    return wide * parameters(folder)


def _last(module: str) -> str:
    return module.rpartition(".")[2]
