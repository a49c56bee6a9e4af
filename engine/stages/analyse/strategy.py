"""strategy: the teacher drafts, per pattern, how to write training rows that would cure it.

It sees the pattern, the confusions among its members, training rows near its scenarios, the operators at hand, and of a
pattern that goes on what was tried last; never an evaluation row. Reads these; writes one `Strategy` per pattern that
rows are written against, guarded as names are. Which confusions rows are written for is the teacher's choice among
those that were observed. Where targets are no labels nothing is confused with anything by name: there the teacher
describes the other side, rows near the pattern that the student gets right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.backends.protocol import Request
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.operators import MINED
from engine.rows import Example, Failure, Pattern, PatternMember, Strategy
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.clusterers import centroid
from engine.stages.analyse.mistakes import answered, label_text, labels_of
from engine.stages.analyse.name import nameless
from engine.stages.analyse.reworded import (
    Objection,
    Quotes,
    Reply,
    Worded,
    ask,
    quoting,
    with_left_out,
)
from engine.stages.analyse.targets import (
    Confusions,
    clearly,
    confusions,
    kinds_of,
    labels_for,
    named_shares,
    pairs_of,
    rules_of,
    shares_of,
    worded_confusions,
)
from engine.stages.blocks import Briefing, inert, task_block, task_sends
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.logged import failures_by_example
from engine.stages.outputs import (
    Attempt,
    Clustered,
    Confirmed,
    Diagnosed,
    Drafted,
    Loaded,
    Logged,
    NamedPatterns,
    Scored,
)
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

PROMPT = "draft_strategy.md"
ROWS = 6
"""Training rows that are shown."""
FEEDBACK = 3
"""Pieces of feedback on rejected rows of the last round that are shown."""


@dataclass(frozen=True, kw_only=True)
class OfferedOperator(Params):
    """A way of making rows that the teacher may choose."""

    name: str
    description: str
    patterns: tuple[str, ...] | None = None
    """Only for patterns of these taxonomy categories; None for all."""


@dataclass(frozen=True, kw_only=True)
class StrategyParams(Params):
    """The task, the operators, how many labels a strategy is about, and the guard over what the teacher writes."""

    task: TaskView
    briefing: Briefing
    guard: LeakLimits
    schema: schemas.Schema
    operators: tuple[OfferedOperator, ...] = ()
    confusions: int = 3
    """Most pairs of right label and answer that are shown."""
    rows: int = ROWS
    """Training rows that are shown."""
    again: bool = outside(True)
    """Whether the prompt can ask for another wording."""
    labels: int
    """Most labels that the seeds of one pattern may carry."""
    conventions: bool = outside(True)
    """Whether rules of annotation can be known."""


@dataclass(frozen=True)
class StrategyInputs(Inputs):
    """The patterns, their members, what these were taken for, and what earlier rounds tried."""

    load: Loaded
    score: Scored
    diagnose: Diagnosed
    cluster: Clustered
    name: NamedPatterns
    logged: Logged | None = None
    confirm: Confirmed | None = None
    """None where patterns are not tested."""
    earlier: tuple[Drafted, ...] = ()
    """Of the earlier rounds."""
    attempts: tuple[Attempt, ...] = ()
    """All of the earlier rounds, in order."""

    @property
    def patterns(self) -> Sequence[Pattern]:
        """Those that rows are written against."""
        patterns = self.name.patterns
        return patterns if self.confirm is None else self.confirm.funded(patterns)


def draft(params: StrategyParams, inputs: StrategyInputs, ctx: Context) -> Drafted:
    """Return one `Strategy` per pattern that rows are written against, with the labels they are about."""
    patterns = inputs.patterns
    if not patterns:
        return Drafted()
    guard = ctx.leak_guard(
        params.task.entry, inputs.load.examples, params.guard.ngram, params.guard.quantile
    )
    quotes = partial(guard.quotes, own=params.briefing.words)
    shown = _Shown(params, inputs, guard.equal_training_rows, ctx)
    prompt = ctx.prompt(PROMPT)
    known = [shown.variables(pattern) for pattern in patterns]

    choice, no_choice = params.schema, schemas.without(params.schema, "operators")
    asked = {
        "contrast": "contrast" in params.schema["properties"],
        "most": schemas.most(params.schema),
    }

    def request(number: int, again: str) -> Request:
        variables = {**known[number], **asked, "again": again}
        schema = choice if variables["operators"] else no_choice
        return ctx.request("teacher", prompt, variables, schema)

    def object_to(number: int, reply: Reply) -> Objection | None:
        return quoting(quotes, {"strategy": reply["strategy"].strip()})

    replies = ask(ctx, [partial(request, number) for number in range(len(patterns))], object_to)
    trained = {e.target for e in inputs.load.train}
    return Drafted(
        tuple(
            _strategy(params, pattern, shown.pairs[pattern.id], worded, trained, quotes)
            for pattern, worded in zip(patterns, replies, strict=True)
        )
    )


class _Shown:
    """What the teacher is shown of each pattern."""

    def __init__(
        self, params: StrategyParams, inputs: StrategyInputs, barred: Set[str], ctx: Context
    ) -> None:
        self._params, self._inputs, self._ctx = params, inputs, ctx
        self._members = inputs.cluster.by_pattern
        self._failures = failures_by_example(inputs.score.all_failures, inputs.logged, ctx.round)
        self._scenarios = {d.id: d.scenario for d in inputs.diagnose.diagnoses}
        self._train = [e for e in inputs.load.train if e.id not in barred]
        texts = [params.task.text_of(e.inputs) for e in self._train] if params.rows else []
        self._vectors = ctx.embed(texts) if texts else None
        labelled = params.task.labelled
        self.pairs: dict[str, Confusions] = {
            p.id: confusions(self._members[p.id], self._failures) if labelled else ()
            for p in inputs.name.patterns
        }

    def variables(self, pattern: Pattern) -> dict[str, Any]:
        """Return the prompt's variables for one pattern."""
        params, task = self._params, self._params.task
        members = self._members[pattern.id]
        about = labels_of(task, [self._failures[m.example] for m in members])
        operators = _operators(params, pattern)
        return {
            "task": task_block(
                task,
                params.briefing,
                self._inputs.load.train,
                about,
                self._inputs.name.conventions,
            ),
            "description": params.briefing.description,
            "kind": task.kind,
            "labelled": task.labelled,
            "pattern": pattern.name,
            "about": pattern.description,
            "includes": list(pattern.includes),
            "excludes": list(pattern.excludes),
            "size": len(members),
            "confusions": worded_confusions(task, self.pairs[pattern.id], params.confusions),
            # Where there is but one there is nothing to choose.
            "operators": [
                {"name": used.name, "description": used.description} for used in operators
            ]
            if len(operators) > 1
            else [],
            "rows": [answered(task, example) for example in self._rows(members)],
            "last": self._last(pattern),
        }

    def _rows(self, members: Sequence[PatternMember]) -> list[Example]:
        """Return the training rows nearest to the members' scenarios, those of confused labels in turn."""
        if self._vectors is None:
            return []
        scenarios = [self._scenarios[m.diagnosis] for m in members]
        nearness = self._vectors @ centroid(self._ctx.embed(scenarios))
        ranked = [self._train[i] for i in (-nearness).argsort(kind="stable")]
        task = self._params.task
        if not task.labelled:
            return ranked[: self._params.rows]
        about = list(dict.fromkeys(labels_of(task, self._by_frequency(members))))
        queues = [
            [e for e in ranked if label in task.entry.labels_in(e.target, task.settings)]
            for label in about
        ]
        depth = max(map(len, queues), default=0)
        turns = [queue[i] for i in range(depth) for queue in queues if i < len(queue)]
        return list({e.id: e for e in turns}.values())[: self._params.rows]

    def _by_frequency(self, members: Sequence[PatternMember]) -> list[Failure]:
        """Return the members' failures, those of the most frequent confusions first."""
        failures = [self._failures[m.example] for m in members]
        count = Counter((f.target, f.answer) for f in failures)
        return sorted(failures, key=lambda f: (-count[f.target, f.answer], f.target))

    def _last(self, pattern: Pattern) -> dict[str, Any] | None:
        """Return what an earlier round tried against a pattern, and what came of it; None for a new one."""
        tried = [s for drafted in self._inputs.earlier for s in drafted.strategies]
        before = [s for s in tried if s.pattern == pattern.id]
        if not before:
            return None
        verdicts = [
            verdict
            for attempt in self._inputs.attempts
            for candidate, verdict in attempt.judged
            if candidate.strategy == before[-1].id and candidate.operator != MINED
        ]
        rejected = [v for v in verdicts if not v.accepted]
        feedback = dict.fromkeys(v.feedback for v in rejected if v.feedback)
        return {
            "strategy": inert(before[-1].text),
            "accepted": len(verdicts) - len(rejected),
            "rejected": len(rejected),
            "reasons": Counter(v.reason for v in rejected).most_common(3),
            "feedback": [inert(text) for text in list(feedback)[-FEEDBACK:]],
        }


def _operators(params: StrategyParams, pattern: Pattern) -> list[OfferedOperator]:
    return [
        used for used in params.operators if not used.patterns or pattern.category in used.patterns
    ]


def _strategy(
    params: StrategyParams,
    pattern: Pattern,
    observed: Confusions,
    worded: Worded,
    trained: set[str],
    quotes: Quotes,
) -> Strategy:
    """Return a pattern's strategy with the teacher's texts, or a neutral one."""
    reply: Reply = worded.value or {}
    text = reply.get("strategy", "").strip() or _neutral(params.task, pattern, observed)
    known = {label for target in trained for label in _labels(params.task, target)}
    must = rules_of(reply.get("must", ()), known, quotes)
    must_not = rules_of(reply.get("must_not", ()), known, quotes)
    hidden = [*must.left_out, *must_not.left_out]
    attributes, more_hidden = _attributes(quotes, reply.get("attributes", ()))
    kinds, kinds_hidden = kinds_of(reply.get("kinds", ()), known, quotes)
    contrast, contrast_share = _contrast(reply)
    if contrast and (quoted := quotes(contrast)) is not None:
        contrast, contrast_share = "", 0.0
        hidden.append(quoted)
    pairs = pairs_of(params.task, observed, reply.get("pairs", ()))
    offered = [used.name for used in _operators(params, pattern)]
    return Strategy(
        id=short([pattern.id, text]),
        pattern=pattern.id,
        text=text,
        labels=labels_for(pairs, observed, trained)[: params.labels],
        call=worded.call,
        guard=with_left_out(worded.guard, [*hidden, *more_hidden, *kinds_hidden], worded.call),
        must=must.texts,
        must_not=must_not.texts,
        # Apart: the same words may be a must for one label and a must not for another.
        rule_labels={
            name: rules.labels
            for name, rules in (("must", must), ("must_not", must_not))
            if rules.labels
        },
        attributes=attributes,
        pairs=pairs,
        operators=named_shares(reply.get("operators", ()), offered.__contains__),
        difficulty=shares_of(reply.get("difficulty", {})),
        contrast=contrast,
        contrast_share=contrast_share,
        kinds=kinds,
    )


def _contrast(reply: Reply) -> tuple[str, float]:
    """Return what rows of the other side look like, and their share; nothing where one of the two is missing."""
    said: Mapping[str, Any] = reply.get("contrast") or {}
    text, share = str(said.get("description", "")).strip(), float(said.get("share", 0))
    return (text, share) if text and share > 0 else ("", 0.0)


def _neutral(task: TaskView, pattern: Pattern, observed: Confusions) -> str:
    """Return a strategy made of names and labels alone: what is used when the teacher's may not be."""
    if not observed:
        if pattern.name == nameless(pattern.id):
            # Its number says nothing; the rows that are shown lie near it.
            return (
                "Write rows of the kind of those training rows that are shown, in new situations."
            )
        return f"Write rows in which this matters: {pattern.name}."
    target, answer, _ = observed[0]
    mistaken = "" if answer is None else label_text(task, answer)
    return clearly(label_text(task, target), mistaken)


def _labels(task: TaskView, target: str) -> Sequence[str]:
    return task.entry.labels_in(target, task.settings) if task.labelled else ()


def _attributes(
    quotes: Quotes, proposed: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return name -> values, those that quote an evaluation row left out, and the reasons of these."""
    attributes: dict[str, list[str]] = {}
    reasons: list[str] = []
    for one in proposed:
        name = one["name"].strip()
        values = list(dict.fromkeys(value.strip() for value in one["values"] if value.strip()))
        reason = quotes(f"{name}: {', '.join(values)}")
        if reason is not None:
            reasons.append(reason)
        elif name and len(values) > 1 and name not in attributes:
            attributes[name] = values
    return attributes, reasons


def _sends(params: StrategyParams) -> Mapping[str, str]:
    labelled = params.task.labelled
    return {
        "task": task_sends(
            "the labels, train rows ({inputs}) that stand for those without a definition"
            if labelled
            else "",
            conventions=params.conventions,
        ),
        "pattern": "names of patterns",
        "about": "descriptions of patterns",
        "includes": "descriptions of patterns",
        "excludes": "descriptions of patterns",
        "confusions": "{target} and the student's answers of failed rows, counted"
        if labelled
        else "",
        "rows": "train rows ({inputs}), their {target}",
        "last": "strategies of earlier rounds, the judge's feedback on their rows",
        "description": "", "kind": "", "labelled": "", "size": "", "operators": "", "most": "", "contrast": "",
        "again": "",
    }  # fmt: skip


def _expect(params: StrategyParams, situation: Situation) -> Forecast:
    calls = situation.new(situation.patterns)
    # One that quotes an evaluation row is asked for once more.
    most = calls.high * (2 if params.again else 1)
    shown = Range(0, params.rows)
    return Forecast(Range(calls.low, most), shown, schemas.reply_tokens(params.schema))


def _accounts(params: StrategyParams, inputs: StrategyInputs, output: Drafted) -> Iterable[Account]:
    yield Account("patterns to write rows against", len(inputs.patterns), len(output.strategies))


STRATEGY = Stage(
    "strategy", 11, StrategyParams, StrategyInputs, Drafted, draft,
    description="The teacher writes how new rows could cure a pattern.",
    asks=("teacher", "embedder"),
    prompts={
        PROMPT: frozenset({
            "task", "description", "kind", "labelled", "pattern", "about", "includes", "excludes",
            "size", "confusions", "operators", "most", "contrast", "rows", "last", "again",
        }),
    },
    replies=("strategy",),
    sends=_sends,
    embeds="strategies, scenarios of diagnoses, train, validation and test rows ({inputs})",
    expect=_expect, accounts=_accounts,
)  # fmt: skip
