"""Counterfactual: a row in the setting of a training row, changed so that another label is right.

The generation step of PaDA-Agent (arXiv 2510.18143): the strategy of a failure pattern guides counterfactual
examples in similar contexts. The new label is one that the pattern is about; training rows that carry it are
shown as examples of its wording.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from engine.operators.protocol import Operator, OperatorParams, Seed


class Params(OperatorParams):
    """Parameters of `counterfactual`."""

    variants: int = Field(default=2, ge=1, le=10)
    """Rows asked for in one call."""
    examples: int = Field(default=3, ge=1, le=20)
    """Training rows of the new label that are shown."""


def _target(seed: Seed) -> str | None:
    others = [label for label in seed.labels if label != seed.row.target]
    return others[seed.draw % len(others)] if others else None


def _variables(seed: Seed, target: str, params: Params) -> Mapping[str, Any]:
    of_target = [row for row in seed.train if row.target == target]
    start = seed.draw % max(len(of_target), 1)
    shown = (of_target[start:] + of_target[:start])[: params.examples]
    return {
        "row": dict(seed.row.inputs),
        "label": seed.row.target,
        "target": target,
        "examples": [dict(row.inputs) for row in shown],
        "count": params.variants,
    }


def _count(params: Params) -> int:
    return params.variants


COUNTERFACTUAL = Operator(
    name="counterfactual",
    version=1,
    description="A row in the setting of a training row for which another label is right.",
    label="change",
    params=Params,
    prompt="operators/counterfactual.md",
    target=_target,
    variables=_variables,
    count=_count,
    needs_labels=True,
)
