"""gate: what every gate says of each candidate, before anybody is asked about it.

The gates are those of `engine.stages.quality`, in their order; they ask no model but the embedder. Reads the candidates
of one attempt and the rows that they are compared with; writes one `Gating` per candidate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.identity import Params
from engine.judging import Gating
from engine.rows import Candidate
from engine.spec.parts import GateMode
from engine.stages.outputs import Attempt, Gated, Generated, Loaded, SelectedRows
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.quality import GATES, AnyGate, Batch, GateResult, SeedRule, apply_gates
from engine.stages.task_view import TaskView

MANY = 50_000
"""Candidates of an attempt up to which each is compared by itself; where more may come they are compared in blocks."""


@dataclass(frozen=True, kw_only=True)
class UsedGate(Params):
    """A gate as a recipe uses it."""

    name: str
    version: int
    settings: Any
    """What `Gate.settings` makes of the recipe: a model or nothing."""
    mode: GateMode = "reject"
    """Whether what it finds rejects a candidate, or is advice."""

    @property
    def entry(self) -> AnyGate:
        """The gate itself."""
        return GATES[self.name]


@dataclass(frozen=True, kw_only=True)
class GateParams(Params):
    """The task, and the gates."""

    task: TaskView
    gates: tuple[UsedGate, ...]
    """In the order in which they are asked; those that are off are left out."""
    seed_rules: tuple[SeedRule, ...] = ()
    """Of the operators whose rows are made from training rows."""
    many: bool = False
    """Whether more candidates may come than are compared one by one (`MANY`)."""


@dataclass(frozen=True)
class GateInputs(Inputs):
    """The candidates, and all rows that they must not repeat."""

    load: Loaded
    generate: Generated
    attempts: tuple[Attempt, ...] = ()
    """Earlier ones of this round."""
    earlier: tuple[SelectedRows, ...] = ()
    """What earlier rounds added."""


def gate(params: GateParams, inputs: GateInputs, ctx: Context) -> Gated:
    """Return exactly one `Gating` per candidate of this attempt."""
    candidates = inputs.generate.candidates
    if not candidates:
        return Gated()
    results = apply_gates(
        _batch(params, inputs, ctx),
        [(used.entry, used.settings, used.mode) for used in params.gates],
    )
    return Gated(tuple(map(_gating, candidates, results)))


def _batch(params: GateParams, inputs: GateInputs, ctx: Context) -> Batch:
    examples = inputs.load.examples
    accepted = [(e.inputs, e.target) for selected in inputs.earlier for e in selected.examples]
    accepted += [(c.inputs, c.target) for attempt in inputs.attempts for c in attempt.accepted]
    return Batch(
        candidates=inputs.generate.candidates,
        kind=params.task.entry,
        task=params.task.task(examples),
        train=inputs.load.train,
        accepted=accepted,
        seed_rules=params.seed_rules,
        many=params.many,
        embed=ctx.embed,
        leak_guard=lambda ngram, quantile: ctx.leak_guard(
            params.task.entry, examples, ngram, quantile
        ),
    )


def _gating(candidate: Candidate, result: GateResult) -> Gating:
    return Gating(
        candidate=candidate.id,
        reason=result.reason,
        detail=result.detail,
        feedback=result.feedback,
        advice=dict(result.advice),
        numbers=dict(result.numbers),
    )


def _accounts(params: GateParams, inputs: GateInputs, output: Gated) -> Iterable[Account]:
    yield Account("candidates", len(inputs.generate.candidates), len(output.gatings))


GATE = Stage(
    "gate", 2, GateParams, GateInputs, Gated, gate,
    description="What each gate says of a new row, such as that it copies a row or gives one of test away.",
    asks=("embedder",), embeds="{candidates}, rows of all splits ({inputs})", accounts=_accounts,
)  # fmt: skip
