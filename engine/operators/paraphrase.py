"""Paraphrase: say the same thing in other words, keep the label.

The operator of AugGPT (Dai et al., arXiv 2302.13007, section 3.2), which rephrases every training sentence
into variants of the same class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from engine.operators.protocol import Operator, OperatorParams, Seed


class Params(OperatorParams):
    """Parameters of `paraphrase`."""

    variants: int = Field(default=3, ge=1, le=10)
    """Rewordings asked for in one call."""


def _target(seed: Seed) -> str:
    return seed.row.target


def _variables(seed: Seed, target: str, params: Params) -> Mapping[str, Any]:
    return {"row": dict(seed.row.inputs), "target": target, "count": params.variants}


def _count(params: Params) -> int:
    return params.variants


PARAPHRASE = Operator(
    name="paraphrase",
    version=1,
    description="Reword a training row; the label stays.",
    label="keep",
    params=Params,
    prompt="operators/paraphrase.md",
    target=_target,
    variables=_variables,
    count=_count,
)
