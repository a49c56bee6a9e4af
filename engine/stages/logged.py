"""logged: the rows of a log of production traffic, what was said to them, and which of that was wrong.

An output is a failure where the right answer is known and the recipe's `failure` holds, or where a user rejected it.
Rows that resemble test rows are left out as candidates would be, so that nothing is written against what is measured.
Reads the rows of the splits; takes the log's own out of its `Log`. Writes `Example`, `Prediction`, `Score` and
`Failure` rows of the split `logged`, and a `Drop` for every row that is left out or was changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.data.logged import OUTPUT, THUMB_DOWN, Log
from engine.data.records import Record, references_of
from engine.errors import RunError
from engine.identity import outside
from engine.rows import Drop, Example, Failure, Prediction, Row
from engine.rows.reasons import Dropped
from engine.spec.recipe import LeakLimits
from engine.sql import evaluate_condition
from engine.stages.evaluate.measure import Measures
from engine.stages.evaluate.score import scored
from engine.stages.load import ReadRows, SplitSource, example_id
from engine.stages.outputs import Loaded, Logged
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView
from engine.tasks.protocol import readable

R = TypeVar("R", bound=Row)
REJECTED = "thumb_down"
"""Predicate of a failure whose right answer nobody knows."""


@dataclass(frozen=True, kw_only=True)
class LoggedParams(Measures, ReadRows):
    """Which rows, and what counts as a failure."""

    source: SplitSource
    log: Log = outside()
    """The rows that these parameters decide."""
    failure: str
    """SQL condition on a row's columns, its `prediction` and its scores."""
    guard: LeakLimits
    alone: bool = False
    """Whether no other failures are looked at, so that a log without any ends the run."""


@dataclass(frozen=True)
class LoggedInputs(Inputs):
    """The rows of the splits."""

    load: Loaded


def logged(params: LoggedParams, inputs: LoggedInputs, ctx: Context) -> Logged:
    """Return the rows of the log; raises RunError where none of them fails and nothing else is looked at."""
    rows: list[Row] = []
    pairs = list(_used(params, inputs.load, ctx, rows))
    rows.extend(example for example, _ in pairs)
    rows.extend(prediction for _, prediction in pairs)
    answered = [(e, p) for e, p in pairs if e.target]
    answers = scored(params, answered, {}, rows)
    holds = evaluate_condition(params.failure, answers.records) if answered else []
    wrong = {e.id for (e, _), fails in zip(answered, holds, strict=True) if fails}
    for example, prediction in pairs:
        if example.id in wrong or not example.target:
            predicate = params.failure if example.id in wrong else REJECTED
            rows.append(Failure(example.id, "logged", prediction.answer, example.target, predicate))
    output = Logged(tuple(rows))
    if params.alone and not output.failures:
        raise RunError(
            f"none of the {params.log.count} rows of the log {params.source.name} is a failure",
            f"a failure is a row for which `{params.failure}` holds, or with `{THUMB_DOWN}` and no right answer; "
            "`failures: {source: [validation, logged]}` looks at validation too",
        )
    return output


def _used(
    params: LoggedParams, load: Loaded, ctx: Context, rows: list[Row]
) -> Iterator[tuple[Example, Prediction]]:
    """Yield the rows that are used with what was said to them; why others are not joins `rows`."""
    rows.extend(Drop("logged", "", "bad-row", detail) for detail in params.log.bad)
    task, kind = params.task.task(load.examples), params.task.entry
    spelled = params.spelling(task.labels)
    labels = frozenset(task.labels) if params.task.labelled else None
    found: dict[str, tuple[Example, Prediction]] = {}
    validation = {params.task.text_of(e.inputs) for e in load.split("validation")}
    for record in params.log.take():
        example = _example(record, params, spelled)
        said = str(record.values[OUTPUT])
        answer = kind.read(readable(said), example.inputs, task)
        reason: tuple[Dropped, str] | tuple[()] = ("duplicate", "repeats an earlier row")
        if example.id not in found:
            if params.task.text_of(example.inputs) in validation:
                reason = "duplicate", "stands in validation"
            else:
                reason = _unusable(params.task, labels, record, example, answer)
        if reason:
            detail = f"{example.source}:{example.line} {reason[1]}"
            rows.append(Drop("logged", example.id, reason[0], detail))
            continue
        found[example.id] = (
            example,
            Prediction(
                example.id,
                "logged",
                said,
                answer,
                "unparsable" if answer is None else "ok",
                None,
                "logged",
            ),
        )
        if record.redacted:
            detail = f"in {', '.join(record.redacted)}"
            rows.append(Drop("logged", example.id, "redacted", detail))
    # Against test rows alone: validation rows are analysed too.
    others = [e for e in load.examples if e.split != "validation"]
    guard = ctx.leak_guard(params.task.entry, others, params.guard.ngram, params.guard.quantile)
    leaks = guard.check([params.task.text_of(example.inputs) for example, _ in found.values()])
    for (example, prediction), leak in zip(found.values(), leaks, strict=True):
        leak = leak or guard.check_turns(example.inputs)
        if leak is None:
            yield example, prediction
        else:
            rows.append(Drop("logged", example.id, "leak", leak))


def _unusable(
    task: TaskView,
    labels: frozenset[str] | None,
    record: Record,
    example: Example,
    answer: str | None,
) -> tuple[Dropped, str] | tuple[()]:
    """Return why nothing is known of a row, as the reason and the words of a drop; nothing where something is."""
    rejected = record.values.get(THUMB_DOWN) is True
    if not example.target:
        return () if rejected else ("no_verdict", "has neither a right answer nor a thumb down")
    if labels is not None and not labels.issuperset(
        task.entry.labels_in(example.target, task.settings)
    ):
        return "unknown_label", "its right answer is not a label of the task"
    if rejected and answer in example.references:
        return "contradiction", "its output was rejected, and is the right answer"
    return ()


def _example(record: Record, params: LoggedParams, spelled: Callable[[str], str]) -> Example:
    """Return a row of the log; `spelled`: a target -> the same with its labels as the task spells them."""
    target = params.task.target
    inputs = {column: str(record.values[column]) for column in params.input}
    right = record.values.get(target)
    answer = "" if right in (None, "") else spelled(str(right))
    return Example(
        id=example_id(inputs, answer),
        split="logged",
        inputs=inputs,
        target=answer,
        columns={
            column: value
            for column, value in record.values.items()
            if column not in inputs and column not in (target, OUTPUT)
        },
        source=record.file or params.source.name,
        line=record.line,
        references=(
            () if not answer else (answer,) if params.fold_labels else references_of(record, target)
        ),
    )


def _accounts(params: LoggedParams, inputs: LoggedInputs, output: Logged) -> Iterable[Account]:
    # A bad row was never among those of the log, and one that is redacted stays.
    left_out = [d for d in output.drops if d.reason not in ("bad-row", "redacted")]
    yield Account("rows of the log", params.log.count, len(output.examples), len(left_out))


def failures_by_example(
    found: Sequence[Failure], log: Logged | None, round: int
) -> dict[str, Failure]:
    """Return failures by example: those of a log too, where there is one; of both, the one that was diagnosed."""
    return {f.example: f for f in by_precedence(found, log.failures if log else (), round)}


def by_precedence(own: Sequence[R], log: Sequence[R], round: int) -> tuple[R, ...]:
    """Return what a round's student and a log have of rows, that which counts last.

    The first round looks at what was logged; later ones at what their student, who was asked again, said.
    """
    return (*own, *log) if round <= 0 else (*log, *own)


LOGGED = Stage(
    "logged", 3, LoggedParams, LoggedInputs, Logged, logged,
    description="Reads a log of real use: what was asked and answered, and which answers were wrong.",
    asks=("embedder",), embeds="train, test and logged rows ({inputs})", accounts=_accounts,
)  # fmt: skip
