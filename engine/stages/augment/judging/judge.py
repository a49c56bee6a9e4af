"""judge: every candidate gets one verdict: from the gates, from the blind answers, and from the judge last.

The judge, a separate model, says of what is left whether the target is right, and scores relevance, naturalness and
utility (PaDA-Agent, arXiv 2510.18143, quality control); adherence to the plan is asked apart (`adherence`), and only
where a recipe rejects by it. It sees several candidates a call, of several patterns, shuffled. It decides only once it
is calibrated: in its first calls training rows with right and with wrong answers stand among the candidates; where
people have said enough of rows that it judged, their word counts in place of these (`by_people`). Feedback
for the next attempt is about this row and its own target, and never quotes an evaluation row. Reads the candidates of
one attempt with what gates and blind answers say of them; writes one `Verdict` per candidate, and the calibration with
its anchors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from engine.backends.protocol import Completion
from engine.identity import outside
from engine.judging import JudgeCalibration
from engine.rows import Candidate, Row, Verdict
from engine.spec.recipe import Calibration
from engine.stages import schemas
from engine.stages.analyse.mistakes import label_text
from engine.stages.analyse.targets import clearly
from engine.stages.augment.judging import adherence
from engine.stages.augment.judging.acceptance import (
    MAJORITY,
    Acceptance,
    Evidence,
    decide,
    label_passes,
)
from engine.stages.augment.judging.blind import told_sends
from engine.stages.augment.judging.by_people import PeopleSaid, calibration_by_people
from engine.stages.augment.judging.calibration import (
    Anchor,
    anchor_key,
    anchors_of,
    calibration,
    fewest,
    judged,
    suspected,
    too_few,
)
from engine.stages.augment.judging.questions import KEY, PROMPT, VARIABLES, Item, Promise, Writer
from engine.stages.augment.nearest import ANSWERED
from engine.stages.augment.planning import is_contrast
from engine.stages.augment.verify import calls_for
from engine.stages.blocks import Briefing
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.numbered import by_id, calls_of, drops, ids
from engine.stages.outputs import (
    Attempt,
    Drafted,
    Gated,
    Generated,
    Judged,
    Loaded,
    NamedPatterns,
    Solved,
    Verified,
)
from engine.stages.protocol import ALWAYS, Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

COVERAGE_STRATEGY = (
    "Write a natural row for its answer, in a situation of its own: no rewording of a training row."
)
"""What stands for the strategy of rows that are written against no pattern."""


@dataclass(frozen=True, kw_only=True)
class JudgeParams(Acceptance):
    """What a candidate must pass, the task, and what the judge is asked."""

    task: TaskView
    briefing: Briefing
    operators: tuple[Promise, ...]
    judge: Literal["decides", "advises", "off"]
    """What it does once it is calibrated."""
    rows_per_call: int
    calibration: Calibration
    schema: schemas.Schema
    adherence: schemas.Schema | None = None
    """Of the replies about adherence; None where they are not asked for."""
    conventions: bool = outside(True)
    """Whether rules of annotation can be known."""
    people: PeopleSaid | None = None
    """What people said of rows that this judge had judged, by which it is calibrated; None where it is too little."""
    many: bool = False
    """Whether very many candidates may come, which are then compared with training rows in blocks."""


@dataclass(frozen=True)
class JudgeInputs(Inputs):
    """The candidates, what they were written for, and what gates and blind answers say of them."""

    load: Loaded
    generate: Generated
    gate: Gated
    name: NamedPatterns | None = None
    strategy: Drafted | None = None
    """None where no failures are analysed."""
    verify: Verified | None = None
    solved: Solved | None = None
    """How often the student is right; None where it is not asked."""
    attempts: tuple[Attempt, ...] = ()
    """Earlier ones of this round."""
    first: Judged | None = None
    """The first judging of an earlier round, in which the judge may have been calibrated."""


class _Said(NamedTuple):
    """What the judge says of one item."""

    item: Mapping[str, Any] | None
    call: str
    failure: str | None = None
    """Why the whole reply cannot be used; None where it can."""
    adherence_call: str | None = None


def judge(params: JudgeParams, inputs: JudgeInputs, ctx: Context) -> Judged:
    """Return exactly one `Verdict` per candidate of this attempt, and the calibration where this node makes it."""
    candidates = inputs.generate.candidates
    evidence = _evidence(inputs)
    standing = [c for c in candidates if not decide(params, c, evidence[c.id]).reason]
    rows: list[Row] = []
    known = measured = _known(inputs)
    anchors: list[Anchor] = []
    if params.judge == "decides" and known is None and standing:
        anchors, measured = _anchors(params, inputs, ctx)
    said = _ask(params, inputs, standing, anchors, rows, ctx) if params.judge != "off" else {}
    if anchors:
        opinions = [said[anchor_key(anchor)] for anchor in anchors]
        found = [
            judged(params, params.task, anchor, one.item, one.call)
            for anchor, one in zip(anchors, opinions, strict=True)
        ]
        rows += found
        measured = calibration(found, params.calibration.balanced_accuracy)
        if measured.decides:
            # What one says of the data that cannot tell right from wrong, nobody needs to look at.
            rows += [
                suspected(anchor, row, one.item)
                for anchor, row, one in zip(anchors, found, opinions, strict=True)
                if row.suspect and one.item is not None
            ]
    if params.people is not None and params.judge == "decides" and known is None and standing:
        measured = calibration_by_people(params.people, params.calibration.balanced_accuracy)
    if measured is not None and measured is not known:
        rows.append(measured)
        if not measured.decides:
            ctx.warn(f"the judge only advises: {measured.reason}")
    decides = params.judge == "decides" and measured is not None and measured.decides
    labels = params.task.task(inputs.load.examples).labels
    if decides:
        rows += _adhering(params, inputs, standing, evidence, said, ctx)
    verdicts = [
        _verdict(params, candidate, evidence[candidate.id], said.get(candidate.id), decides, labels)
        for candidate in candidates
    ]
    return Judged((*verdicts, *rows))


def _adhering(
    params: JudgeParams,
    inputs: JudgeInputs,
    standing: Sequence[Candidate],
    evidence: Mapping[str, Evidence],
    said: dict[str, _Said],
    ctx: Context,
) -> list[Row]:
    """Add to what the judge says of candidates how far they do what their plans ask for, where a recipe wants it.

    It is asked of those alone that would be accepted: of no other can it change anything.
    """
    if params.adherence is None or inputs.name is None or inputs.strategy is None:
        return []
    free = {promise.name for promise in params.operators if not promise.follows_plan}
    planned = {strategy.id for strategy in inputs.strategy.strategies}
    asked = [
        c
        for c in standing
        if c.operator not in free
        and c.strategy in planned
        and (item := said[c.id].item) is not None
        and not decide(params, c, evidence[c.id], item=item, decides=True).reason
    ]
    found, dropped = adherence.adherences(
        params.task, params.adherence, params.rows_per_call, asked,
        inputs.name, inputs.strategy, ctx,
    )  # fmt: skip
    for name, (call, score) in found.items():
        one = said[name]
        item = one.item if score is None else {**(one.item or {}), "adherence": score}
        said[name] = one._replace(item=item, adherence_call=call)
    return dropped


def _evidence(inputs: JudgeInputs) -> dict[str, Evidence]:
    """Return what gates and blind answers say of each candidate."""
    answers = inputs.verify.by_candidate if inputs.verify else {}
    solved = inputs.solved.by_candidate if inputs.solved else {}
    return {
        gating.candidate: Evidence(
            gating,
            tuple(answers.get(gating.candidate, ())) if inputs.verify is not None else None,
            solved.get(gating.candidate),
        )
        for gating in inputs.gate.gatings
    }


def _known(inputs: JudgeInputs) -> JudgeCalibration | None:
    """Return the calibration that was made before, in an earlier attempt or an earlier round."""
    before = [inputs.first, *(attempt.judge for attempt in inputs.attempts)]
    made = (judged.calibration for judged in before if judged is not None)
    return next((one for one in made if one is not None), None)


def _anchors(
    params: JudgeParams, inputs: JudgeInputs, ctx: Context
) -> tuple[list[Anchor], JudgeCalibration | None]:
    """Return the rows by which the judge is calibrated; none, and that it cannot be, where there are too few."""
    settings = params.calibration
    anchors = anchors_of(params.task, inputs.load.examples, settings.anchors, ctx.seed, ctx)
    right = sum(anchor.is_right for anchor in anchors)
    wrong = len(anchors) - right
    if min(right, wrong) < fewest(settings.balanced_accuracy):
        # Nothing is asked that cannot change anything.
        return [], too_few(right, wrong, settings.balanced_accuracy)
    return anchors, None


def _ask(
    params: JudgeParams,
    inputs: JudgeInputs,
    standing: Sequence[Candidate],
    anchors: Sequence[Anchor],
    rows: list[Row],
    ctx: Context,
) -> dict[str, _Said]:
    """Return what the judge says of candidates and anchors; candidates that it leaves out are asked about alone."""
    items = _items(params, inputs, standing, anchors)
    if not items:
        return {}

    @cache
    def writer() -> Writer:
        conventions = inputs.name.conventions if inputs.name else ()
        write = Writer(
            params.task, params.briefing, params.schema, inputs.load.examples, conventions, ctx
        )
        if params.many:
            write.look_ahead(items)
        return write

    keys = [[ctx.seed, dict(item.inputs), item.target] for item in items]
    groups = calls_of(items, keys, params.rows_per_call)
    replies = ctx.ask("judge", (writer()(group) for group in groups))
    said: dict[str, _Said] = {}
    for group, reply in zip(groups, replies, strict=True):
        _read(group, reply, said, rows)
    again = [
        item
        for group in groups
        for item in group
        if len(group) > 1 and said[item.key].item is None and not item.anchor
    ]
    if again:
        alone = ctx.ask("judge", (writer()([item]) for item in again))
        for item, reply in zip(again, alone, strict=True):
            _read([item], reply, said, rows)
    return said


def _items(
    params: JudgeParams,
    inputs: JudgeInputs,
    standing: Sequence[Candidate],
    anchors: Sequence[Anchor],
) -> list[Item]:
    """Return what is asked about; an anchor looks like a candidate."""
    strategies = {s.id: s for s in inputs.strategy.strategies} if inputs.strategy else {}

    def followed(candidate: Candidate) -> str:
        strategy = strategies.get(candidate.strategy)
        if strategy is None:
            return COVERAGE_STRATEGY
        return strategy.contrast if is_contrast(candidate) else strategy.text

    return [
        *(
            Item(
                key=candidate.id,
                row=candidate.id,
                anchor=False,
                inputs=candidate.inputs,
                target=candidate.target,
                strategy=followed(candidate),
            )
            for candidate in standing
        ),
        *(
            Item(
                key=anchor_key(anchor),
                row=anchor.example.id,
                anchor=True,
                inputs=anchor.example.inputs,
                target=anchor.target,
                strategy=clearly(label_text(params.task, anchor.target))
                if params.task.labelled
                else COVERAGE_STRATEGY,
            )
            for anchor in anchors
        ),
    ]


def _read(
    group: Sequence[Item],
    reply: Completion,
    said: dict[str, _Said],
    rows: list[Row],
) -> None:
    """Keep what a reply says of the items of its call, and record what it leaves out or makes up."""
    if reply.value is None:
        failure = f"{reply.error}: {reply.detail}"
        said.update({item.key: _Said(None, reply.request, failure) for item in group})
        return
    asked = ids(len(group))
    found = by_id(reply.value, KEY, asked)
    shown = dict(zip(asked, group, strict=True))
    said.update(
        {item.key: _Said(found.items.get(name), reply.request) for name, item in shown.items()}
    )
    named = {name: item.row for name, item in shown.items()}
    rows.extend(drops("judge", found, named, reply.request))


def _verdict(
    params: JudgeParams,
    candidate: Candidate,
    evidence: Evidence,
    said: _Said | None,
    decides: bool,
    labels: Sequence[str],
) -> Verdict:
    promise = next(one for one in params.operators if one.name == candidate.operator)
    item = said.item if said is not None else None
    kind, settings = params.task.entry, params.task.settings
    # A row that was judged is one of its task, so its target can be read.
    own = kind.labels_in(candidate.target, settings) if item and labels else ()
    failure = None
    if said is not None and item is None:
        failure = said.failure or "asked again alone, the judge said nothing usable of it"
    decision = decide(
        params, candidate, evidence,
        item=item, failure=failure, decides=decides, keeps=not promise.follows_plan,
        others=[label for label in labels if label not in own],
    )  # fmt: skip
    scores = item or {}
    return Verdict(
        candidate=candidate.id,
        accepted=not decision.reason,
        reason=decision.reason or "accepted",
        detail=decision.detail,
        feedback=decision.feedback,
        adherence=scores.get("adherence"),
        utility=scores.get("utility"),
        relevance=scores.get("relevance"),
        judge_agrees=decision.agrees,
        similarity=evidence.gating.numbers.get("similarity"),
        neighbour=evidence.gating.numbers.get("neighbour"),
        call=said.call if said is not None else None,
        advice=evidence.gating.advice,
        agreement=evidence.agreement,
        label_correct=scores.get("label_correct"),
        naturalness=scores.get("naturalness"),
        adherence_call=said.adherence_call if said is not None else None,
        verified=_verified(params, candidate, evidence, item if decides else None),
    )


def _verified(
    params: JudgeParams, candidate: Candidate, evidence: Evidence, item: Mapping[str, Any] | None
) -> bool:
    """Return whether somebody besides its writer says that a row's target is right; `item`: what a judge decides by."""
    if candidate.label_source in ("column", "teacher", "judge"):
        return True
    if evidence.agreement is not None and evidence.agreement > MAJORITY:
        return True
    return item is not None and label_passes(params, item)


def _skips(params: JudgeParams) -> frozenset[str]:
    return frozenset({"judge", "embedder"}) if params.judge == "off" else frozenset()


def _unused(params: JudgeParams) -> frozenset[str]:
    return frozenset({adherence.PROMPT}) if params.adherence is None else frozenset()


def _sends(params: JudgeParams) -> Mapping[str, str]:
    anchored = params.judge == "decides"
    shown = "{candidates} ({inputs}, {target})"
    if KEY not in params.schema["properties"]:
        shown += ", strategies"
    if anchored:
        shown += ", train rows by which the judge is calibrated ({inputs}, {target})"
    return {
        "rows": shown,
        "plans": "names of patterns, strategies" if params.adherence is not None else "",
        "task": told_sends(params.task, conventions=params.conventions),
        "chosen": "",
        "labelled": "",
        # The reply's schema lists them where the judge answers itself.
        ALWAYS: "the labels" if params.task.labelled and KEY in params.schema["properties"] else "",
    }


def _expect(params: JudgeParams, situation: Situation) -> Forecast | None:
    if params.judge == "off":
        return None
    anchors = 2 * params.calibration.anchors if params.judge == "decides" else 0
    rows = situation.candidates.high + (anchors if situation.attempt == 1 else 0)
    calls = calls_for(rows, params.rows_per_call) if situation.candidates.high else 0
    if params.adherence is not None:
        calls += calls_for(situation.candidates.high, params.rows_per_call)
    reply = schemas.reply_tokens(schemas.per_row(params.schema, KEY, params.rows_per_call))
    shown = params.rows_per_call + (0 if params.task.labelled else ANSWERED)
    return Forecast(Range(0, calls), Range(1, shown), reply)


def _accounts(params: JudgeParams, inputs: JudgeInputs, output: Judged) -> Iterable[Account]:
    yield Account("candidates", len(inputs.generate.candidates), len(output.verdicts))


JUDGE = Stage(
    "judge", 10, JudgeParams, JudgeInputs, Judged, judge,
    description="Accepts or rejects each new row: by the gates, the blind answers, and the judge's marks.",
    asks=("judge", "embedder"),
    prompts={PROMPT: VARIABLES, adherence.PROMPT: adherence.VARIABLES},
    replies=("verdict", "adherence"),
    sends=_sends, embeds="{candidates}, train rows ({inputs})", skips=_skips, unused=_unused,
    expect=_expect, accounts=_accounts,
)  # fmt: skip
