"""Files and folders of data that are named in a recipe's place: they are told apart, and what to do is said."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.errors import Location, Problem, RecipeError

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".xlsx")
"""Of files that rows are read from."""
_COMPRESSED = (".gz", ".zst")
_STARTS = (b"PK\x03\x04", b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""First bytes of Excel, Parquet, gzip and Zstandard files: no text starts so."""
_SAVED = ("state.json", "dataset_dict.json")
"""What a folder of `save_to_disk` has."""


def refuse_data(path: Path) -> None:
    """Raise RecipeError where a path leads to data, which is no recipe: with the command that writes one for it."""
    named = path
    if path.is_dir():
        files = _data_in(path)
        if not files:
            return
        what = "this is a folder of data, and has no recipe.yaml"
        named = files[0] if len(files) == 1 and files[0].name not in _SAVED else path
    elif _is_data(path):
        what = "this is data, not a recipe"
    else:
        return
    file = shlex.quote(Location.at(named).file)
    hint = f"`pada init {file}` writes a recipe for it; one that is there is named by its own file"
    raise RecipeError([Problem(Location.at(path), what, hint, code="no-recipe")])


def _data_in(folder: Path) -> list[Path]:
    try:
        return [
            each
            for each in folder.iterdir()
            if (each.name in _SAVED or _ending(each) in ENDINGS) and each.is_file()
        ]
    except OSError:
        return []


def _is_data(file: Path) -> bool:
    found = _ending(file)
    if found in ENDINGS and found != ".json":
        return file.is_file()
    try:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return False
    # An object may be a recipe: JSON is YAML.
    return head.startswith(_STARTS) or (found == ".json" and head.lstrip().startswith(b"["))


def _ending(file: Path) -> str:
    suffix = file.suffix.lower()
    return Path(file.stem).suffix.lower() if suffix in _COMPRESSED else suffix
