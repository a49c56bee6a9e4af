"""Augmentation operators, one file each; a new operator is one file and one line in `OPERATORS`."""

from engine.operators.counterfactual import COUNTERFACTUAL
from engine.operators.paraphrase import PARAPHRASE
from engine.operators.protocol import NewRow, Operator, OperatorParams, Seed, read_rows
from engine.registry import Registry

OPERATORS: Registry[Operator] = Registry("operator", [COUNTERFACTUAL, PARAPHRASE])

__all__ = ["OPERATORS", "NewRow", "Operator", "OperatorParams", "Seed", "read_rows"]
