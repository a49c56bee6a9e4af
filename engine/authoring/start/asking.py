"""What a recipe for data is to say, asked of whoever knows it: columns, task, teacher, name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.authoring.start import placing
from engine.authoring.start.choosing import inputs, kinds, targets, turns_in, unknown_column
from engine.authoring.start.columns import Column
from engine.authoring.start.finding import split_of
from engine.authoring.start.looking import Looked
from engine.authoring.start.questions import Answers, GoBack, Question
from engine.authoring.start.settling import Settled, settle
from engine.authoring.start.teachers import AskedTeacher, Teacher, teacher
from engine.authoring.start.writing import Draft
from engine.data.labels import folded, visible
from engine.errors import EngineError
from engine.tasks import TASKS

_FOLDS = {
    "case": "capital and small letters: Refund, refund",
    "space": "blanks around and between words",
    "unicode": "letters that look alike and are encoded in different ways",
}
_NO_FOLD = "none"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    files: Sequence[str] = ()
    splits: Mapping[str, str] = field(default_factory=dict)
    """Split -> file, by flags."""
    task: str | None = None
    input: Sequence[str] = ()
    target: str | None = None
    fold: Sequence[str] = ()
    """What makes no difference between labels; `none` for nothing."""
    name: str | None = None
    description: str | None = None
    to: Path = Path()
    format: Sequence[str] = ()
    teacher: AskedTeacher = field(default_factory=AskedTeacher)


def answered(asked: Asked, looked: Mapping[str, Looked], answers: Answers) -> Draft:
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
    settled = settle(kind, train, seen, target)
    return _folded(asked, settled, train, answers) if settled.fold else settled


def _folded(asked: Asked, settled: Settled, train: Looked, answers: Answers) -> Settled:
    """Return the task with the spellings of labels read as one that whoever is asked says are one."""
    question = Question(
        "--fold-labels",
        "Some labels differ in their spelling alone. What makes no difference between labels?",
        tuple(settled.fold),
        (*_FOLDS, _NO_FOLD),
        (*_FOLDS.values(), "each spelling is a label of its own"),
        several=True,
    )
    given = [part for each in asked.fold for part in each.split(",")]
    fold = [each for each in answers.optional_several(question, given) if each != _NO_FOLD]
    if set(fold) == set(settled.fold):
        return settled
    return settle(settled.kind, train, settled.input, settled.target, fold)


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
