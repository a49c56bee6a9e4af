"""`pada init` as it is typed: files made in a folder, the command run there, what it says and leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import EngineError
from engine.spec.loader import load
from engine.spec.recipe import Recipe


class Done(NamedTuple):
    """What a command came to."""

    output: str
    error: str
    """The message of an error, empty without one."""
    new: Sequence[str]
    """Files that were not there before."""

    @property
    def last(self) -> str:
        """The last line."""
        return self.output.rstrip().splitlines()[-1]


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def there(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def init(folder: Path, *arguments: str) -> Done:
    """Run the command in a folder; raises what is no error of the user's."""
    before = there(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(app, ["init", *arguments])
    error = result.exception
    if error is not None and not isinstance(error, EngineError):
        raise error
    if error is not None:
        assert error.exit_code == 2
    return Done(result.output, str(error or ""), sorted(there(folder) - before))


def recipe(folder: Path, at: str = "recipe.yaml") -> Recipe:
    return load(folder / at).recipe


def csv(rows: Sequence[str], header: str = "text,label") -> str:
    return "\n".join([header, *rows, ""])


def jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


LABELLED = [f"message number {n} about a thing,{'ab'[n % 2]}" for n in range(40)]
