"""Hugging Face data sets as sources: `hf://owner/name@revision/config/split`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from engine.errors import Location, Problem, RecipeError
from engine.sql.readers import plain

_SCHEME = "hf://"
_FORM = "hf://owner/name@revision/config/split (revision and config may be left out)"


class Address(NamedTuple):
    """The parts of an `hf://` address; None means the data set's default."""

    name: str
    revision: str | None
    config: str | None
    split: str


def is_hub(path: str) -> bool:
    """Tell whether a data path is an `hf://` address."""
    return path.startswith(_SCHEME)


def parse_address(path: str) -> Address:
    """Return the parts of an address; raises RecipeError when they do not fit."""
    parts = path.removeprefix(_SCHEME).split("/")
    if not 3 <= len(parts) <= 4 or not all(parts):
        message = "this data set address is not complete"
        raise RecipeError([Problem(Location(path), message, f"write {_FORM}", code="data")])
    owner, name, *config, split = parts
    name, at, revision = name.partition("@")
    return Address(
        f"{owner}/{name}", revision if at else None, config[0] if config else None, split
    )


def read_hub(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a data set; class numbers become class names. Raises RecipeError."""
    address = parse_address(path)
    # The library is slow to import and only some recipes need it.
    import datasets

    try:
        rows = datasets.load_dataset(
            address.name, address.config, split=address.split, revision=address.revision
        )
    except Exception as error:  # the library raises a dozen unrelated types here
        raise RecipeError([_not_loaded(path, error)]) from error
    names = {
        column: feature.names
        for column, feature in rows.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    return _decoded(rows, names)


def _decoded(rows: Any, names: dict[str, list[str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in enumerate(rows, start=1):
        values = {column: plain(value) for column, value in row.items()}
        for column, labels in names.items():
            index = row[column]
            # -1 marks a row without a label.
            values[column] = labels[index] if index is not None and index >= 0 else None
        yield number, values


def _not_loaded(path: str, error: Exception) -> Problem:
    said = (str(error).splitlines() or [""])[0]
    hint = (
        "it is not in the local cache, and the network or the data set cannot be reached: "
        "check the address, or give local files (--var data=FOLDER where the recipe has such a var)"
    )
    message = f"this data set cannot be loaded: {type(error).__name__}: {said}"
    return Problem(Location(path), message, hint, code="data")
