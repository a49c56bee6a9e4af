"""Which data somebody means: one file or several, a folder, a data set of the Hub; and which split each is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.data.sources.hub import Hub, is_hub
from engine.data.sources.readers import READERS, ending
from engine.errors import EngineError, RecipeError

SPLITS = ("train", "validation", "test", "pool")
_WORDS = {
    "train": "train", "training": "train", "trn": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation", "eval": "validation",
    "test": "test", "testing": "test", "tst": "test",
    "pool": "pool", "unlabelled": "pool", "unlabeled": "pool", "unlabel": "pool",
}  # fmt: skip
_FLAGS = "--train FILE --validation FILE --test FILE"


def places(given: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """Return split -> file, folder or address; `train` is always there.

    Args:
        given: What stands on the command line without a flag.
        named: What flags name: split -> place.

    Raises:
        EngineError: it is not clear which is which, with the flags that say it.
    """
    found: dict[str, str] = {}
    if len(given) == 1:
        found = _of_one(given[0]) if "train" not in named else _by_name(given)
    elif given:
        found = _by_name(given)
    if twice := sorted(found.keys() & named.keys()):
        raise EngineError(
            f"two files for {twice[0]}: {found[twice[0]]} and {named[twice[0]]}",
            "name each split once",
        )
    found |= named
    if "train" not in found:
        there = ", ".join(f"{place} is {split}" for split, place in found.items())
        raise EngineError(
            "no file has the training rows" + (f": {there}" if there else ""),
            f"say which one it is: --train FILE (of several: {_FLAGS})",
        )
    return {split: found[split] for split in SPLITS if split in found}


def _of_one(place: str) -> dict[str, str]:
    if is_hub(place):
        return _of_hub(place)
    path = Path(place)
    return _of_folder(path) if path.is_dir() else {"train": place}


def split_of(name: str) -> str | None:
    """Return the split that a file is called after; None where it is none, or several."""
    words = [word for word in re.split(r"[\W_]+|\d+", name.casefold()) if word]
    found = {_WORDS[word] for word in words if word in _WORDS}
    return found.pop() if len(found) == 1 else None


def _by_name(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for place in given:
        split = split_of(place.rsplit("/", 1)[-1].partition(".")[0])
        if split is None:
            raise EngineError(
                f"{place}: its name does not say whether it holds training, validation or test rows",
                f"say it with flags: {_FLAGS}; files of one split are one pattern: 'data/*.csv'",
            )
        if split in found:
            raise EngineError(
                f"{found[split]} and {place}: both are {split} by their names",
                f"say which is which: {_FLAGS}; files of one split are one pattern: 'data/*.csv'",
            )
        found[split] = place
    return found


def _of_folder(folder: Path) -> dict[str, str]:
    """Return the splits in a folder: one or several saved data sets, or files that are named after splits."""
    if (folder / "state.json").is_file():
        return {"train": str(folder)}
    if (folder / "dataset_dict.json").is_file():
        names = sorted(each.parent.name for each in folder.glob("*/state.json"))
    else:
        names = sorted(
            file.name for file in folder.iterdir() if file.is_file() and ending(file) in READERS
        )
    splits = {name: split for name in names if (split := split_of(name.partition(".")[0]))}
    if "train" in splits.values() and len(splits) == len(set(splits.values())):
        return {split: str(folder / name) for name, split in splits.items()}
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    raise EngineError(
        f"{folder}: this is a folder, and "
        + (f"it is not clear which file is meant: {shown}" if names else "it has no data files"),
        "name a file in it, or call its files train, validation and test; what can be read ends in "
        + ", ".join(READERS),
    )


def _of_hub(address: str) -> dict[str, str]:
    """Return the splits of a data set of the Hub: the one that is named, or those that have a usual name."""
    if address.removeprefix("hf://").count("/") > 1:
        return {"train": address}
    found: dict[str, str] = {}
    lacking: RecipeError | None = None
    for split in ("train", "validation", "test"):
        place = f"{address}/{split}"
        try:
            next(iter(Hub(place).rows()), None)
        except RecipeError as error:
            lacking = lacking or error
            if split == "train":
                break
        else:
            found[split] = place
    if "train" not in found and lacking is not None:
        raise EngineError(
            str(lacking),
            f"name a split, and the configuration where there are several: {address}/CONFIG/SPLIT",
        )
    return found
