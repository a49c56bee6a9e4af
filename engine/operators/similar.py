"""Similar: new rows of the kind that the student fails at, each with its own right answer.

The generation step of PaDA-Agent (arXiv 2510.18143) for tasks whose targets are no labels: from training rows in
similar contexts, guided by the strategy of a failure pattern, the teacher writes rows with their answers. What a row
must be is checked by its task kind: a span stands in its context, a number is what the reasoning comes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from engine.operators.protocol import TARGET, WRITTEN, Operator, OperatorParams, Seed


class Params(OperatorParams):
    """Parameters of `similar`."""

    variants: int = Field(default=1, ge=1, le=10)
    """Rows asked for in one call."""
    examples: int = Field(default=2, ge=0, le=20)
    """Training rows that are shown besides the seed."""


def _target(seed: Seed) -> str:
    return WRITTEN


def _variables(seed: Seed, target: str, params: Params) -> Mapping[str, Any]:
    others = [row for row in seed.train if row.id != seed.row.id]
    start = (seed.draw * params.examples) % max(len(others), 1)
    shown = [*(others[start:] + others[:start])[: params.examples], seed.row]
    return {
        "examples": [{**row.inputs, TARGET: row.target} for row in shown],
        "count": params.variants,
    }


def _count(params: Params) -> int:
    return params.variants


SIMILAR = Operator(
    name="similar",
    version=1,
    description="New rows like a training row, each with its own right answer.",
    label="change",
    params=Params,
    prompt="operators/similar.md",
    target=_target,
    variables=_variables,
    count=_count,
)
