"""adherence: does a row do what its plan asks for? Asked apart, and only where a recipe rejects by it.

The plan of a row says what its writer wanted, and a judge who knows it judges the answer by it: so it is shown in calls
of its own, of rows that would be accepted otherwise, once their answers are judged. Rewordings follow no plan, and rows
against no pattern have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.backends.protocol import Request
from engine.rows import Candidate, Row
from engine.stages import schemas
from engine.stages.analyse.mistakes import label_text
from engine.stages.analyse.targets import binding
from engine.stages.augment.planning import KIND, NEAR, is_contrast
from engine.stages.blocks import cut, row_block
from engine.stages.numbered import by_id, calls_of, drops, ids
from engine.stages.outputs import Drafted, NamedPatterns
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView

PROMPT = "adherence.md"
VARIABLES = frozenset({"rows", "plans"})
KEY = "rows"
LONGEST_TARGET = 2000
"""Characters of a target that a prompt shows."""


class Asked(NamedTuple):
    """What came of asking about one candidate."""

    call: str
    adherence: int | None
    """1 to 5; None where the reply says nothing usable of it."""


def adherences(
    task: TaskView,
    schema: schemas.Schema,
    rows_per_call: int,
    candidates: Sequence[Candidate],
    name: NamedPatterns,
    strategy: Drafted,
    ctx: Context,
) -> tuple[Mapping[str, Asked], list[Row]]:
    """Return how far each candidate does what its plan asks for, and drops for what replies leave out."""
    if not candidates:
        return {}, []
    prompt = ctx.prompt(PROMPT)
    names = {p.id: p.name for p in name.patterns}
    strategies = {s.id: s for s in strategy.strategies}
    groups = calls_of(candidates, [[c.inputs, c.target] for c in candidates], rows_per_call)

    def request(group: Sequence[Candidate]) -> Request:
        plans = list(dict.fromkeys((c.pattern, c.strategy) for c in group))
        labels = {label for c in group for label in _labels(task, c)}
        variables = {
            "rows": [
                {
                    "id": number,
                    "columns": row_block(c.inputs),
                    "answer": row_block({task.target: cut(c.target, LONGEST_TARGET)}, "data"),
                    "near": label_text(task, c.attributes[NEAR]) if NEAR in c.attributes else "",
                    "kind": c.attributes.get(KIND, ""),
                    "contrast": is_contrast(c),
                    "plan": plans.index((c.pattern, c.strategy)) + 1,
                }
                for number, c in zip(ids(len(group)), group, strict=True)
            ],
            "plans": [
                {
                    "number": number,
                    "pattern": names.get(pattern, ""),
                    "text": strategies[plan].text,
                    "contrast": strategies[plan].contrast
                    if any(is_contrast(c) for c in group if c.strategy == plan)
                    else "",
                    "kinds": [
                        kind
                        for kind in strategies[plan].kinds
                        if any(
                            c.attributes.get(KIND) == kind["name"]
                            for c in group
                            if c.strategy == plan
                        )
                    ],
                    **{
                        which: binding(rules, strategies[plan].rule_labels.get(which, {}), labels)
                        for which, rules in (
                            ("must", strategies[plan].must),
                            ("must_not", strategies[plan].must_not),
                        )
                    },
                }
                for number, (pattern, plan) in enumerate(plans, 1)
            ],
        }
        asked = schemas.per_row(schema, KEY, len(group))
        return ctx.request("judge", prompt, variables, asked)

    found: dict[str, Asked] = {}
    dropped: list[Row] = []
    for group, reply in zip(groups, ctx.ask("judge", map(request, groups)), strict=True):
        # A call that says nothing usable was paid for, too.
        found |= {c.id: Asked(reply.request, None) for c in group}
        if reply.value is None:
            continue
        shown = dict(zip(ids(len(group)), group, strict=True))
        said = by_id(reply.value, KEY, list(shown))
        for number, item in said.items.items():
            found[shown[number].id] = Asked(reply.request, item["adherence"])
        named = {number: c.id for number, c in shown.items()}
        dropped += drops("judge", said, named, reply.request, "the reply about adherence")
    return found, dropped


def _labels(task: TaskView, candidate: Candidate) -> Sequence[str]:
    return task.entry.labels_in(candidate.target, task.settings) if task.labelled else ()
