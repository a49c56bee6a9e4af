"""Assignments without a run: of an operator's own example, for readers, and of a recipe's columns, to try a prompt."""

from __future__ import annotations

from collections.abc import Sequence

from engine.operators.interpreter import brings_target
from engine.operators.operator import (
    TARGET,
    Assignment,
    KnownRow,
    Operator,
    OperatorParams,
    RowKind,
    RowSpec,
)
from engine.rows import Example
from engine.tasks import TASKS, TaskKind


def demonstration(operator: Operator, columns: tuple[str, ...] = ("text",)) -> Assignment:
    """Return an assignment of one row, made of the operator's example, or of words that say what they stand for.

    Args:
        operator: The operator.
        columns: The task's input columns, where the example does not tell.
    """
    shown = operator.definition.example
    kind = TASKS[shown.kind if shown else min(operator.kinds)]
    placeholder = {**{column: f"a row's {column}" for column in columns}, TARGET: "its target"}
    before = _row("seed", (shown.before or shown.after) if shown else placeholder)
    after = _row("other", shown.after if shown else {**placeholder, TARGET: "another target"})
    target = before.target if operator.label == "keep" else after.target
    # The operator's own row stands where rows are asked for, and nowhere else.
    another = _row(
        "another", {**dict.fromkeys(before.inputs, "(another training row)"), TARGET: target}
    )
    return _assignment(operator, kind, operator.params(), before, after, another)


def trial(
    operator: Operator, kind: TaskKind, params: OperatorParams, columns: Sequence[str], about: str
) -> Assignment:
    """Return an assignment of one row with every part that one may have, to see whether the prompt can be rendered.

    Args:
        operator: The operator.
        kind: The kind of the task.
        params: The operator's parameters.
        columns: The task's input columns.
        about: What the recipe says of the task.
    """
    before, after = (
        Example(f"row {target}", "train", dict.fromkeys(columns, "text"), target, {}, "", 1)
        for target in ("one", "two")
    )
    known = KnownRow(after.inputs, after.target, "too short")
    return _assignment(operator, kind, params, before, after, after)._replace(
        description=about,
        contrast="(rows of the other side)",
        kinds=[RowKind("(kind)", "(what rows of it are)")],
        accepted=[known],
        rejected=[known],
    )


def _assignment(
    operator: Operator,
    kind: TaskKind,
    params: OperatorParams,
    before: Example,
    after: Example,
    another: Example,
) -> Assignment:
    """Return an assignment of one row, to be made from one row into another; a third is shown as an example."""
    brings = brings_target(operator, labelled=kind.labelled)
    target = before.target if operator.label == "keep" else after.target
    vary = {name: values[0] for name, values in operator.varied(params).items()}
    return Assignment(
        rows=[RowSpec("r1", before, None if brings else target, keep="", vary=vary)],
        examples=[another],
        task="(What the task is, in words: its kind, its columns, its labels.)",
        labelled=kind.labelled,
        kind=kind.name,
        derived=kind.derived,
        pattern="(the failure pattern's name)",
        about="(What it is.)",
        includes=["(what falls under it)"],
        excludes=["(what does not)"],
        strategy="(What rows would cure it.)",
        must=["(what rows must have)"],
        must_not=["(what they must not)"],
    )


def _row(name: str, parts: dict[str, str]) -> Example:
    inputs = {column: text for column, text in parts.items() if column != TARGET}
    return Example(name, "train", inputs, parts.get(TARGET, ""), {}, "", 1)
