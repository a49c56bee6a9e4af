"""Augmentation operators, one file each; a new operator is one file and one line in `OPERATORS`."""

from engine.operators.counterfactual import COUNTERFACTUAL
from engine.operators.paraphrase import PARAPHRASE
from engine.operators.protocol import (
    TARGET,
    WRITTEN,
    NewRow,
    Operator,
    OperatorParams,
    Seed,
    read_rows,
)
from engine.operators.similar import SIMILAR
from engine.registry import Registry

OPERATORS: Registry[Operator] = Registry("operator", [COUNTERFACTUAL, PARAPHRASE, SIMILAR])

__all__ = [
    "OPERATORS",
    "TARGET",
    "WRITTEN",
    "NewRow",
    "Operator",
    "OperatorParams",
    "Seed",
    "read_rows",
]
