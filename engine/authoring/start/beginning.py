"""From data to a recipe that validates: looked at, asked about, checked, and written beside a `pada.yaml`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.authoring.start import placing
from engine.authoring.start.choosing import inputs, kinds, targets, turns_in, unknown_column
from engine.authoring.start.columns import Column
from engine.authoring.start.finding import places, split_of
from engine.authoring.start.looking import Looked, form_of, look
from engine.authoring.start.questions import Answers, GoBack, Question
from engine.authoring.start.settling import Settled, settle
from engine.authoring.start.splitting import sampled, taken
from engine.authoring.start.teachers import AskedTeacher, Teacher, teacher
from engine.authoring.start.writing import Draft, recipe_text
from engine.data.labels import folded, visible
from engine.errors import EngineError, Location, Problem, RecipeError
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    files: Sequence[str] = ()
    splits: Mapping[str, str] = field(default_factory=dict)
    """Split -> file, by flags."""
    task: str | None = None
    input: Sequence[str] = ()
    target: str | None = None
    name: str | None = None
    description: str | None = None
    to: Path = Path()
    format: Sequence[str] = ()
    teacher: AskedTeacher = field(default_factory=AskedTeacher)


class Begun(NamedTuple):
    """What was written."""

    files: Sequence[Path]
    """The recipe first."""
    given: Mapping[str, str]
    """Vars that every command has to name, for data outside of the project."""
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
    draft = _answered(asked, looked, answers)
    answers.require_all()
    root = placing.project_root(folder, found.values())
    project = placing.project_text(root, draft.name)
    with placing.made(folder), placing.added(root / PROJECT, project):
        sources = placing.sources(found, folder, root)
        draft = _with_data(draft, looked, sources)
        draft = replace(draft, recipe=placing.command("validate", file, sources.given))
        draft, warnings = _checked(draft, file, sources.given)
        for line in _told(draft, found):
            say(f"  {line}")
        placing.write_all({file: recipe_text(draft)})
    files = [file, *([root / PROJECT] if project else [])]
    return Begun(files, sources.given, warnings)


def _answered(asked: Asked, looked: Mapping[str, Looked], answers: Answers) -> Draft:
    """Return what the answers come to; who goes back is asked again from the question before."""
    while True:
        answers.begin_anew()
        try:
            settled = _task(asked, looked["train"], answers)
            for split, each in looked.items():
                _check_columns(split, each, settled)
            return _draft(asked, looked, settled, teacher(answers, asked.teacher), answers)
        except GoBack:
            continue


def _listed(given: Sequence[str], columns: Collection[str]) -> list[str]:
    """Return the columns that `--input` names: of one that is none, those between its commas."""
    parted = ([name] if name in columns else name.split(",") for name in given)
    return list(dict.fromkeys(name.strip() for part in parted for name in part if name.strip()))


def _numbers(columns: Iterable[str], names: Collection[str]) -> tuple[int, ...]:
    return tuple(number for number, name in enumerate(columns, start=1) if name in names)


def _check_columns(split: str, looked: Looked, settled: Settled) -> None:
    """Raise EngineError where a file lacks columns that the training rows have."""
    needed = [*settled.input, *([settled.target] if split != "pool" else [])]
    made = {*settled.columns, *TASKS[settled.kind].found(settled.target)}
    lacking = [name for name in needed if name not in looked.columns and name not in made]
    if not lacking:
        return
    names = ", ".join(looked.columns)
    why, hint = "", f"give the columns the same names in all files; here they are {names}"
    if lacking == [settled.target]:
        why = ": without answers nothing can be scored on it"
        hint = f"leave it out: {split} rows are taken out of the training rows then; or --pool {looked.place}"
    message = f"{looked.place} has no column '{lacking[0]}', which the training rows have{why}"
    raise EngineError(message, hint)


def _task(asked: Asked, train: Looked, answers: Answers) -> Settled:
    """Return the task: what was said of it, or asked."""
    columns = train.columns
    asked = replace(asked, input=_listed(asked.input, columns))
    if asked.task is not None and asked.task not in TASKS:
        raise EngineError(*TASKS.unknown(asked.task))
    log = turns_in(columns)
    if asked.task == "chat" or (asked.task is None and log is not None and asked.target is None):
        return settle("chat", train, list(asked.input) or [log or ""], asked.target or "")
    for name in (*asked.input, *([asked.target] if asked.target else [])):
        if name not in columns:
            raise EngineError(
                f"{train.place} has no column '{name}'", unknown_column(name, columns)
            )
    if asked.target in asked.input:
        raise EngineError(
            f"'{asked.target}' is the right answer, so the model cannot see it",
            "name another --input or --target",
        )
    if len(columns) < 2:
        raise EngineError(
            f"{train.place} has one column, '{next(iter(columns))}': a recipe needs texts and the right answer to each",
            "add a column with the answers; texts without answers can be a pool: pada init LABELLED_FILE --pool "
            'THIS_FILE; if it has more columns, say what parts them: --format delimiter=";"',
        )
    target = _target(asked, train, answers)
    proposed = inputs(columns, target)
    others = tuple(name for name in columns if name != target)
    question = Question(
        "--input",
        "Which columns does the model see?",
        tuple(proposed),
        others,
        _about(columns, others),
        several=True,
        numbers=_numbers(columns, others),
    )
    seen = answers.several(question, asked.input)
    fitting = kinds(train, seen, target)
    kind = asked.task
    if kind is None:
        kind = fitting[0]
        if len(fitting) > 1:
            told = tuple(TASKS[each].sentence for each in fitting)
            question = Question("--task", "What is the task?", (kind,), tuple(fitting), told)
            kind = answers.one(question, None)
    return settle(kind, train, seen, target)


def _target(asked: Asked, train: Looked, answers: Answers) -> str:
    columns = train.columns
    likely = [name for name in targets(train) if name not in asked.input]
    choices = tuple(name for name in columns if name not in asked.input)
    question = Question(
        "--target",
        "Which column has the right answer?",
        tuple(likely[:1]),
        choices,
        _about(columns, choices),
        numbers=_numbers(columns, choices),
    )
    return answers.one(question, asked.target)


def _about(columns: Mapping[str, Column], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_in_words(columns[name]) for name in names)


def _in_words(column: Column) -> str:
    """Return a column in a few words."""
    if not column.values:
        return "empty"
    if column.distinct == 1:
        return "the same in each row"
    if column.is_label:
        few = sorted(Counter(map(str, column.values)).items(), key=lambda one: (-one[1], one[0]))
        shown = ", ".join(_short(label) for label, _ in few[:3])
        return f"{column.distinct} values: {shown}" + (", …" if column.distinct > 3 else "")
    if column.is_date:
        return "dates"
    if column.is_id:
        return "different in each row"
    first = _short(str(column.values[0]))
    return f"{'numbers' if column.are_numbers else column.shape}, such as: {first}"


def _short(text: str) -> str:
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= 32 else f"{shown[:31]}…"


def _draft(
    asked: Asked,
    looked: Mapping[str, Looked],
    settled: Settled,
    of_teacher: Teacher,
    answers: Answers,
) -> Draft:
    train = looked["train"]
    proposal = placing.recipe_name(_called(asked, train.place))
    name = answers.optional(
        Question("--name", "How is the recipe called?", (proposal,)), asked.name
    )
    about = f"Rows of {train.place.rsplit('/', 1)[-1]}; the right answer is in the column '{settled.target}'."
    if settled.kind == "chat":
        about = (
            f"Conversations of {train.place.rsplit('/', 1)[-1]}; the last turn is the right answer."
        )
    question = "In a sentence, for the teacher: what are the rows, and what does the answer mean?"
    description = answers.optional(Question("--description", question, (about,)), asked.description)
    return Draft(
        name=placing.recipe_name(name),
        version=placing.VERSION,
        description=" ".join(description.split()),
        task=settled,
        splits={},
        teacher=of_teacher,
        about=[each.said for each in looked.values()],
        label_rows=_label_rows(settled),
        trained=len(train.rows) - settled.left_out,
        longest=_longest(looked, settled),
    )


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


def _called(asked: Asked, place: str) -> str:
    """Return what a recipe is called after: its data, or the folder where that is called after a split."""
    stem = place.rstrip("/").rsplit("/", 1)[-1].partition(".")[0]
    if split_of(stem) is None:
        return stem
    return asked.to.absolute().name if asked.to != Path() else Path(place).absolute().parent.name


def _label_rows(settled: Settled) -> Mapping[str, int]:
    kind = TASKS[settled.kind]
    if not kind.labelled:
        return {}
    params = kind.params.model_validate(dict(settled.params))
    names = {folded(label, settled.fold): label for label in settled.labels}
    labels = (label for answer in settled.answers for label in kind.labels_in(answer, params))
    return Counter(names.get(folded(label, settled.fold), label) for label in labels)


def _longest(looked: Mapping[str, Looked], settled: Settled) -> int:
    answer = max(map(len, settled.answers), default=0)
    rows = (row for each in looked.values() for row in each.rows)
    return answer + max(
        (sum(len(str(row.get(n, ""))) for n in settled.input) for row in rows), default=0
    )


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
