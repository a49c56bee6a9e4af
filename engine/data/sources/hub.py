"""Hugging Face data sets as sources: `hf://owner/name@revision/config/split`, and folders of `save_to_disk`.

The `datasets` library does the work; its cache serves data sets that were loaded once without a network.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.data.records import BadRow, Record, digest_of_rows
from engine.data.sources.class_names import namers_of, with_named
from engine.errors import Location, Problem, RecipeError
from engine.fingerprint import file_digest
from engine.gate import passed, passed_folder
from engine.sql.row_values import json_value

_SCHEME = "hf://"
_FORM = "hf://owner/name@revision/config/split (revision and config may be left out)"
_HUB_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_STATE = "state.json"
_PATIENCE = 5.0
"""Seconds that looking a data set up may take."""


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
    if not _HUB_NAME.fullmatch(f"{owner}/{name}") or ".." in path:
        message = f"'{owner}/{name}' is no name of a data set on the Hugging Face Hub"
        hint = f"write {_FORM}; what is on this machine is named as `path` without hf://"
        raise RecipeError([Problem(Location(path), message, hint, code="data")])
    return Address(
        f"{owner}/{name}", revision if at else None, config[0] if config else None, split
    )


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set on the Hugging Face Hub, or in the local cache."""

    path: str
    streaming: bool = False
    """Rows are read over the network as they are needed, nothing is stored."""
    files: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The address."""
        return self.path

    @property
    def by_row(self) -> bool:
        """False: a row has its number in the data set."""
        return False

    @property
    def known_by_rows(self) -> bool:
        """Whether the rows tell a data set from others; of one that is streamed, the address does."""
        return not self.streaming

    def rows(self) -> Iterator[Record | BadRow]:
        """Yield the rows; raises RecipeError when the data set cannot be had."""
        rows = self._newest()
        try:
            yield from _decoded(rows)
        except Exception as error:  # streamed rows meet the network as they are read
            raise RecipeError([_not_loaded(self.path, error)]) from error

    def digest(self) -> str:
        """Return the digest of the rows, or of the address where it names a commit and rows are streamed.

        An address with a branch such as `main` is no identity: it moves, and rows that changed must change the plan.
        """
        if self.streaming:
            return hashlib.sha256(self.path.encode()).hexdigest()
        return digest_of_rows(self.rows())

    def cached(self) -> bool:
        """Tell whether the rows can be had without a network."""
        return self._from_cache() is not None

    def reachable(self) -> Problem | None:
        """Return why the data set cannot be had over the network; None when it is there."""
        import huggingface_hub

        address = parse_address(self.path)
        try:
            found = huggingface_hub.HfApi().dataset_info(
                address.name, revision=address.revision, timeout=_PATIENCE
            )
            other = _not_its_own(found)
        except Exception as error:  # the library raises a dozen unrelated types here
            return _not_loaded(self.path, error)
        return None if other is None else _foreign(self.path, other)

    def _newest(self) -> Any:
        """Return the rows, as the library has them: what is pinned from the cache, else as the Hub has it now."""
        pinned = _COMMIT.fullmatch(parse_address(self.path).revision or "")
        if pinned and (rows := self._from_cache()) is not None:
            return rows
        # Asked first, because the library waits long for a network that is not there.
        not_there = self.reachable()
        if not_there is None:
            return self._load()
        if (rows := self._from_cache()) is not None:
            return rows
        raise RecipeError([not_there])

    def _from_cache(self) -> Any:
        if self.streaming:
            return None
        with _offline():
            try:
                return self._load()
            except RecipeError:
                return None

    def _load(self) -> Any:
        address = parse_address(self.path)
        # The library is slow to import and only some recipes need it.
        import datasets

        if Path(address.name).exists():
            message = (
                "the working directory has something of this name, which would be read in its place"
            )
            hint = (
                f"run from another folder; to read what is there, write `path: ./{address.name}/…`"
            )
            raise RecipeError([Problem(Location(self.path), message, hint, code="data")])
        options = {"streaming": True} if self.streaming else {}
        try:
            rows = datasets.load_dataset(
                address.name,
                address.config,
                split=address.split,
                revision=address.revision,
                **options,
            )
        except Exception as error:  # the library raises a dozen unrelated types here
            raise RecipeError([_not_loaded(self.path, error)]) from error
        if not _only_its_own(rows):
            raise RecipeError([_foreign(self.path, "what it was loaded from")])
        if not self.streaming and not _is_pinned(rows, address.revision):
            message = f"the local cache holds another revision than {address.revision}"
            hint = "connect to the network once, or pin the revision that is there"
            raise RecipeError([Problem(Location(self.path), message, hint, code="data")])
        return rows


_CONFIGS = ".huggingface.yaml"
"""May say in a data set's README's place where its files are."""


def _not_its_own(found: Any) -> str | None:
    """Return what of a data set leads to other files than its own, perhaps of this machine; None where nothing does.

    `found` is what the Hub knows of it. The library follows such paths wherever they lead.
    """
    if any(file.rfilename == _CONFIGS for file in found.siblings or ()):
        return _CONFIGS
    configs = dict(found.card_data or {}).get("configs")
    return next((text for text in _texts(configs) if _leads_away(text)), None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _texts(child)


def _leads_away(path: str) -> bool:
    return path.startswith(("/", "~", "\\")) or "://" in path or "::" in path or ".." in path


def _only_its_own(rows: Any) -> bool:
    """Return whether all files that loaded rows were made of came from the Hub, as the library noted it."""
    made_of = getattr(getattr(rows, "info", None), "download_checksums", None) or {}
    return all(str(file).startswith(("hf://", "https://huggingface.co/")) for file in made_of)


def _is_pinned(rows: Any, revision: str | None) -> bool:
    """Tell the cache's rows of another commit: without a network the library takes the latest that it has."""
    if not _COMMIT.fullmatch(revision or ""):
        return True
    folders = {part for file in rows.cache_files for part in Path(file["filename"]).parts}
    commits = {folder for folder in folders if _COMMIT.fullmatch(folder)}
    return not commits or revision in commits


def resolve_hub(path: str, streaming: bool) -> Hub:
    """Return the data set behind an address; raises RecipeError for one that is incomplete or may not be streamed."""
    revision = parse_address(path).revision
    if streaming and not _COMMIT.fullmatch(revision or ""):
        message = "what is streamed needs a pinned commit: its rows are not looked at to see whether they changed"
        hint = "write the 40 digits of the commit: hf://owner/name@COMMIT/…"
        raise RecipeError([Problem(Location(path), message, hint, code="data")])
    return Hub(path, streaming)


@dataclass(frozen=True, slots=True)
class Saved:
    """A folder written by `Dataset.save_to_disk`."""

    folder: Path

    base: Path | None = None
    """The recipe's folder, by which it is told what may be read; None for what has passed already."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The folder's files."""
        return tuple(sorted(file for file in self.folder.iterdir() if file.is_file()))

    @property
    def name(self) -> str:
        """The folder, as shown in messages."""
        return Location.at(self.folder).file

    @property
    def by_row(self) -> bool:
        """False: a row has its number in the data set."""
        return False

    @property
    def known_by_rows(self) -> bool:
        """False: the folder is known by its files."""
        return False

    def rows(self) -> Iterator[Record | BadRow]:
        """Yield the rows; raises RecipeError when the folder cannot be read."""
        import datasets

        try:
            rows = datasets.load_from_disk(str(self._passed()))
        except RecipeError:
            raise
        except Exception as error:  # as for data sets of the Hub
            reason = (str(error).splitlines() or [""])[0]
            message = f"this saved data set cannot be loaded: {type(error).__name__}: {reason}"
            hint = "save it again with Dataset.save_to_disk"
            raise RecipeError([Problem(Location(self.name), message, hint, code="data")]) from error
        yield from _decoded(rows)

    def _passed(self) -> Path:
        """Return the folder, when all that it leads to may be read: it names files. Raises RecipeError, OSError."""

        def refuse(message: str, hint: str) -> RecipeError:
            return RecipeError([Problem(Location(self.name), message, hint, code="outside")])

        folder = passed_folder(self.folder, self.base, refuse)
        state = json.loads((folder / _STATE).read_text("utf-8"))
        for file in state["_data_files"]:
            passed(folder / file["filename"], self.base, refuse)
        return folder

    def digest(self) -> str:
        """Return the digest of the folder's files; raises OSError."""
        content = hashlib.sha256()
        self._passed()
        for file in self.files:
            content.update(f"{file.name}:{file_digest(file)}\n".encode())
        return content.hexdigest()


def saved_set(folder: Path, base: Path | None = None) -> Saved | None:
    """Return the data set saved in a folder, None where there is none; `base`: as of `Saved`.

    Raises:
        RecipeError: the folder holds several splits.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = sorted(each.parent.name for each in folder.glob("*/state.json"))
        message = "this folder holds several splits of a data set"
        hint = f"name one: {', '.join(f'{folder.name}/{split}' for split in splits)}"
        raise RecipeError([Problem(Location.at(folder), message, hint, code="data")])
    return Saved(folder, base) if (folder / _STATE).is_file() else None


def _decoded(rows: Any) -> Iterator[Record]:
    """Yield rows as JSON has them; class numbers become class names, in lists and mappings too."""
    namers = namers_of(rows.features or {})
    for number, row in enumerate(rows, start=1):
        values = {column: json_value(value) for column, value in row.items()}
        yield Record(number, with_named(values, namers))


@contextmanager
def _offline() -> Iterator[None]:
    """Confine the libraries to their caches, whatever the environment says."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    loud = datasets.logging.get_verbosity()
    datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    # It tells of every look into its cache.
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
        datasets.logging.set_verbosity(loud)


def _foreign(path: str, what: str) -> Problem:
    message = f"this data set leads to files that are not its own: {what}"
    hint = "use another data set, or download its files yourself and name them as `path`"
    return Problem(Location(path), message, hint, code="outside")


def _not_loaded(path: str, error: Exception) -> Problem:
    reason = (str(error).splitlines() or [""])[0]
    hint = (
        "it is not in the local cache, and the network or the data set cannot be reached: "
        "check the address, or give local files (--var data=FOLDER where the recipe has such a var)"
    )
    message = f"this data set cannot be loaded: {type(error).__name__}: {reason}"
    return Problem(Location(path), message, hint, code="data")
