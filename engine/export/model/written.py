"""`export_model`: a run's best student as a folder that another program loads, with all that decides its answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.backends.local.weights import load_tokenizer
from engine.errors import EngineError
from engine.export.folder import as_json, check_room, check_target, writing
from engine.export.model.card import model_card
from engine.export.model.modelfile import modelfile
from engine.export.model.students import ExportedStudent, best_student
from engine.export.model.task_file import FORMS, Form, dialogue_of, example_of, task_of, use_file
from engine.export.model.weights import (
    Base,
    base_of,
    is_whole,
    told_by_tokenizer,
    write_adapter,
    write_merged,
)
from engine.export.push import check_token, push
from engine.export.run import Which, find_run
from engine.models.converter import convert, require_converter
from engine.registry import did_you_mean
from engine.store import reader
from engine.system.plain_text import clean

Say = Callable[[str], None]
_REST = 20_000_000
"""Bytes that tokenizer and cards take at most."""


@dataclass(frozen=True)
class ModelExport:
    """What was written."""

    folder: Path
    form: Form
    run: str
    seed: int
    round: int
    example: str
    """A row as `use.py` takes it, JSON."""
    base: Path | None = None
    """Of an adapter: the folder of its base model, where it is on this machine alone."""
    pushed: str | None = None
    """Address of the copy on the Hub."""


@dataclass(frozen=True)
class _Found:
    """What is read before anything is written."""

    run: str
    recipe: str
    student: ExportedStudent
    base: Base
    task: dict[str, Any]
    card: str


def export_model(
    which: Which,
    to: Path,
    form: Form = "merged",
    *,
    seed: int | None = None,
    round: int | None = None,
    licence: str | None = None,
    replace: bool = False,
    push_to: str | None = None,
    say: Say = lambda _: None,
) -> ModelExport:
    """Write a student to a folder; whole or not at all.

    Args:
        which: The run.
        to: The folder: new, empty, or with `replace` an earlier export.
        form: merged, adapter or gguf.
        seed: One of the run's seeds; that with the best validation score when left out.
        round: One of its rounds; the one that the stop rule chose when left out.
        licence: What the card says of the model's licence.
        replace: Whether an earlier export may be replaced.
        push_to: Name of a model on the Hugging Face Hub, to which the folder is uploaded too.
        say: Told in a few words what is being done.

    Raises:
        EngineError: the folder is taken, there is no such run or model, its base is not available, or the disk is full.
    """
    if form not in FORMS:
        raise EngineError(f"a model cannot be exported as '{form}'", did_you_mean(form, FORMS))
    to = to.absolute()
    check_target(to, replace=replace)
    if push_to is not None:
        check_token(push_to)
    if form == "gguf":
        require_converter()
    found = _find(which, form, seed, round, licence)
    student, base = found.student, found.base
    if push_to is not None and form == "adapter" and base.on_hub is None:
        raise EngineError(
            f"an adapter whose base model is on this machine alone ({base.name}) is of no use to others",
            "push the whole model: --as merged",
        )
    check_room(to, _needed(form, student, base, found.task["dtype"]))
    told = {"what": "model", "run": found.run, "recipe": found.recipe, "as": form}
    with writing(to, {**told, "seed": student.seed, "round": student.round}) as part:
        _write(part, form, found, say)
    pushed = push(to, push_to, "model") if push_to is not None else None
    here = base.folder if form == "adapter" and base.on_hub is None else None
    return ModelExport(
        to, form, found.run, student.seed, student.round, example_of(found.task), here, pushed
    )


def _find(
    which: Which, form: Form, seed: int | None, round: int | None, licence: str | None
) -> _Found:
    with reader(which.state) as query:
        run = find_run(query, which)
        student = best_student(query, run.id, run.recipe, which.state, seed, round)
        if not student.path.is_dir():
            raise EngineError(
                f"the model of run {run.id} is gone: there is no {student.path}",
                "`pada run RECIPE` makes it again",
            )
        if form == "adapter" and is_whole(student.path):
            raise EngineError(
                f"run {run.id} trained the whole model (train: {{method: full}}): there is no adapter",
                "export it with --as merged",
            )
        base = base_of(run)
        told = told_by_tokenizer(base, dialogue_of(run))
        task = task_of(run) | told | {"seed": student.seed, "round": student.round}
        card = model_card(run, student, base, task, form, licence)
        return _Found(run.id, run.name, student, base, task, card)


def _needed(form: Form, student: ExportedStudent, base: Base, dtype: str) -> int:
    """Return the bytes that an export takes while it is written."""
    if form == "adapter":
        return sum(file.stat().st_size for file in student.path.iterdir()) + _REST
    return base.bytes_in(dtype) * (2 if form == "gguf" else 1) + _REST


def _write(part: Path, form: Form, found: _Found, say: Say) -> None:
    student, base, task = found.student, found.base, found.task
    if form == "adapter":
        write_adapter(student.path, base, part)
    else:
        say("putting the fine-tune into its base model")
        merged = part / "merged" if form == "gguf" else part
        merged.mkdir(exist_ok=True)
        write_merged(student.path, base, task, merged)
        if form == "gguf":
            convert(merged, part / "model.gguf", say)
            shutil.rmtree(merged)
        source = "./model.gguf" if form == "gguf" else "."
        text = modelfile(task, load_tokenizer(base.folder), source)
        (part / "Modelfile").write_text(text, encoding="utf-8")
    (part / "task.json").write_text(as_json(task), encoding="utf-8")
    name = base.on_hub or str(base.folder)
    (part / "use.py").write_text(use_file(task, form, name, base.revision), encoding="utf-8")
    (part / "README.md").write_text(clean(found.card), encoding="utf-8")
