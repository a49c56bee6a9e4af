"""The header of a safetensors file: which tensors it holds, and whether it is whole; their values are not read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import ModelError

_HEADER_LIMIT = 100_000_000
"""Bytes: what the format itself allows a header."""


class Tensor(NamedTuple):
    """A tensor as the header has it."""

    shape: tuple[int, ...]
    dtype: str


def read_header(file: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors file; raises ModelError for one that is cut or none at all."""
    broken = ModelError(
        f"{file} is broken or cut: it is not a complete safetensors file",
        "copy it again from where it is whole",
    )
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= _HEADER_LIMIT:
                raise broken
            header = json.loads(stream.read(length))
        tensors = dict(_tensors(header))
        end = max(
            (entry["data_offsets"][1] for name, entry in header.items() if name in tensors),
            default=0,
        )
        if file.stat().st_size != 8 + length + end:
            raise broken
    except ModelError:
        raise
    except OSError as problem:
        raise ModelError(
            f"cannot read {file}: {problem.strerror or problem}",
            "make it a file that this user may read",
        ) from problem
    except Exception as problem:
        raise broken from problem
    return tensors


def _tensors(header: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    for name, entry in header.items():
        if name != "__metadata__":
            yield name, Tensor(tuple(int(size) for size in entry["shape"]), str(entry["dtype"]))
