"""generate: operators write candidates, against each pattern by its strategy and for what does not fail.

What is to be written is planned as rows, each with its target and what it may be mistaken for (`planning`), and given
to calls, each with its seeds (`calls`, `seeds`) and its wishes (`wishes`). What reaches a writer (`prompts`): the task,
the pattern and the strategy (both guarded), training rows, and rows of earlier attempts. A training row that is an
evaluation row, or holds one, is never shown; a call in whose prompt an evaluation row stands all the same is planned
again with other training rows, and what cannot be asked for at all is a drop. A later attempt asks for what is missing;
it asks for nothing of a pattern that is dry. Rows of operators without a model are made here and then (`made`): nothing
is shown to anybody for them. Reads patterns, strategies, the student's training errors and answers, and
the attempts so far; writes one `Candidate` per row that came back.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from engine.backends.protocol import Completion, Request
from engine.identity import outside
from engine.operators import MINED, brings_target
from engine.rows import Drop, Example, Pattern, Row, RowCall, Strategy
from engine.rows.reasons import Dropped, DropReason
from engine.spec.recipe import LeakLimits
from engine.stages.augment.calls import PlannedCall, Planner, UsedOperator
from engine.stages.augment.made import made_rows
from engine.stages.augment.planning import (
    COVERAGE,
    History,
    RowPlan,
    Slot,
    Sources,
    asked_for,
    quotas,
)
from engine.stages.augment.prompts import Prompts, sample, texts_of
from engine.stages.augment.reading import rows_of
from engine.stages.augment.seeds import DECLINED, Seeds, declined_before, ranked
from engine.stages.blocks import Briefing, defining, task_sends
from engine.stages.forecast import JSON_TOKENS, Forecast, Range, Situation
from engine.stages.outputs import (
    Allotted,
    Attempt,
    Clustered,
    Confirmed,
    Drafted,
    Generated,
    Loaded,
    Logged,
    NamedPatterns,
    Predicted,
    Scored,
)
from engine.stages.protocol import ALWAYS, Context, Inputs, Stage
from engine.stages.quality.leak_guard import LeakGuard
from engine.stages.task_view import TaskView

_HIDDEN = (
    "an evaluation row stands in what was written of the pattern '{}' or of its strategy: "
    "writers are not told the sentences that hold it"
)
TRIES = 3
"""How often a call is planned with other training rows where an evaluation row stands in its prompt."""

Way = int | tuple[bool, ...]
"""How a planned call was asked: after so many other tries, or which of its calls for one seed each could be sent."""


@dataclass(frozen=True, kw_only=True)
class GenerateParams(RowPlan):
    """How many rows are wanted of which kind, the operators, and what their writers are told."""

    briefing: Briefing
    guard: LeakLimits
    operators: tuple[UsedOperator, ...]
    oversample: float
    """Candidates asked for per row wanted, in the first attempt; in no attempt more in all."""
    rows_per_call: int
    """Most rows that one call asks for, by the teacher's pack."""
    seeds_shown: int
    """Most training rows that one prompt shows, by the teacher's pack."""
    temperature: float
    errors_first: bool = True
    """Whether seeds are ranked by the student's errors and losses and by nearness to the pattern, or come in turn."""
    conventions: bool = outside(True)
    """Whether rules of annotation can be known."""

    @property
    def asking(self) -> tuple[UsedOperator, ...]:
        """The operators that ask the teacher."""
        return tuple(used for used in self.operators if used.prompt is not None)


@dataclass(frozen=True)
class GenerateInputs(Inputs):
    """The rows, what the student fails at, the patterns with their strategies, and this round's attempts so far."""

    load: Loaded
    predict: Predicted
    score: Scored
    cluster: Clustered | None = None
    name: NamedPatterns | None = None
    """None where nothing is analysed: then all rows are for what does not fail."""
    strategy: Drafted | None = None
    logged: Logged | None = None
    allot: Allotted | None = None
    """What each pattern weighs; None where they go by size."""
    attempts: tuple[Attempt, ...] = ()
    confirm: Confirmed | None = None
    """None where patterns are not tested."""

    def sources(self, round: int) -> Sources:
        """Return what decides how many rows of which kind are wanted in a round."""
        return Sources(
            self.load,
            self.score,
            self.cluster,
            self.name,
            self.strategy,
            self.confirm,
            self.allot,
            self.logged,
            round,
        )


def generate(params: GenerateParams, inputs: GenerateInputs, ctx: Context) -> Generated:
    """Return the candidates of one attempt; later attempts make up for rejected ones."""
    wanted = quotas(params, inputs.sources(ctx.round), [ctx.seed, ctx.round])
    if not wanted:
        return Generated()
    examples = inputs.load.examples
    guard = ctx.leak_guard(params.task.entry, examples, params.guard.ngram, params.guard.quantile)
    hidden = _hidden(params.task, inputs.load.train, guard)
    rows: list[Row] = [
        Drop("generate", example, *hidden[example])
        for example in (sorted(hidden) if ctx.attempt == 1 else ())
    ]
    history = History(params, inputs.attempts)
    # What may not be shown is no seed either.
    shown = [e for e in inputs.load.train if e.id not in hidden]
    prompts = Prompts(
        params.task, params.briefing, examples, shown, inputs.attempts, guard.stands_in, ctx,
        inputs.name.conventions if inputs.name else (),
    )  # fmt: skip
    slots = asked_for(wanted, history, params.oversample)
    writing = _Writing(params, inputs, shown, slots, prompts, guard, ctx)
    ways: list[Way] = ctx.remembered("ways", list)
    # Operators without a model are planned once, and alone.
    replies = ctx.ask("teacher", writing.requests(ways)) if params.asking else iter(())
    rows += writing.rows(ways, replies)
    return Generated((*rows, *_dry(params, wanted, history), *writing.written))


@dataclass
class _Writing:
    """The calls of one attempt: planned to build their requests, and planned once more, alike, to read the replies.

    So neither calls nor requests are held while they are asked.
    """

    params: GenerateParams
    inputs: GenerateInputs
    shown: list[Example]
    slots: Mapping[str, Mapping[Slot, int]]
    prompts: Prompts
    guard: LeakGuard
    ctx: Context
    written: list[Row] = field(default_factory=list)
    """What the replies bring."""

    def requests(self, ways: list[Way]) -> Iterator[Request]:
        """Yield the requests in order, several of a call where replies vote; note in `ways` how each could be sent."""
        ctx, planner = self.ctx, _planner(self.params, self.inputs, self.shown, self.ctx)
        asked: Counter[str] = Counter()
        ways.clear()
        for pattern, wishes in self.slots.items():
            about = _named(self.inputs, pattern)
            if ctx.attempt == 1 and self.prompts.leaves_out(*about):
                ctx.warn(_HIDDEN.format(about[0].name if about[0] else pattern))
            for planned in planner.calls(*about, wishes):
                if planned.used.prompt is None:
                    continue
                for call, request in self._tried(planned, planner, ways):
                    for _ in range(call.used.samples):
                        asked[request.id] += 1
                        yield sample(request, ctx, asked[request.id])

    def rows(self, ways: Sequence[Way], replies: Iterator[Completion]) -> Iterator[Row]:
        """Yield what is made without a model and what is left out, and put what replies bring into `written`."""
        planner, found = _planner(self.params, self.inputs, self.shown, self.ctx), iter(ways)
        made, view = 0, self.params.task.task(self.inputs.load.examples)
        for pattern, wishes in self.slots.items():
            for planned in planner.calls(*_named(self.inputs, pattern), wishes):
                if planned.used.prompt is None:
                    yield from made_rows(self.params.task, view, planned, made, self.ctx)
                    made += len(planned.rows)
                    continue
                for call, sent in _as_tried(planned, planner, next(found)):
                    if sent:
                        own = list(islice(replies, call.used.samples))
                        self.written += _written(
                            self.params.task, call, own, self.prompts, self.ctx
                        )
                    else:
                        yield from _leaking(call)
        yield from _left_out(planner)

    def _tried(
        self, planned: PlannedCall, planner: Planner, ways: list[Way]
    ) -> Iterator[tuple[PlannedCall, Request]]:
        """Yield the calls that write a planned call's rows, each with its request, and note the way that was found.

        Where an evaluation row stands in the prompt, as where training rows meet in it, other training rows are tried,
        and then the rows of each seed by themselves: what cannot be asked for must not cost the rest.
        """
        call, temperature = planned, self.params.temperature
        for number in range(TRIES):
            call = planner.again(planned) if number else planned
            request = self.prompts.request(call, temperature, number)
            if not self._leaks(call, request):
                ways.append(number)
                yield call, request
                return
        if len(planned.bundles) == 1:
            ways.append((False,))
            return
        sent: list[bool] = []
        for alone in planner.one_by_one(planned):
            request = self.prompts.request(alone, temperature, TRIES)
            sent.append(not self._leaks(alone, request))
            if sent[-1]:
                yield alone, request
        ways.append(tuple(sent))

    def _leaks(self, call: PlannedCall, request: Request) -> bool:
        own = self.prompts.own_words(call.used)
        return any(self.guard.stands_in(m.content, own) for m in request.messages)


def _written(
    task: TaskView,
    call: PlannedCall,
    replies: Sequence[Completion],
    prompts: Prompts,
    ctx: Context,
) -> Iterator[Row]:
    """Yield what the replies to a call bring: several where they vote."""
    for reply in replies:
        strategy = COVERAGE if call.strategy is None else call.strategy.id
        yield RowCall(reply.request, call.pattern_id, strategy, call.used.name, len(call.rows))
    yield from rows_of(task, call, replies, prompts, ctx)


def _hidden(
    task: TaskView, train: Sequence[Example], guard: LeakGuard
) -> dict[str, tuple[Dropped, str]]:
    """Return the training rows that no prompt may show, by id: reason and detail of their drops."""
    hidden: dict[str, tuple[Dropped, str]] = {}
    for row in train:
        if row.id in guard.equal_training_rows:
            why = "the training row is an evaluation row too"
            hidden[row.id] = ("seed_equals_evaluation", why)
        elif any(map(guard.stands_in, texts_of(task, row.inputs, row.target))):
            why = "an evaluation row stands in the training row"
            hidden[row.id] = ("seed_holds_evaluation", why)
    return hidden


def _as_tried(
    planned: PlannedCall, planner: Planner, way: Way
) -> Iterator[tuple[PlannedCall, bool]]:
    """Yield the calls that came of a planned call when its requests were built, and whether each could be sent."""
    call, tries = planned, way if isinstance(way, int) else TRIES - 1
    for _ in range(tries):
        call = planner.again(planned)
    if isinstance(way, int):
        yield call, True
    elif len(planned.bundles) == 1:
        yield call, False
    else:
        yield from zip(planner.one_by_one(planned), way, strict=True)


def _named(inputs: GenerateInputs, pattern: str) -> tuple[Pattern | None, Strategy | None]:
    """Return a pattern and its strategy; nothing for rows against no pattern."""
    patterns = {p.id: p for p in inputs.name.patterns} if inputs.name else {}
    strategies = {s.pattern: s for s in inputs.strategy.strategies} if inputs.strategy else {}
    return patterns.get(pattern), strategies.get(pattern)


def _planner(
    params: GenerateParams, inputs: GenerateInputs, shown: list[Example], ctx: Context
) -> Planner:
    # A mined row's parent was shown to nobody.
    earlier = [c for a in inputs.attempts for c in a.generate.candidates if c.operator != MINED]
    wrong = frozenset(f.example for f in inputs.score.failures("train"))
    if params.errors_first:
        patterns = inputs.name.patterns if inputs.name else ()
        seeds = ranked(
            params.task, shown, patterns, wrong, inputs.predict.predictions, earlier, ctx
        )
    else:
        seeds = Seeds(
            params.task, shown, {}, [seed for candidate in earlier for seed in candidate.seeds]
        )

    @cache
    def told(barred: frozenset[str]) -> frozenset[str]:
        rows = [row for row in shown if row.id not in barred]
        return frozenset(row.id for row in defining(params.task, params.briefing, rows))

    return Planner(
        task=params.task,
        operators=params.operators,
        pack_rows=params.rows_per_call,
        pack_seeds=params.seeds_shown,
        seeds=seeds,
        vary=params.task.entry.varied(e.target for e in shown),
        told=told,
        attempt=ctx.attempt,
        failing=wrong,
        declined=declined_before(inputs.attempts),
        turn=[ctx.seed, ctx.round, ctx.attempt],
    )


def _leaking(call: PlannedCall) -> Iterator[Drop]:
    for spec in call.rows:
        why = f"row {spec.id}: an evaluation row is in the prompt"
        yield Drop("generate", spec.seed.id, "prompt_leak", why)


def _left_out(planner: Planner) -> Iterator[Drop]:
    for pattern, slot in planner.left_out:
        what = "a row" if slot.target is None else f"a row for '{slot.target}'"
        why = f"{what}: no operator of the recipe has a training row to start from"
        if any(used.attempts for used in planner.operators):
            why += ", or takes part in this attempt"
        reason: DropReason = "no_seed"
        if slot.row is not None and planner.was_declined(slot.row):
            reason, why = DECLINED, "an earlier attempt left this training row out"
        elif slot.row is not None:
            why = (
                "the training row that rows were to be made from may not be shown"
                if planner.seeds.named(slot.row) is None
                else "no operator of the recipe makes rows from this training row"
            )
        yield Drop("generate", slot.row or pattern, reason, why)


def _dry(params: GenerateParams, wanted: Mapping[str, object], history: History) -> Iterator[Drop]:
    """Yield the patterns that have just become dry."""
    before = History(params, history.attempts[:-1])
    for pattern in wanted:
        if history.dry(pattern) and not before.dry(pattern):
            why = f"{history.written[pattern]} rows were written and none was accepted lately: no more are asked for"
            yield Drop("generate", pattern, "dry", why)


def _sends(params: GenerateParams) -> Mapping[str, str]:
    labelled, used = params.task.labelled, params.asking
    made_from = any(u.operator.made_from for u in used)
    several = any(u.itemised for u in used)
    brings = any(brings_target(u.operator, labelled=labelled) for u in used)
    return {
        "task": task_sends(
            "the labels, each with train rows ({inputs})" if labelled else "",
            conventions=params.conventions,
        ),
        "row": "train rows ({inputs})",
        "label": "their {target}",
        "target": "the {target} of the rows to write",
        "near": "the {target} that rows may be mistaken for",
        "vary": "",
        # Labels have nothing to keep.
        "keep": "" if labelled else "what of their {target} a rewording must keep",
        "rows": ("train rows ({inputs}, {target})" if made_from else "")
        or ("the {target} of the rows to write" if labelled and several else ""),
        "examples": "further train rows ({inputs}, {target})",
        "pattern": "names of patterns",
        "about": "descriptions of patterns",
        "includes": "",
        "excludes": "",
        "strategy": "strategies",
        "must": "",
        "must_not": "",
        "contrast": "",
        "kinds": "",
        "accepted": "{candidates} ({inputs}, {target})",
        "rejected": "{candidates} ({inputs}, {target}), and why they were rejected",
        "longest": "how long train rows are",
        "usual": "how long train rows are",
        "count": "", "params": "", "kind": "", "labelled": "", "derived": "", "shared": "",
        # The reply's schema lists those among which the teacher chooses.
        ALWAYS: "the labels" if labelled and brings else "",
    }  # fmt: skip


def _expect(params: GenerateParams, situation: Situation) -> Forecast:
    per_call = [used.per_call(params.rows_per_call) for used in params.asking]
    most = math.floor(params.rows_per_round * params.oversample)
    # The first attempt asks for everything, if there is an operator for every pattern; a later one only for what was
    # rejected.
    everywhere = any(not used.patterns for used in params.operators)
    known = params.along == "labels" and not situation.patterns.high
    least = most if situation.attempt == 1 and everywhere and known else 0
    if situation.attempt == 1 and everywhere and situation.patterns.low:
        least = most
    if not per_call:
        return Forecast(Range(0, 0), rows_written=Range(least, most))
    if len(per_call) < len(params.operators):
        # The others may make all rows that they can.
        least = 0
    # An operator's last call for a pattern may be short, and so may those for one slot.
    fully = max(1, min(per_call)) if all(u.itemised for u in params.asking) else 1
    groups = (situation.patterns.high + 1) * len(per_call)
    samples = [used.samples for used in params.asking]
    calls = Range(
        min(samples) * math.floor(least / max(per_call)),
        max(samples) * min(most, math.ceil(most / fully) + groups),
    )
    mean = sum(per_call) / len(per_call)
    reply = Range(
        mean * (situation.row_tokens + JSON_TOKENS / 2),
        mean * (2 * situation.row_tokens + JSON_TOKENS),
    )
    shown = Range(
        1,
        max(
            used.most_shown(params.seeds_shown, rows)
            for used, rows in zip(params.asking, per_call, strict=True)
        )
        + max(per_call),
    )
    return Forecast(calls, shown, reply, rows_written=Range(least, most))


GENERATE = Stage(
    "generate", 10, GenerateParams, GenerateInputs, Generated, generate,
    description="New rows are written: against each pattern by its strategy, and for what does not fail.",
    asks=("teacher", "embedder"), sends=_sends, embeds="rows of all splits ({inputs})",
    skips=lambda params: frozenset() if params.asking else frozenset({"teacher"}),
    expect=_expect, essential=True,
)  # fmt: skip
