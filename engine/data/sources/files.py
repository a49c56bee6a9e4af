"""Data files as a source: one, or all that fit a pattern such as `data/*.jsonl`, in the order of their names."""

from __future__ import annotations

import glob
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from engine.data.records import BadRow, Record
from engine.data.sources.readers import COMPRESSED, READERS, ending
from engine.errors import Location, Problem, RecipeError
from engine.fingerprint import file_digest
from engine.registry import did_you_mean

_ENDINGS = [a + b for a, b in product(READERS, ("", *COMPRESSED)) if not (b and a == ".parquet")]


@dataclass(frozen=True, slots=True)
class Files:
    """Files whose rows follow one another."""

    files: tuple[Path, ...]
    root: Path | None = None
    """The folder from which a row's file is named; None for a single file."""

    @property
    def name(self) -> str:
        """The file, or the folder of the files, as shown in messages."""
        return Location.at(self.root or self.files[0]).file

    @property
    def by_row(self) -> bool:
        """False: a row is on a line, or has a number in its file."""
        return False

    @property
    def known_by_rows(self) -> bool:
        """False: files are known by their bytes."""
        return False

    def rows(self) -> Iterator[Record | BadRow]:
        """Yield the rows; raises RecipeError for what cannot be read."""
        for file in self.files:
            name = file.relative_to(self.root).as_posix() if self.root else ""
            try:
                for row in READERS[ending(file)](file):
                    if isinstance(row, BadRow):
                        yield row._replace(file=name)
                    else:
                        yield Record(*row, name)
            except (EOFError, zlib.error) as error:
                raise problem(file, f"the compressed data ends early or is damaged: {error}",
                              "make the file again") from None  # fmt: skip
            except OSError as error:
                reason = error.strerror or str(error)
                raise problem(file, f"this file cannot be read: {reason}", "check it") from None

    def digest(self) -> str:
        """Return the digest of the bytes, of several files with their names; raises OSError."""
        if self.root is None:
            return file_digest(self.files[0])
        content = hashlib.sha256()
        for file in self.files:
            content.update(
                f"{file.relative_to(self.root).as_posix()}:{file_digest(file)}\n".encode()
            )
        return content.hexdigest()


def problem(file: Path, message: str, hint: str) -> RecipeError:
    """Return one problem with a file as a whole."""
    return RecipeError([Problem(Location.at(file), message, hint, code="data")])


def find_files(path: str, base: Path) -> Files:
    """Return the file behind `path` (its ending may be left out), or all that fit it as a pattern.

    Raises:
        RecipeError: no file fits, or more than one fits a path without an ending.
    """
    file = base / path
    try:
        if glob.has_magic(path) and not file.exists():
            return _fitting(path, base)
        return Files((_existing(file),))
    except OSError as error:
        raise problem(file, f"this path cannot be used: {error.strerror}", "check it") from None


def _fitting(path: str, base: Path) -> Files:
    # The folder's own name is no pattern, whatever stands in it.
    parts = Path(path).parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = base.joinpath(*parts[:fixed])
    names = sorted(glob.glob("/".join(parts[fixed:]), root_dir=root, recursive=True))
    files = tuple(root / name for name in names if (root / name).is_file())
    if readable := tuple(file for file in files if ending(file) in READERS):
        return Files(readable, root)
    if not root.is_dir():
        raise problem(base / path, "no file fits: the folder does not exist", "check the path")
    hint = f"known endings are {', '.join(READERS)}" if files else "check the pattern"
    raise problem(base / path, "no data file fits this pattern", hint)


def _existing(file: Path) -> Path:
    if file.is_file():
        if ending(file) in READERS:
            return file
        hint = f"convert it: known endings are {', '.join(READERS)}, also with {' or '.join(COMPRESSED)}"
        raise problem(file, f"data with the ending '{file.suffix}' cannot be read", hint)
    # A path such as '.' or '/' has no name to which an ending could be put.
    candidates = [file.with_name(file.name + each) for each in _ENDINGS if file.name]
    fitting = [candidate for candidate in candidates if candidate.is_file()]
    if len(fitting) > 1:
        names = ", ".join(candidate.name for candidate in fitting)
        raise problem(
            file, f"more than one file fits: {names}", "add the ending of the one you mean"
        )
    if not fitting:
        raise _missing(file)
    return fitting[0]


def _missing(file: Path) -> RecipeError:
    if file.is_dir():
        hint = f"name a file in it, or a pattern such as {file.name or '.'}/*.jsonl"
        return problem(file, "this is a folder, not a data file", hint)
    if not file.parent.is_dir():
        return problem(file, "there is no such file: its folder does not exist", "check the path")
    near = [each.name for each in file.parent.iterdir() if ending(each) in READERS]
    hint = (
        did_you_mean(file.name, near) if near else f"its folder has no {', '.join(READERS)} files"
    )
    return problem(file, "there is no such file", hint)
