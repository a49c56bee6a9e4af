"""Augmentation operators: a folder each, read by one interpreter; a new operator is a new folder and no Python.

Here: what `operator.yaml` may hold (`definition`), how a folder is read and checked (`folder`, `parameters`, `reply`),
where folders are looked for (`finding`), and what an operator asks a teacher for (`interpreter`). Not here: which calls
are made and what becomes of the rows; that is for the stages.
"""

from engine.operators.finding import Found, find_operators, look_for_operators
from engine.operators.interpreter import (
    read_rows,
    reply_schema,
    row_count,
    target_of,
    usable,
    variables_of,
)
from engine.operators.operator import SHARED, TARGET, NewRow, Operator, OperatorParams, Seed

__all__ = [
    "SHARED",
    "TARGET",
    "Found",
    "NewRow",
    "Operator",
    "OperatorParams",
    "Seed",
    "find_operators",
    "look_for_operators",
    "read_rows",
    "reply_schema",
    "row_count",
    "target_of",
    "usable",
    "variables_of",
]
