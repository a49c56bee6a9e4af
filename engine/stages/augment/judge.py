"""judge: every candidate gets one verdict, from rules first (they cost nothing) and the judge last.

Rules in order: well-formed; no near-duplicate of a training row or of an earlier candidate; no leak; close to its
seed, where the operator keeps the label; nearest labelled training rows agree with its target. The judge, a
model of its own, scores what is left for adherence, utility and relevance (PaDA-Agent, arXiv 2510.18143, quality
control). Feedback for the next attempt is written from the candidate's side and never quotes an evaluation row.

Reads the candidates of one attempt and the rows that they are compared with; writes one `Verdict` per candidate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import category

from engine.backends.protocol import Completion
from engine.identity import Params
from engine.operators import OPERATORS
from engine.rows import Candidate, Example, Verdict
from engine.spec.recipe import Minimum, Similarity
from engine.stages import schemas
from engine.stages.augment.generate import longest, longest_of
from engine.stages.forecast import Forecast, Range, Situation, bounded
from engine.stages.outputs import Attempt, Drafted, Generated, Judged, Loaded, SelectedRows
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.quality.leak_guard import GuardParams, words
from engine.stages.task_view import TaskView

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PROMPT = "judge.md"


@dataclass(frozen=True, kw_only=True)
class JudgeParams(Params):
    """The task, and what a candidate must pass."""

    task: TaskView
    guard: GuardParams
    judge: Literal["decides", "advises", "off"]
    minimum: Minimum
    """The judge's scores below which a candidate is rejected."""
    similarity: Similarity
    """To the seed row, for operators that keep the label."""
    neighbours: int
    """Nearest training rows of which most must carry the candidate's target; 0 turns this off."""
    dedup: float
    """Cosine similarity from which two rows count as the same."""
    schema: schemas.Schema


@dataclass(frozen=True)
class JudgeInputs(Inputs):
    """The candidates, their strategies, and all rows that they must not repeat."""

    load: Loaded
    strategy: Drafted
    generate: Generated
    attempts: tuple[Attempt, ...] = ()
    """Earlier ones of this round."""
    earlier: tuple[SelectedRows, ...] = ()
    """What earlier rounds added."""


_BROKEN = frozenset({"Cc", "Cs", "Co", "Cn"})
"""Unicode's categories of what is no text; spaces and joiners, which many scripts need, are."""


@dataclass(slots=True)
class Finding:
    """What the rules found about one candidate; `reason` is the first rule that rejects it."""

    reason: str = ""
    detail: str = ""
    feedback: str = ""
    similarity: float | None = None
    neighbour: float | None = None

    def reject(self, reason: str, detail: str, feedback: str) -> None:
        """Note the first rejection; later ones change nothing."""
        if not self.reason:
            self.reason, self.detail, self.feedback = reason, detail, feedback


@dataclass(slots=True)
class Rows:
    """The rows that candidates are compared with, and their embeddings."""

    texts: list[str]
    targets: list[str]
    vectors: npt.NDArray[np.float32]
    where: dict[str, int] = field(default_factory=dict)
    """Row id -> index."""


def text_of(inputs: Mapping[str, str]) -> str:
    """Return a row's inputs as one text, as they are embedded and compared."""
    return "\n".join(inputs.values())


def judge(params: JudgeParams, inputs: JudgeInputs, ctx: Context) -> Judged:
    """Return exactly one `Verdict` per candidate of this attempt."""
    candidates = inputs.generate.candidates
    if not candidates:
        return Judged()
    examples = inputs.load.examples
    task, kind = params.task.task(examples), params.task.entry
    findings = [Finding() for _ in candidates]
    train = inputs.load.train
    targets = {e.target for e in train}
    most = longest(examples)
    most_target = kind.target_schema(task, longest_of(targets)).get("maxLength")
    for candidate, finding in zip(candidates, findings, strict=True):
        written = [(text, most) for text in candidate.inputs.values()]
        if most_target and candidate.target not in targets:
            written.append((candidate.target, most_target))
        broken = (why for text, limit in written if (why := unclean(text, limit)))
        if why := kind.malformed(candidate.inputs, candidate.target, task) or next(broken, None):
            finding.reject("malformed", why, f"The row is not usable: {why}.")
    vectors = ctx.embed([text_of(c.inputs) for c in candidates])
    texts = [text_of(e.inputs) for e in train]
    known = Rows(
        texts, [e.target for e in train], ctx.embed(texts), {e.id: i for i, e in enumerate(train)}
    )
    _leaks(params, examples, candidates, findings, ctx)
    for candidate, finding, vector in zip(candidates, findings, vectors, strict=True):
        _closeness(params, candidate, finding, vector, known)
    _duplicates(params, inputs, candidates, findings, vectors, known, ctx)
    replies = _ask(params, inputs, candidates, findings, ctx)
    return Judged(
        tuple(
            _verdict(params, candidate, finding, reply)
            for candidate, finding, reply in zip(candidates, findings, replies, strict=True)
        )
    )


def unclean(text: str, most: int) -> str | None:
    """Return what gives a written text away as broken: control characters, or an end at its schema's length limit."""
    if any(category(c) in _BROKEN and c not in "\n\t\r" for c in text):
        return "it has control characters"
    return f"it was cut at {most} characters" if len(text) >= most - 1 else None


def _leaks(
    params: JudgeParams,
    examples: Sequence[Example],
    candidates: Sequence[Candidate],
    findings: Sequence[Finding],
    ctx: Context,
) -> None:
    guard = ctx.leak_guard(examples, params.guard.ngram, params.guard.quantile)
    found = guard.check([text_of(c.inputs) for c in candidates])
    for candidate, finding, copied in zip(candidates, findings, found, strict=True):
        if why := copied or guard.check_target(candidate.target):
            # The feedback must not lead the generator to or around the evaluation row.
            finding.reject("leak", why, "Write about something else.")


def _closeness(
    params: JudgeParams,
    candidate: Candidate,
    finding: Finding,
    vector: npt.NDArray[np.float32],
    known: Rows,
) -> None:
    """Compare with the seed row and with the nearest labelled training rows."""
    import numpy as np

    similar = known.vectors @ vector
    finding.similarity = float(similar[known.where[candidate.parent]])
    if OPERATORS[candidate.operator].label == "keep":
        low, high = params.similarity.low, params.similarity.high
        detail = f"similarity to the seed row {finding.similarity:.3f}, wanted {low} to {high}"
        if finding.similarity < low:
            finding.reject("similarity", detail, "Too far from the original: keep its meaning.")
        elif finding.similarity > high:
            finding.reject("similarity", detail, "Too close to the original: change more words.")
    if params.neighbours and params.task.labelled:
        nearest = np.argsort(-similar, kind="stable")[: params.neighbours]
        agree = [known.targets[int(i)] == candidate.target for i in nearest]
        finding.neighbour = sum(agree) / len(agree)
        if 2 * sum(agree) <= len(agree):
            others = Counter(t for i in nearest if (t := known.targets[int(i)]) != candidate.target)
            names = ", ".join(name for name, _ in others.most_common())
            finding.reject(
                "neighbours",
                f"{sum(agree)} of {len(agree)} nearest training rows are {candidate.target} (the others: {names})",
                f"It reads like {others.most_common(1)[0][0]}: make it clearly {candidate.target}.",
            )


def _duplicates(
    params: JudgeParams,
    inputs: JudgeInputs,
    candidates: Sequence[Candidate],
    findings: Sequence[Finding],
    vectors: npt.NDArray[np.float32],
    known: Rows,
    ctx: Context,
) -> None:
    """Drop what repeats a training row, an earlier accepted row, or an earlier candidate that still stands."""
    import numpy as np

    accepted = [e for selected in inputs.earlier for e in selected.examples]
    texts = (
        known.texts
        + [text_of(e.inputs) for e in accepted]
        + [text_of(c.inputs) for attempt in inputs.attempts for c in attempt.accepted]
    )
    matrix = (
        np.vstack([known.vectors, ctx.embed(texts[len(known.texts) :])])
        if texts[len(known.texts) :]
        else known.vectors
    )
    same = {words(text) for text in texts}
    for candidate, finding, vector in zip(candidates, findings, vectors, strict=True):
        text = words(text_of(candidate.inputs))
        nearest = float((matrix @ vector).max())
        if text in same or nearest >= params.dedup:
            detail = (
                "equals an earlier row"
                if text in same
                else f"similarity {nearest:.3f} to an earlier row"
            )
            finding.reject("duplicate", detail, "There is such a row: write another.")
        if not finding.reason:
            same.add(text)
            matrix = np.vstack([matrix, vector[None, :]])


def _ask(
    params: JudgeParams,
    inputs: JudgeInputs,
    candidates: Sequence[Candidate],
    findings: Sequence[Finding],
    ctx: Context,
) -> list[Completion | None]:
    """Return the judge's replies, for the candidates that the rules let through."""
    if params.judge == "off":
        return [None] * len(candidates)
    strategies = {s.id: s for s in inputs.strategy.strategies}
    prompt = ctx.prompt(PROMPT)
    standing = [i for i, finding in enumerate(findings) if not finding.reason]
    requests = [
        ctx.request(
            "judge",
            prompt,
            {
                "description": params.task.description,
                "row": dict(candidates[i].inputs),
                "target": candidates[i].target,
                "strategy": strategies[candidates[i].strategy].text,
            },
            params.schema,
        )
        for i in standing
    ]
    replies: list[Completion | None] = [None] * len(candidates)
    if requests:
        for i, reply in zip(standing, ctx.ask("judge", requests), strict=True):
            replies[i] = reply
    return replies


def _verdict(
    params: JudgeParams, candidate: Candidate, finding: Finding, reply: Completion | None
) -> Verdict:
    scores: Mapping[str, Any] = reply.value if reply is not None and reply.value is not None else {}
    agrees: bool | None = None
    minimum = params.minimum.model_dump()
    if scores:
        low = [name for name, least in minimum.items() if scores[name] < least]
        agrees = not low
        if low and params.judge == "decides":
            detail = ", ".join(f"{name} {scores[name]} below {minimum[name]}" for name in low)
            finding.reject(
                "judge", detail, str(scores["feedback"]).strip() or f"Improve: {detail}."
            )
    elif reply is not None and params.judge == "decides":
        finding.reject("judge_failed", f"{reply.error}: {reply.detail}", "")
    return Verdict(
        candidate=candidate.id,
        accepted=not finding.reason,
        reason=finding.reason or "accepted",
        detail=finding.detail,
        feedback=finding.feedback,
        adherence=scores.get("adherence"),
        utility=scores.get("utility"),
        relevance=scores.get("relevance"),
        judge_agrees=agrees,
        similarity=finding.similarity,
        neighbour=finding.neighbour,
        call=reply.request if reply is not None else None,
    )


def _skips(params: JudgeParams) -> frozenset[str]:
    return frozenset({"judge"}) if params.judge == "off" else frozenset()


def _sends(params: JudgeParams) -> Mapping[str, str]:
    return {
        "row": "generated rows ({inputs})",
        "target": "their {target}",
        "strategy": "strategies",
    }


def _expect(params: JudgeParams, situation: Situation) -> Forecast | None:
    if params.judge == "off":
        return None
    reply = bounded(schemas.token_limit(params.schema))
    return Forecast(Range(0, situation.candidates.high), Range(1, 1), reply)


def _accounts(params: JudgeParams, inputs: JudgeInputs, output: Judged) -> Iterable[Account]:
    yield Account("candidates", len(inputs.generate.candidates), len(output.verdicts))


JUDGE = Stage(
    "judge", 4, JudgeParams, JudgeInputs, Judged, judge,
    asks=("judge", "embedder"),
    prompts={PROMPT: frozenset({"description", "row", "target", "strategy"})},
    sends=_sends, embeds="generated rows and rows of all splits ({inputs})", skips=_skips,
    expect=_expect, accounts=_accounts,
)  # fmt: skip
