"""Rows as a task kind wants them: what a source's values must be, and the form in which everything after sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.spec.row_checks import GOLDS, RowRules, golds, row_check
from engine.sql.expressions import Fault
from engine.tasks.protocol import TaskKind

_HINT = "correct the row, or leave such rows out: `on_bad_row: drop`"
_RENAME = f"give the data's another name: `rename: {{given_{GOLDS}: {GOLDS}}}`"
_NARROW = "narrow the pattern of privacy.redact, or leave such rows out: `on_bad_row: drop`"


def rules_of(
    kind: TaskKind, params: Mapping[str, Any], inputs: Sequence[str], target: str
) -> RowRules:
    """Return what the rows of a task must be.

    Args:
        kind: The task's kind.
        params: Its parameters, as the recipe writes them; they must be valid.
        inputs: Columns the student sees.
        target: Column with the right answer.
    """
    settings = kind.params.model_validate(params)
    plain = row_check(inputs, target, kind.labelled, kind.nested(settings, target))

    def check(values: dict[str, Any]) -> Fault | None:
        if GOLDS in values:
            return Fault(
                f"the column '{GOLDS}' would hide the answers that are kept there", _RENAME
            )
        if fault := plain(values):
            return fault
        try:
            for column in inputs:
                values[column] = kind.shown(column, values[column], settings)
            reference = kind.reference({c: values[c] for c in inputs}, values[target], settings)
        except ValueError as problem:
            return Fault(str(problem), _HINT)
        values[target] = reference.target
        if reference.references != (reference.target,):
            values[GOLDS] = list(reference.references)
        return None

    if not kind.labelled:
        return RowRules(check, None, _still(kind, settings, inputs, target))
    return RowRules(check, lambda labels: kind.labels_in(labels, settings))


def _still(
    kind: TaskKind, settings: Any, inputs: Sequence[str], target: str
) -> Callable[[Mapping[str, Any]], Fault | None]:
    """Return what says whether a row that redaction changed still holds its answer."""

    def still(values: Mapping[str, Any]) -> Fault | None:
        shown = {column: str(values[column]) for column in inputs}
        try:
            for answer in dict.fromkeys((values[target], *golds(values, target))):
                kind.reference(shown, answer, settings)
        except ValueError:
            # The reason would quote the answer, and with it what was taken out of the inputs.
            return Fault(
                "after privacy.redact the row's inputs do not fit its answer any more", _NARROW
            )
        return None

    return still
