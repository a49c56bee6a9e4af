"""What the writer of new rows is told: the task, the pattern and its strategy, seeds, and what came of earlier rows.

A rejected row is shown with its target and the reason, and only where rows of the same pattern and the same target are
asked for: a reason names a target, and must never order another one. A row that was rejected for its likeness to an
evaluation row is shown to nobody, nor is any text or row in which an evaluation row stands. Where targets are labels,
those nearest to them are defined too: a writer who knows only their names keeps clear of the borders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Literal

from engine.backends.protocol import Request
from engine.fingerprint import short
from engine.operators import (
    SHARED_LINES,
    Assignment,
    KnownRow,
    RowKind,
    RowSpec,
    brings_target,
    reply_schema,
    variables_of,
)
from engine.rows import Candidate, Example, Pattern, Strategy, Verdict
from engine.stages.analyse.targets import binding
from engine.stages.augment.calls import PlannedCall, UsedOperator
from engine.stages.augment.nearest import NearLabels, SameWords, labels_to_define
from engine.stages.blocks import Briefing, Told, task_block
from engine.stages.outputs import Attempt
from engine.stages.protocol import Context
from engine.stages.schemas import longest_text
from engine.stages.task_view import TaskView
from engine.wording import words

SHOWN = 3
"""Most accepted and most rejected rows that a prompt shows."""
NEAR_LABELS = 2
"""Labels nearest to each target that a prompt defines too."""
MOST_NEAR = 12
"""Most such labels in one prompt."""
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
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
        secret: Callable[[str], bool],
        ctx: Context,
        conventions: Sequence[str] = (),
    ) -> None:
        """Take the task, all rows, the training rows that may be shown, the attempts so far, and rules of annotation.

        `secret` says whether an evaluation row stands in a text.
        """
        self._task, self._briefing, self._shown = task, briefing, shown
        self._secret, self._ctx = secret, ctx
        train = [e for e in examples if e.split == "train"]
        self._longest = longest_text(text for e in train for text in e.inputs.values())
        self._usual = usual_words(task, train)
        longest = longest_text(e.target for e in train)
        seen = task.task(examples)
        self._column = (
            None if task.entry.inputs_are_texts else task.entry.input_schema(seen, self._longest)
        )
        self._target_schemas = {
            several: task.entry.target_schema(seen, _bound(longest, several))
            for several in (False, True)
        }
        self._judged = [
            (candidate, verdict)
            for attempt in attempts
            for candidate, verdict in attempt.judged
            if not any(map(secret, texts_of(task, candidate.inputs, candidate.target)))
        ]
        self._spoken: dict[str, str] = {}
        self._conventions = self._open_lines(conventions)

    def assignment(self, call: PlannedCall, tried: int = 0) -> Assignment:
        """Return what a call's writer is told, after so many tries that could not be sent."""
        pattern, strategy, task = call.pattern, call.strategy, self._task
        accepted, rejected = self._before(call)
        kinds = self._kinds(call)
        contrast = self._contrast(call)
        rows = self._rows(call, kinds)
        return Assignment(
            rows=rows,
            examples=call.examples,
            longest=self._longest - MARGIN,
            usual=self._usual,
            task=self._task_block(call, tried),
            description=self._briefing.description,
            kind=task.kind,
            labelled=task.labelled,
            derived=task.entry.derived,
            pattern=pattern.name if pattern else "",
            about=self._open(pattern.description) if pattern else "",
            includes=self._open_lines(pattern.includes) if pattern else (),
            excludes=self._open_lines(pattern.excludes) if pattern else (),
            strategy=self._open(strategy.text) if strategy else "",
            must=self._rules(call, strategy.must, "must") if strategy else (),
            must_not=self._rules(call, strategy.must_not, "must_not") if strategy else (),
            contrast=contrast if any(row.contrast for row in rows) else "",
            kinds=kinds,
            accepted=accepted,
            rejected=rejected,
            as_written=partial(_as_written, task),
            inputs_as_written=task.entry.inputs_as_written,
            inputs_read=task.entry.inputs_read,
        )

    def asked_for(self, call: PlannedCall) -> Assignment:
        """Return a call's assignment as far as its replies are read by it."""
        rows = self._rows(call, self._kinds(call))
        return Assignment(rows, inputs_read=self._task.entry.inputs_read)

    def _contrast(self, call: PlannedCall) -> str:
        return self._open(call.strategy.contrast) if call.strategy else ""

    def _rows(self, call: PlannedCall, kinds: Sequence[RowKind]) -> list[RowSpec]:
        """Return a call's rows, without what may not be told of them."""
        told, contrast = {kind.name for kind in kinds}, bool(self._contrast(call))
        return [
            row._replace(
                kind=row.kind if row.kind in told else "", contrast=row.contrast and contrast
            )
            for row in call.rows
        ]

    def bound(self, call: PlannedCall) -> int:
        """Return the most characters of a text that a reply may have."""
        return _bound(self._longest, call.used.itemised)

    def request(self, call: PlannedCall, temperature: float, tried: int = 0) -> Request:
        """Return the request of one call, before it is made distinct from others like it.

        `tried`: how many tries before it could not be sent.
        """
        used, task = call.used, self._task
        assert used.prompt is not None
        brings = brings_target(used.operator, labelled=task.labelled)
        several = used.itemised
        schema = reply_schema(
            used.operator,
            list(call.rows[0].seed.inputs),
            self.bound(call),
            self._target_schemas[several] if brings else None,
            len(call.rows),
            items=several,
            derived=brings and task.entry.derived,
            column=self._column,
        )
        variables = variables_of(used.operator, self.assignment(call, tried), used.settings)
        return self._ctx.request("teacher", used.prompt, variables, schema, temperature)

    def own_words(self, used: UsedOperator) -> tuple[str, ...]:
        """Return what a prompt says whatever the rows: an evaluation row that stands there is no secret."""
        return (
            *(section.text for section in (used.prompt.sections if used.prompt else ())),
            *self._always_said,
        )

    @cached_property
    def _always_said(self) -> tuple[str, ...]:
        task = self._task
        labels = task.labels_among(self._shown) if task.labelled else []
        return (
            *SHARED_LINES.values(),
            *self._briefing.words,
            task.entry.told(task.settings),
            ", ".join(labels),
        )

    def _task_block(self, call: PlannedCall, tried: int) -> str:
        if not call.used.sees("task"):
            return ""
        task, shown = self._task, self._shown
        answers = call.used.operator.definition.writes == "target"
        if answers:
            # Nothing tells the target that a row has so far, and no label is missing because only such rows carry it.
            seeds = [row.seed for row in call.rows]
            barred = self._same.as_one_of(seeds)
            if task.labelled:
                task = replace(task, labels=tuple(task.labels_among(shown)))
            shown = [row for row in shown if row.id not in barred]
        labels = (
            labels_to_define(task, shown, [seed.inputs for seed in seeds], self._ctx)
            if answers and task.labelled
            else self._labels(call)
        )
        if not answers and not tried:
            return self._told(labels)
        # Rows that stand for labels meet in a list: another try takes others, or another order.
        if tried:
            shown = sorted(shown, key=lambda row: short([tried, row.id]))
        return task_block(task, self._briefing, shown, labels, self._conventions)

    @cached_property
    def _told(self) -> Told:
        return Told(self._task, self._briefing, self._shown, self._conventions)

    def _labels(self, call: PlannedCall) -> list[str]:
        """Return the labels that are defined: those that a call is about, and those nearest to its targets."""
        if not self._task.labelled:
            return []
        entry, settings = self._task.entry, self._task.settings
        targets = dict.fromkeys(row.target or row.seed.target for row in call.rows)
        others = dict.fromkeys(t for row in call.rows for t in (row.near, row.seed.target) if t)
        about, more = (
            [label for target in named for label in entry.labels_in(target, settings)]
            for named in (targets, others)
        )
        return [*about, *more, *self._near.around(about, NEAR_LABELS, MOST_NEAR)]

    @cached_property
    def _same(self) -> SameWords:
        return SameWords(self._task, self._shown)

    @cached_property
    def _near(self) -> NearLabels:
        return NearLabels(self._task, self._shown, self._ctx)

    def leaves_out(self, pattern: Pattern | None, strategy: Strategy | None) -> bool:
        """Return whether something of these texts is not told, because an evaluation row stands in it."""
        texts = (
            [] if pattern is None else [pattern.description, *pattern.includes, *pattern.excludes]
        )
        if strategy is not None:
            texts += [strategy.text, *strategy.must, *strategy.must_not, strategy.contrast]
            texts += [
                str(kind[part]) for kind in strategy.kinds for part in ("name", "description")
            ]
        return any(self._open(text) != text for text in texts)

    def _open(self, text: str) -> str:
        """Return a text without the sentences in which an evaluation row stands."""
        if text not in self._spoken:
            told = text
            if self._secret(text):
                told = " ".join(s for s in _SENTENCE_END.split(text) if not self._secret(s))
            self._spoken[text] = "" if self._secret(told) else told
        return self._spoken[text]

    def _rules(
        self, call: PlannedCall, rules: Sequence[str], which: Literal["must", "must_not"]
    ) -> list[str]:
        """Return the rules for rows of the labels that a call asks for."""
        assert call.strategy is not None
        entry, settings = self._task.entry, self._task.settings
        targets = [row.target for row in call.rows if row.target is not None]
        labels = (
            {label for target in targets for label in entry.labels_in(target, settings)}
            if self._task.labelled
            else set[str]()
        )
        bound = call.strategy.rule_labels.get(which, {})
        return binding(self._open_lines(rules), bound, labels)

    def _kinds(self, call: PlannedCall) -> list[RowKind]:
        """Return the kinds of a call's rows, in the strategy's order."""
        asked = {row.kind for row in call.rows}
        kinds = call.strategy.kinds if call.strategy else ()
        found = [
            RowKind(kind["name"], kind["description"]) for kind in kinds if kind["name"] in asked
        ]
        return [kind for kind in found if self._open_lines(kind) == [*kind]]

    def _open_lines(self, lines: Iterable[str]) -> list[str]:
        return [line for line in lines if self._open(line) == line]

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


def texts_of(task: TaskView, inputs: Mapping[str, str], target: str) -> list[str]:
    """Return a row's texts in which an evaluation row could stand: labels are no secret."""
    return [task.text_of(inputs), *(() if task.labelled else (target,))]


def _as_written(task: TaskView, target: str) -> object:
    return task.entry.as_written(target, task.settings)


def _why(candidate: Candidate, verdict: Verdict) -> str:
    return verdict.feedback or verdict.reason.replace("_", " ")


def usual_words(task: TaskView, train: Sequence[Example]) -> tuple[int, int]:
    """Return between how many words the middle eight of ten training rows have."""
    counts = sorted(len(words(task.text_of(e.inputs))) for e in train) or [5, 20]
    last = len(counts) - 1
    return counts[round(0.1 * last)], counts[round(0.9 * last)]
