"""What an operator's prompt looks like without a recipe: rendered with its own example."""

from __future__ import annotations

from engine.operators.interpreter import brings_target
from engine.operators.operator import TARGET, Assignment, Operator, RowSpec
from engine.rows import Example
from engine.tasks import TASKS


def demonstration(operator: Operator, columns: tuple[str, ...] = ("text",)) -> Assignment:
    """Return an assignment of one row, made of the operator's example, or of words that say what they stand for.

    Args:
        operator: The operator.
        columns: The task's input columns, where the example does not tell.
    """
    shown = operator.definition.example
    kind = TASKS[shown.kind if shown else min(operator.kinds)]
    labelled = kind.labelled
    placeholder = {**{column: f"a row's {column}" for column in columns}, TARGET: "its target"}
    before = _row("seed", (shown.before or shown.after) if shown else placeholder)
    after = _row("other", shown.after if shown else {**placeholder, TARGET: "another target"})
    brings = brings_target(operator, labelled=labelled)
    target = before.target if operator.label == "keep" else after.target
    vary = {name: values[0] for name, values in operator.varied(operator.params()).items()}
    # The operator's own row stands where rows are asked for, and nowhere else.
    another = _row(
        "another", {**dict.fromkeys(before.inputs, "(another training row)"), TARGET: target}
    )
    return Assignment(
        rows=[RowSpec("r1", before, None if brings else target, keep="", vary=vary)],
        examples=[another],
        task="(What the task is, in words: its kind, its columns, its labels.)",
        labelled=labelled,
        kind=kind.name,
        derived=kind.derived,
        pattern="(the failure pattern's name)",
        about="(What it is.)",
        includes=["(what falls under it)"],
        excludes=["(what does not)"],
        strategy="(What rows would cure it.)",
        must=["(what rows must have)"],
        must_not=["(what they must not)"],
        accepted=[],
        rejected=[],
    )


def _row(name: str, parts: dict[str, str]) -> Example:
    inputs = {column: text for column, text in parts.items() if column != TARGET}
    return Example(name, "train", inputs, parts.get(TARGET, ""), {}, "", 1)
