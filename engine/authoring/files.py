"""Files that are written anew by a command: found, read, and replaced whole, all of them or none."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError, Location, Problem, RecipeError, boundary
from engine.spec.data_files import refuse_data
from engine.spec.reference.keys import KINDS
from engine.spec.yaml import decode, read_bytes
from engine.system.files import replacing

ENDINGS = (".yaml", ".yml")
_OURS = {"recipe.yaml", "operator.yaml", "pack.yaml", "pada.yaml"}
_FORMAT_KEY = re.compile(rf"^(?:{'|'.join(KINDS)})[ \t]*:", re.MULTILINE)
_LEFT_OUT = {"node_modules", "__pycache__"}


@dataclass(frozen=True)
class Rewritten:
    """A file, and what is to stand in it."""

    path: Path
    before: str
    after: str
    raw: bytes
    """What stands in it, byte by byte."""
    new: bytes

    @property
    def changed(self) -> bool:
        """Whether anything in it is to be otherwise."""
        return self.raw != self.new

    def diff(self) -> str:
        """Return the change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"{self.path} (now)",
            f"{self.path} (then)",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def found(places: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield the files at places, each once, and whether it was named itself; raises EngineError for one that is none.

    In a folder, and those below it, these are the YAML files that begin with a format key such as `recipe: 1`; hidden
    folders and links are left out.
    """
    seen: set[Path] = set()
    for place in places:
        if not place.exists():
            raise EngineError(
                f"there is no file or folder {place}", "name a YAML file, or a folder"
            )
        named = not place.is_dir()
        for path in [place] if named else _below(place):
            if (whole := path.resolve()) not in seen:
                seen.add(whole)
                yield path, named


def _below(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _LEFT_OUT
        )
        for name in sorted(names):
            path = Path(here, name)
            if name.endswith(ENDINGS) and not name.startswith(".") and not path.is_symlink():
                yield path


def rewritten(places: Sequence[Path], change: Callable[[str, Path], str]) -> list[Rewritten]:
    r"""Return what a change makes of each file; writes nothing.

    Args:
        places: Files and folders.
        change: Text of a file, with `\\n` at the ends of lines, and its path -> the new text.

    Raises:
        RecipeError: with the problems of all files.
        EngineError: there is no such file.
    """
    results: list[Rewritten] = []
    problems: list[Problem] = []
    for path, named in found(places):
        try:
            if named:
                refuse_data(path)
            raw = _read(path)
            text = decode(raw, path)
            if not named and path.name not in _OURS and not _FORMAT_KEY.search(text):
                continue
            ends = "\r\n" if "\r\n" in text else "\n"
            plain = text.replace("\r\n", "\n")
            after = change(plain, path)
        except RecipeError as error:
            problems += error.problems
        else:
            results.append(Rewritten(path, plain, after, raw, after.replace("\n", ends).encode()))
    if problems:
        raise RecipeError(problems)
    return results


def _read(path: Path) -> bytes:
    def refused(reason: str) -> RecipeError:
        message, hint = f"this file cannot be read: {reason}", "check its permissions"
        return RecipeError([Problem(Location.at(path), message, hint, code="file")])

    with boundary(refused):
        return read_bytes(path)


def write(files: Sequence[Rewritten]) -> list[Path]:
    """Replace the files that change, each whole, with the permissions that they had; return which these are.

    Where one cannot be written, those that were written already get back what stood in them.

    Raises:
        EngineError: a file cannot be written, or somebody changed it meanwhile.
    """
    done: list[Rewritten] = []
    try:
        for file in files:
            if not file.changed:
                continue
            if _read(file.path) != file.raw:
                raise EngineError(f"{file.path} was changed meanwhile", "run the command again")
            _replace(file.path, file.new)
            done.append(file)
    except (OSError, EngineError) as error:
        for file in done:
            _replace(file.path, file.raw)
        if isinstance(error, EngineError):
            raise
        reason = error.strerror or str(error)
        raise EngineError(
            f"{file.path} cannot be written: {reason}; no file was changed"
        ) from error
    return [file.path for file in done]


def _replace(path: Path, content: bytes) -> None:
    # Of a link, what it leads to.
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode)
    with replacing(target) as part:
        part.write_bytes(content)
        part.chmod(mode)
