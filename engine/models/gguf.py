"""Weights in GGUF, the format of llama.cpp: one file, or a set of files that belong together."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import ModelError
from engine.gate import passed
from engine.system.places import expanded

ENDING = ".gguf"
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


def locate_gguf(name: str, base: Path | None = None) -> Path:
    """Return the GGUF file that a recipe names: a file, or a folder with one; of a set the first.

    Raises:
        ModelError: there is no such file, a folder holds none or several, or a part of a set is missing.
    """
    path = passed((base or Path()) / expanded(name), base, ModelError)
    if path.is_dir():
        path = passed(_only(path), base, ModelError)
    elif not path.is_file():
        raise ModelError(
            f"no GGUF file {path}",
            "write the path of a .gguf file on this machine, or of a folder with one; "
            "models by name run with `backend: transformers`",
        )
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path} is not a GGUF file", "llama.cpp takes weights in GGUF only")
    members = [passed(part, base, ModelError) for part in parts(path)]
    return members[0]


def parts(file: Path) -> list[Path]:
    """Return all files of a set, in order, given one of them; the file itself where it stands alone.

    Raises:
        ModelError: a part is missing.
    """
    match = _PART.fullmatch(file.name)
    if match is None:
        return [file]
    count = int(match["count"])
    members = [
        file.with_name(f"{match['stem']}-{number:05d}-of-{count:05d}{ENDING}")
        for number in range(1, count + 1)
    ]
    if missing := [part.name for part in members if not part.is_file()]:
        raise ModelError(
            f"{file.parent} lacks {missing[0]} of {count} parts of a model",
            "put all parts of a GGUF model into one folder",
        )
    return members


def _only(folder: Path) -> Path:
    first = [
        path
        for path in sorted(folder.glob(f"*{ENDING}"))
        if (part := _PART.fullmatch(path.name)) is None or int(part["number"]) == 1
    ]
    if len(first) == 1:
        return first[0]
    names = ", ".join(path.name for path in first)
    raise ModelError(
        f"{folder} holds several models: {names}" if first else f"no GGUF file in {folder}",
        "write the path of the .gguf file itself",
    )
