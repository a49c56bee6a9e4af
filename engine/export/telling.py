"""What is said of a run's student once it is there: where it is, and the commands that take it along and ask it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from engine.export.model.students import ExportedStudent
from engine.export.model.task_file import NEEDS, Form
from engine.report.formatting import round_name
from engine.spec.repository import state_folder

MODEL_FOLDER = "my-model"
DATA_FOLDER = "my-rows"


def shown(path: Path) -> str:
    """Return a path as people write it: from the current folder where it lies below it."""
    absolute, here = path.absolute(), Path.cwd()
    return os.fspath(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def where_it_is(student: ExportedStudent) -> str:
    """Return which student it is, and its folder."""
    return f"{shown(student.path)} ({round_name(student.round)}, seed {student.seed})"


def command(*words: str, state: Path) -> str:
    """Return a command of `pada` as it is typed; the state folder is named where it is not the usual one."""
    typed = ["pada", *words]
    if state != state_folder():
        typed += ["--state", str(state)]
    return shlex.join(typed)


def ask_command(place: str, example: str) -> str:
    """Return the command that asks an exported model one row."""
    return f"python {shlex.quote(f'{place}/use.py')} {shlex.quote(example)}"


def ask_file_command(place: str) -> str:
    """Return the command that asks an exported model all rows of a file."""
    return f"python {shlex.quote(f'{place}/use.py')} --in new.csv --out answers.csv"


def elsewhere(form: Form) -> str:
    """Return what must be installed where the model is asked."""
    return f"here with this Python; elsewhere first: pip install {' '.join(NEEDS[form])}"
