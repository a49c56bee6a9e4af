"""From data to a recipe that validates: looked at, asked about, checked, and written beside a `pada.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.authoring.start import placing
from engine.authoring.start.asking import Asked, answered
from engine.authoring.start.finding import places
from engine.authoring.start.looking import Looked, form_of, look
from engine.authoring.start.questions import Answers
from engine.authoring.start.settling import Settled
from engine.authoring.start.splitting import sampled, taken
from engine.authoring.start.writing import Draft, recipe_text
from engine.errors import Location, Problem, RecipeError
from engine.gate.roots import PROJECT
from engine.plan.validate import Examined
from engine.project import Project
from engine.tasks import TASKS
from engine.tasks.conversation_rows import facts_of

_OF_ROWS = frozenset({"data", "labels", "read-back"})
"""Codes of errors that are those of single rows, which may be left out."""
_MOST_DROPPED = 0.5
_ID = "id"

Say = Callable[[str], None]


class Begun(NamedTuple):
    """What was written."""

    files: Sequence[Path]
    """The recipe first."""
    given: Mapping[str, str]
    """Vars that every command has to name, for data outside of the project."""
    warnings: Sequence[Problem]


class Drafted(NamedTuple):
    """A recipe as it would be written."""

    text: str
    told: Sequence[str]
    """What it says, in plain words, a line each."""
    given: Mapping[str, str]
    """As of what is written."""
    warnings: Sequence[Problem]


def begin(asked: Asked, answers: Answers, say: Say) -> Begun:
    """Write a recipe for data, and `pada.yaml` where there is none above.

    Args:
        asked: What is known already.
        answers: Who answers what is not.
        say: Takes a line for the user.

    Raises:
        EngineError: the data cannot be read or used, a question is open, or a file is there already; nothing is written
            then.
    """
    folder = asked.to
    file = folder / placing.RECIPE
    placing.refuse_existing({file: ""})
    found = places(asked.files, asked.splits)
    form = form_of(asked.format)
    looked = {split: look(place, form) for split, place in found.items()}
    for each in looked.values():
        say(each.said)
    draft = answered(asked, looked, answers)
    answers.require_all()
    root = placing.project_root(folder, found.values())
    project = placing.project_text(root, draft.name)
    with placing.made(folder), placing.added(root / PROJECT, project):
        made = drafted(draft, looked, found, file, root)
        for line in made.told:
            say(f"  {line}")
        placing.write_all({file: made.text})
    files = [file, *([root / PROJECT] if project else [])]
    return Begun(files, made.given, made.warnings)


def drafted(
    draft: Draft, looked: Mapping[str, Looked], found: Mapping[str, str], file: Path, root: Path
) -> Drafted:
    """Return the recipe as it would be written, checked as if it lay there already.

    Args:
        draft: What was answered.
        looked: Split -> its rows.
        found: Split -> where they are.
        file: Where the recipe would lie, in a folder that is there.
        root: The folder of its project.

    Raises:
        RecipeError: with what is wrong with it.
        EngineError: there are too few rows, or the folder cannot be written.
    """
    sources = placing.sources(found, file.parent, root)
    draft = _with_data(draft, looked, sources)
    draft = replace(draft, recipe=placing.command("validate", file, sources.given))
    draft, warnings = _checked(draft, file, sources.given)
    return Drafted(recipe_text(draft), tuple(_told(draft, found)), sources.given, warnings)


def _told(draft: Draft, found: Mapping[str, str]) -> Iterator[str]:
    """Yield what the recipe says, in plain words."""
    task = draft.task
    kind = TASKS[task.kind]
    yield f"task: {task.kind}. {kind.told(kind.params.model_validate(dict(task.params)))}"
    if task.kind != "chat":
        yield f"the model sees {', '.join(map(repr, task.input))}; the right answer is in {task.target!r}"
    yield from task.said
    rows = (_rows_of(split, source, found.get(split, "")) for split, source in draft.splits.items())
    yield f"rows: {'; '.join(rows)}"
    yield f"scored by {', '.join(task.metrics)}; a failure is: {task.failure}"
    model = draft.teacher.spec["model"]
    yield f"teacher: {model}" + (
        "" if draft.teacher.writes else ", which needs no key; the recipe says how to name another"
    )
    if draft.drops:
        yield draft.drops


def _rows_of(split: str, source: Mapping[str, Any], place: str) -> str:
    taken_from = source.get("split_from")
    if taken_from is None:
        some = f", {source['sample']['n']} of them" if "sample" in source else ""
        each = f" for each '{source['sample']['per']}'" if "per" in source.get("sample", {}) else ""
        return f"{split} from {place}{some}{each}"
    much = f"{taken_from['share']:.0%}" if "share" in taken_from else f"{taken_from['rows']}"
    return f"{much} of the train rows for {split}"


def _with_data(draft: Draft, looked: Mapping[str, Looked], sources: placing.Sources) -> Draft:
    """Return the draft with the splits: what their files need to be read, and what is taken out of others."""
    train = looked["train"]
    task = draft.task
    splits: dict[str, Mapping[str, Any]] = {}
    for split, each in looked.items():
        source: dict[str, Any] = {"path": sources.paths[split]}
        if each.form:
            source["format"] = dict(each.form)
        source |= _renamed(each, task)
        columns = {
            name: sql
            for name, sql in task.columns.items()
            if split != "pool" or name != task.target
        }
        if columns:
            source["columns"] = columns
        if task.where and split != "pool":
            source["where"] = task.where
        if split == "train" and (sample := sampled(task, draft.trained)):
            source["sample"] = sample
        splits[split] = source
    for split, how in taken(train, task, looked.keys()).items():
        splits[split] = {"split_from": how}
    return replace(draft, splits=splits, vars=sources.vars)


def _renamed(looked: Looked, task: Settled) -> dict[str, Any]:
    """Return other names for columns whose names mean something else to the engine, where the task needs none of them.

    By `id` it tells rows apart; `target` is the right answer in SQL; of a conversation it counts what is in it.
    """
    facts = facts_of(()) if task.kind == "chat" else {}
    rename = dict(looked.rename)
    for name, column in looked.columns.items():
        repeated = name == _ID and column.distinct < column.filled
        if (repeated or name == "target" or name in facts) and name not in (
            *task.input,
            task.target,
        ):
            rename[
                next(n for n in (f"{name}_column", f"the_{name}") if n not in looked.columns)
            ] = name
    return {"rename": rename} if rename else {}


def _checked(draft: Draft, file: Path, given: Mapping[str, str]) -> tuple[Draft, Sequence[Problem]]:
    """Return the draft as it validates, with the warnings; rows that cannot be used are left out, unless most are.

    Raises:
        RecipeError: with what is wrong.
    """
    examined = _examined(draft, file, given)
    errors = [each for each in examined.problems if each.level == "error"]
    if errors and all(each.code in _OF_ROWS for each in errors):
        first = errors[0]
        draft = replace(
            draft, drops=f"Some rows cannot be used, such as {first.where}: {first.message}"
        )
        examined = _examined(draft, file, given)
        left_out, kept = (
            sum(examined.splits.left_out.values()),
            sum(examined.splits.counts.values()),
        )
        if left_out > _MOST_DROPPED * (left_out + kept):
            raise RecipeError(errors)
        rows = f"{left_out:,} row{'' if left_out == 1 else 's'} cannot be used and {'is' if left_out == 1 else 'are'}"
        draft = replace(
            draft, drops=f"{rows} left out, the first at {first.where}: {first.message}"
        )
        errors = [each for each in examined.problems if each.level == "error"]
    if errors:
        raise RecipeError(errors)
    return draft, [each for each in examined.problems if each.code != "bad-row"]


def _examined(draft: Draft, file: Path, given: Mapping[str, str]) -> Examined:
    """Return what checking the recipe finds, as if it were written already."""
    with placing.staged(file.parent, recipe_text(draft)) as stage:
        shown = Location.at(stage).file

        def placed(problem: Problem) -> Problem:
            if problem.where.file != shown:
                return problem
            return replace(problem, where=replace(problem.where, file=Location.at(file).file))

        try:
            examined = Project.open(stage, vars=given).examined
        except RecipeError as error:
            raise RecipeError([placed(each) for each in error.problems]) from None
        return examined._replace(problems=[placed(each) for each in examined.problems])
