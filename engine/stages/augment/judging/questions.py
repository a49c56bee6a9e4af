"""questions: what the judge is asked of several rows in one call.

Of each row it is shown the columns and the proposed answer, and nothing of how the row came about. A plan, a parent or
a hint would set candidates apart from the training rows by which it is calibrated, which have none; and what it is
found to be worth on these must hold for those. A small judge, which takes over the form of its worked example, is shown
a strategy too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from engine.backends.protocol import Request
from engine.identity import Params
from engine.operators.definition import Label
from engine.rows import Example
from engine.stages import schemas
from engine.stages.augment.nearest import NearestLabels, NearRows
from engine.stages.blocks import Briefing, Told, cut, row_block, shown_row
from engine.stages.numbered import ids
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView

PROMPT = "judge.md"
KEY = "rows"
VARIABLES = frozenset({"task", "rows", "chosen", "labelled"})
NEAREST = 2
"""Labels besides a row's own that are defined: those that it could be taken for."""
LONGEST_TARGET = 2000
"""Characters of a target that a prompt shows."""


@dataclass(frozen=True, kw_only=True)
class Promise(Params):
    """What an operator promises of its rows."""

    name: str
    label: Label | Literal["found"]
    """Whether its rows keep their seed row's target, carry another one, or bring their own; found: they were written by
    nobody here."""

    @property
    def keeps(self) -> bool:
        """Whether its rows keep their seed row's target: then they follow that row and no strategy."""
        return self.label == "keep"

    @property
    def follows_plan(self) -> bool:
        """Whether its rows were written by a strategy, and may be held to it."""
        return self.label not in ("keep", "found")


class Item(NamedTuple):
    """One row that the judge is asked about."""

    key: str
    """What it is known by among the items of a node."""
    row: str
    """Id of the candidate, or of an anchor's example."""
    anchor: bool
    inputs: Mapping[str, str]
    target: str
    strategy: str
    """What it was written by; of an anchor, one that fits the answer that it is shown with."""


class Writer:
    """Turns calls into requests: what is the same for all of them is made once."""

    def __init__(
        self,
        task: TaskView,
        briefing: Briefing,
        schema: schemas.Schema,
        examples: Sequence[Example],
        conventions: Sequence[str],
        ctx: Context,
    ) -> None:
        """Take the task, the base of the reply's schema, rows that stand for labels, and rules of annotation."""
        self._conventions = conventions
        self._task, self._briefing, self._base, self._ctx = task, briefing, schema, ctx
        self._train = [e for e in examples if e.split == "train"]
        self._told = Told(task, briefing, self._train, conventions)
        self._labels = NearestLabels(task, self._train, ctx)
        self._ahead: dict[str, list[str]] = {}
        """Item -> labels near it, where very many are asked about."""
        self._prompt = ctx.prompt(PROMPT)
        view = task.task(examples)
        self._parts: dict[str, schemas.Schema] = {}
        if task.entry.chosen(task.settings):
            longest = schemas.longest_text(e.target for e in self._train)
            self._parts = {"own_answer": schemas.or_none(task.entry.blind_schema(view, longest))}
        self._schemas: dict[int, schemas.Schema] = {}

    def __call__(self, items: Sequence[Item]) -> Request:
        """Return the request about the rows of one call."""
        count = len(items)
        if count not in self._schemas:
            self._schemas[count] = schemas.per_row(self._base, KEY, count, self._parts)
        variables: dict[str, Any] = {
            "rows": [
                {
                    "id": name,
                    "columns": row_block(item.inputs),
                    "inputs": shown_row(item.inputs),
                    "target": cut(item.target, LONGEST_TARGET),
                    "answer": row_block({self._task.target: item.target}, "data"),
                    # Of several rows in a call the plans would tell anchors from candidates.
                    **({} if KEY in self._base["properties"] else {"strategy": item.strategy}),
                }
                for name, item in zip(ids(count), items, strict=True)
            ],
            "task": "",
            "chosen": self._task.entry.chosen(self._task.settings),
            "labelled": self._task.labelled,
        }
        if "task" in self._prompt.variables:
            anchors = {item.row for item in items if item.anchor}
            told = self._told
            if anchors:
                rows = self._without(anchors)
                told = Told(self._task, self._briefing, rows, self._conventions)
            near = self._near.around([item.inputs for item in items], anchors)
            variables["task"] = told(self._relevant(items), near)
        return self._ctx.request("judge", self._prompt, variables, self._schemas[count])

    def look_ahead(self, items: Sequence[Item]) -> None:
        """Compare all that will be asked about with the training rows, many at a time."""
        if not (self._task.labelled and "task" in self._prompt.variables):
            return
        own = max(len(self._own(item)) for item in items)
        near = self._labels.of_many((item.inputs for item in items), own + NEAREST)
        self._ahead = {item.key: labels for item, labels in zip(items, near, strict=True)}

    def _own(self, item: Item) -> Sequence[str]:
        return self._task.entry.labels_in(item.target, self._task.settings)

    @cached_property
    def _near(self) -> NearRows:
        return NearRows(self._task, self._train, self._ctx)

    def _without(self, anchors: Collection[str]) -> list[Example]:
        """Return the training rows that may stand for labels: no anchor of the call, which would give it away."""
        others = [e for e in self._train if e.id not in anchors]
        bare = set(self._task.labels_among(self._train)) - set(self._task.labels_among(others))
        # A label that has no other row is shown by it all the same: else it would be unknown.
        return [
            e
            for e in self._train
            if e.id not in anchors
            or not bare.isdisjoint(self._task.entry.labels_in(e.target, self._task.settings))
        ]

    def _relevant(self, items: Sequence[Item]) -> Sequence[str]:
        """Return the labels that are defined: each row's own and those that it could be taken for, in order."""
        if not self._task.labelled:
            return ()
        near = (
            [self._ahead[item.key] for item in items]
            if self._ahead
            else self._labels.of([item.inputs for item in items])
        )
        wanted: set[str] = set()
        for item, labels in zip(items, near, strict=True):
            own = self._own(item)
            others = [label for label in labels if label not in own]
            wanted |= {*own, *others[:NEAREST]}
        return sorted(wanted)
