"""What the writer of new rows is told: the task, the pattern and its strategy, seeds, and what came of earlier rows.

A rejected row is shown with its target and the reason, and only where rows of the same pattern and the same target are
asked for: a reason names a target, and must never order another one. A row that was rejected for its likeness to an
evaluation row is shown to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from engine.backends.protocol import Request
from engine.fingerprint import short
from engine.operators import (
    Assignment,
    KnownRow,
    brings_target,
    itemised,
    reply_schema,
    variables_of,
)
from engine.rows import Candidate, Example, Verdict
from engine.stages.augment.calls import PlannedCall
from engine.stages.blocks import Briefing, task_block
from engine.stages.outputs import Attempt
from engine.stages.protocol import Context
from engine.stages.schemas import longest_text
from engine.stages.task_view import TaskView
from engine.wording import text_of, words

SHOWN = 3
"""Most accepted and most rejected rows that a prompt shows."""
MARGIN = 2
"""Characters of a text at its bound: one that reaches them counts as cut off."""
SECRET = "leak"
"""The reason of a rejection after which a row is shown to nobody: it is like an evaluation row."""


class Prompts:
    """Turns planned calls into requests: what is the same for all calls of a node is made once."""

    def __init__(
        self,
        task: TaskView,
        briefing: Briefing,
        examples: Sequence[Example],
        shown: Sequence[Example],
        attempts: Iterable[Attempt],
    ) -> None:
        """Take the task, all rows, the training rows that may be shown, and the attempts so far."""
        self._task, self._briefing, self._shown = task, briefing, shown
        train = [e for e in examples if e.split == "train"]
        self._longest = longest_text(text for e in train for text in e.inputs.values())
        self._usual = usual_words(train)
        longest = longest_text(e.target for e in train)
        self._target_schemas = {
            several: task.entry.target_schema(task.task(examples), _bound(longest, several))
            for several in (False, True)
        }
        self._judged = [pair for attempt in attempts for pair in attempt.judged]

    def assignment(self, call: PlannedCall) -> Assignment:
        """Return what a call's writer is told."""
        pattern, strategy, task = call.pattern, call.strategy, self._task
        accepted, rejected = self._before(call)
        return Assignment(
            rows=call.rows,
            examples=call.examples,
            longest=self._longest - MARGIN,
            usual=self._usual,
            task=task_block(task, self._briefing, self._shown, self._labels(call)),
            description=task.description,
            pattern=pattern.name if pattern else "",
            about=pattern.description if pattern else "",
            includes=pattern.includes if pattern else (),
            excludes=pattern.excludes if pattern else (),
            strategy=strategy.text if strategy else "",
            must=strategy.must if strategy else (),
            must_not=strategy.must_not if strategy else (),
            accepted=accepted,
            rejected=rejected,
            as_written=partial(_as_written, task),
        )

    def bound(self, call: PlannedCall) -> int:
        """Return the most characters of a text that a reply may have."""
        return _bound(self._longest, itemised(call.used.prompt))

    def request(self, call: PlannedCall, temperature: float, ctx: Context) -> Request:
        """Return the request of one call, before it is made distinct from others like it."""
        used, task = call.used, self._task
        brings = brings_target(used.operator, labelled=task.labelled)
        several = itemised(used.prompt)
        schema = reply_schema(
            used.operator,
            list(call.rows[0].seed.inputs),
            self.bound(call),
            self._target_schemas[several] if brings else None,
            len(call.rows),
            items=several,
            derived=brings and task.entry.derived,
        )
        variables = variables_of(used.operator, self.assignment(call), used.settings)
        return ctx.request("teacher", used.prompt, variables, schema, temperature)

    def _labels(self, call: PlannedCall) -> list[str]:
        """Return the labels that a call is about."""
        if not self._task.labelled:
            return []
        named = [t for row in call.rows for t in (row.target, row.near, row.seed.target) if t]
        entry, settings = self._task.entry, self._task.settings
        return [label for target in named for label in entry.labels_in(target, settings)]

    def _before(self, call: PlannedCall) -> tuple[list[KnownRow], list[KnownRow]]:
        """Return rows that earlier attempts wrote for the same pattern: accepted, and rejected with the reason."""
        targets = {row.target for row in call.rows if row.target is not None}
        same = [(c, v) for c, v in self._judged if c.pattern == call.pattern_id]
        # Where targets are no labels, no two rows share one, and the pattern decides alone.
        fits = not self._task.labelled or not targets
        good = [c for c, v in same if v.accepted]
        good.sort(key=lambda c: c.target not in targets)
        bad = [
            (c, v)
            for c, v in same
            if not v.accepted and v.reason != SECRET and (fits or c.target in targets)
        ]
        return (
            [KnownRow(c.inputs, c.target) for c in good[:SHOWN]],
            [KnownRow(c.inputs, c.target, _why(c, v)) for c, v in bad[-SHOWN:]],
        )


def _bound(longest: int, several: bool) -> int:
    """Return the most characters of a text in a reply: of several rows a long one must not cost the others."""
    return 2 * longest if several else longest


def sample(request: Request, ctx: Context, number: int) -> Request:
    """Return the request as a sample of its own: another seed, round or attempt must not be served the same rows."""
    attempt = int(short([ctx.seed, ctx.round, ctx.attempt, number], 7), 16)
    return replace(request, attempt=attempt)


def _as_written(task: TaskView, target: str) -> object:
    return task.entry.as_written(target, task.settings)


def _why(candidate: Candidate, verdict: Verdict) -> str:
    return verdict.feedback or verdict.reason.replace("_", " ")


def usual_words(train: Sequence[Example]) -> tuple[int, int]:
    """Return between how many words the middle eight of ten training rows have."""
    counts = sorted(len(words(text_of(e.inputs))) for e in train) or [5, 20]
    last = len(counts) - 1
    return counts[round(0.1 * last)], counts[round(0.9 * last)]
