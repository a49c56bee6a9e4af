"""judge: every candidate gets one verdict, from rules first (they cost nothing) and the judge last.

Rules in order: well-formed; no near-duplicate of a training row or of an earlier candidate; no leak; close to its
seed, where the operator keeps the label; nearest labelled training rows agree with its target. The judge, a
model of its own, scores what is left for adherence, utility and relevance (PaDA-Agent, arXiv 2510.18143, quality
control). Feedback for the next attempt is written from the candidate's side and never quotes an evaluation row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unicodedata import category

from engine.backends.protocol import Completion
from engine.operators import OPERATORS
from engine.rows import Candidate, Example, Strategy, Verdict
from engine.stages.columns import task_of
from engine.stages.generate import longest, longest_of
from engine.stages.guard import LeakGuard, words
from engine.stages.protocol import Context, Inputs, Output, Stage
from engine.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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


def judge(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return exactly one `Verdict` per candidate of this attempt."""
    candidates = inputs.of("generate", Candidate)
    if not candidates:
        return Output(())
    examples = inputs.of("load", Example)
    task = task_of(params, examples)
    findings = [Finding() for _ in candidates]
    kind = TASKS[params["kind"]]
    targets = {e.target for e in examples if e.split == "train"}
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
    train = [e for e in examples if e.split == "train"]
    texts = [text_of(e.inputs) for e in train]
    known = Rows(
        texts, [e.target for e in train], ctx.embed(texts), {e.id: i for i, e in enumerate(train)}
    )
    _leaks(params, examples, candidates, findings, ctx)
    for candidate, finding, vector in zip(candidates, findings, vectors, strict=True):
        _closeness(params, candidate, finding, vector, known)
    _duplicates(params, inputs, candidates, findings, vectors, known, ctx)
    replies = _ask(params, inputs, candidates, findings, ctx)
    return Output(
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
    params: Mapping[str, Any],
    examples: Sequence[Example],
    candidates: Sequence[Candidate],
    findings: Sequence[Finding],
    ctx: Context,
) -> None:
    guard = LeakGuard(examples, ctx.embed, params["ngram"], params["quantile"])
    found = guard.check([text_of(c.inputs) for c in candidates])
    for candidate, finding, copied in zip(candidates, findings, found, strict=True):
        if why := copied or guard.check_target(candidate.target):
            # The feedback must not lead the generator to or around the evaluation row.
            finding.reject("leak", why, "Write about something else.")


def _closeness(
    params: Mapping[str, Any],
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
        low, high = params["similarity"]["low"], params["similarity"]["high"]
        detail = f"similarity to the seed row {finding.similarity:.3f}, wanted {low} to {high}"
        if finding.similarity < low:
            finding.reject("similarity", detail, "Too far from the original: keep its meaning.")
        elif finding.similarity > high:
            finding.reject("similarity", detail, "Too close to the original: change more words.")
    if params["neighbours"] and TASKS[params["kind"]].labelled:
        nearest = np.argsort(-similar, kind="stable")[: params["neighbours"]]
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
    params: Mapping[str, Any],
    inputs: Inputs,
    candidates: Sequence[Candidate],
    findings: Sequence[Finding],
    vectors: npt.NDArray[np.float32],
    known: Rows,
    ctx: Context,
) -> None:
    """Drop what repeats a training row, an earlier accepted row, or an earlier candidate that still stands."""
    import numpy as np

    accepted = [e for edge in inputs.edges("select.") for e in inputs.of(edge, Example)]
    texts = known.texts + [text_of(e.inputs) for e in accepted] + _accepted_texts(inputs)
    matrix = (
        np.vstack([known.vectors, ctx.embed(texts[len(known.texts) :])])
        if texts[len(known.texts) :]
        else known.vectors
    )
    same = {words(text) for text in texts}
    for candidate, finding, vector in zip(candidates, findings, vectors, strict=True):
        text = words(text_of(candidate.inputs))
        nearest = float((matrix @ vector).max())
        if text in same or nearest >= params["dedup"]:
            detail = (
                "equals an earlier row"
                if text in same
                else f"similarity {nearest:.3f} to an earlier row"
            )
            finding.reject("duplicate", detail, "There is such a row: write another.")
        if not finding.reason:
            same.add(text)
            matrix = np.vstack([matrix, vector[None, :]])


def _accepted_texts(inputs: Inputs) -> list[str]:
    """Return the texts that earlier attempts of this round had accepted."""
    found: list[str] = []
    for edge in inputs.edges("judge."):
        candidates = {
            c.id: c for c in inputs.of(f"generate.{edge.removeprefix('judge.')}", Candidate)
        }
        found.extend(
            text_of(candidates[v.candidate].inputs) for v in inputs.of(edge, Verdict) if v.accepted
        )
    return found


def _ask(
    params: Mapping[str, Any],
    inputs: Inputs,
    candidates: Sequence[Candidate],
    findings: Sequence[Finding],
    ctx: Context,
) -> list[Completion | None]:
    """Return the judge's replies, for the candidates that the rules let through."""
    if params["judge"] == "off":
        return [None] * len(candidates)
    strategies = {s.id: s for s in inputs.of("strategy", Strategy)}
    prompt = ctx.prompt("judge.md")
    standing = [i for i, finding in enumerate(findings) if not finding.reason]
    requests = [
        ctx.request(
            "judge",
            prompt,
            {
                "description": params["description"],
                "row": dict(candidates[i].inputs),
                "target": candidates[i].target,
                "strategy": strategies[candidates[i].strategy].text,
            },
            params["schema"],
        )
        for i in standing
    ]
    replies: list[Completion | None] = [None] * len(candidates)
    if requests:
        for i, reply in zip(standing, ctx.ask("judge", requests), strict=True):
            replies[i] = reply
    return replies


def _verdict(
    params: Mapping[str, Any], candidate: Candidate, finding: Finding, reply: Completion | None
) -> Verdict:
    scores: Mapping[str, Any] = reply.value if reply is not None and reply.value is not None else {}
    agrees: bool | None = None
    if scores:
        low = [name for name, least in params["minimum"].items() if scores[name] < least]
        agrees = not low
        if low and params["judge"] == "decides":
            detail = ", ".join(
                f"{name} {scores[name]} below {params['minimum'][name]}" for name in low
            )
            finding.reject(
                "judge", detail, str(scores["feedback"]).strip() or f"Improve: {detail}."
            )
    elif reply is not None and params["judge"] == "decides":
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


JUDGE = Stage("judge", 4, judge, asks=("judge", "embedder"), prompts=("judge.md",))
