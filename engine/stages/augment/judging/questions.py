"""questions: what the judge is asked of several rows in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.backends.protocol import Request
from engine.identity import Params
from engine.operators.definition import Label
from engine.rows import Example
from engine.stages import schemas
from engine.stages.augment.nearest import nearest_labels
from engine.stages.blocks import Briefing, cut, row_block, task_block
from engine.stages.numbered import ids
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView

PROMPT = "judge.md"
KEY = "rows"
VARIABLES = frozenset({"task", "rows", "strategies", "chosen"})
NEAREST = 2
"""Labels besides a row's own that are defined: those that it could be taken for."""
LONGEST_TARGET = 2000
"""Characters of a target that a prompt shows."""

PROMISES: Mapping[str, str] = {
    "keep": "Reword another row: other words, the same meaning, the same answer.",
    "change": "Write a row for which this answer is right.",
    "given": "Write a new row for this answer, in a situation of its own.",
    "written": "Write a row and its right answer.",
}
"""Label of an operator -> what its writer had to do."""


@dataclass(frozen=True, kw_only=True)
class Promise(Params):
    """What an operator promises of its rows."""

    name: str
    label: Label
    """Whether its rows keep their seed row's target, carry another one, or bring their own."""

    @property
    def keeps(self) -> bool:
        """Whether its rows keep their seed row's target: then they follow that row and no strategy."""
        return self.label == "keep"

    @property
    def text(self) -> str:
        """The promise in words, for the judge."""
        return PROMISES[self.label]


class Item(NamedTuple):
    """One row that the judge is asked about."""

    key: str
    """What it is known by among the items of a node."""
    row: str
    """Id of the candidate, or of an anchor's example."""
    anchor: bool
    inputs: Mapping[str, str]
    target: str
    pattern: str
    strategy: str
    promise: Promise
    parent: Mapping[str, str] | None
    """The inputs of the row that it rewords."""
    advice: tuple[str, ...]
    """What gates that only advise found."""


class Writer:
    """Turns calls into requests: what is the same for all of them is made once."""

    def __init__(
        self,
        task: TaskView,
        briefing: Briefing,
        schema: schemas.Schema,
        examples: Sequence[Example],
        ctx: Context,
    ) -> None:
        """Take the task, the base of the reply's schema, and the rows among which labels have their examples."""
        self._task, self._briefing, self._base, self._ctx = task, briefing, schema, ctx
        self._train = [e for e in examples if e.split == "train"]
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
        plans = list(dict.fromkeys((item.pattern, item.strategy) for item in items))
        variables: dict[str, Any] = {
            "rows": [
                {
                    "id": name,
                    "columns": row_block(item.inputs),
                    "inputs": dict(item.inputs),
                    "target": cut(item.target, LONGEST_TARGET),
                    "answer": row_block({self._task.target: item.target}, "data"),
                    "plan": plans.index((item.pattern, item.strategy)) + 1,
                    "promise": item.promise.text,
                    "keeps": item.promise.keeps,
                    "parent": "" if item.parent is None else row_block(item.parent, "data"),
                    "advice": list(item.advice),
                }
                for name, item in zip(ids(count), items, strict=True)
            ],
            "strategies": [
                {"number": number, "pattern": pattern, "text": text}
                for number, (pattern, text) in enumerate(plans, start=1)
            ],
            "task": "",
            "chosen": self._task.entry.chosen(self._task.settings),
        }
        if "task" in self._prompt.variables:
            variables["task"] = task_block(
                self._task, self._briefing, self._without(items), self._relevant(items)
            )
        return self._ctx.request("judge", self._prompt, variables, self._schemas[count])

    def _without(self, items: Sequence[Item]) -> list[Example]:
        """Return the training rows that may stand for labels: no anchor of the call, which would give it away."""
        anchors = {item.row for item in items if item.anchor}
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
        near = nearest_labels(self._task, self._train, [item.inputs for item in items], self._ctx)
        wanted: set[str] = set()
        for item, labels in zip(items, near, strict=True):
            own = self._task.entry.labels_in(item.target, self._task.settings)
            others = [label for label in labels if label not in own]
            wanted |= {*own, *others[:NEAREST]}
        return sorted(wanted)
