"""Rows as a task kind wants them: what a source's values must be, and the form in which everything after sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.spec.row_checks import GOLDS, RowRules, row_check
from engine.sql.expressions import Fault
from engine.tasks.protocol import TaskKind

_HINT = "correct the row, or leave such rows out: `on_bad_row: drop`"
_GOLDS = "it holds what is right beside the target"
_OTHERWISE = f"call it otherwise: `rename: {{answers: {GOLDS}}}`; a target may be a list of answers"


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
    several = bool(getattr(settings, "many", False))
    plain = row_check(inputs, target, kind.labelled, kind.nested(settings, target))

    def check(values: dict[str, Any]) -> Fault | None:
        if GOLDS in values:
            return Fault(f"the column '{GOLDS}' is the engine's: {_GOLDS}", _OTHERWISE)
        if fault := plain(values):
            return fault
        try:
            for column in inputs:
                values[column] = kind.shown(column, values[column], settings)
            gold = kind.gold({c: values[c] for c in inputs}, values[target], settings)
        except ValueError as problem:
            return Fault(str(problem), _HINT)
        values[target] = gold.target
        if gold.golds != (gold.target,):
            values[GOLDS] = list(gold.golds)
        return None

    if not kind.labelled:
        return RowRules(check, None)
    return RowRules(check, json.loads if several else _one)


def _one(target: str) -> Sequence[str]:
    return (target,)
