"""Augmentation operators: a folder each, read by one interpreter; a new operator is a new folder and no Python.

Here: what `operator.yaml` may hold (`definition`), how a folder is read and checked (`folder`, `parameters`, `reply`),
where folders are looked for (`finding`), and what an operator asks a teacher for (`interpreter`). Not here: which calls
are made and what becomes of the rows; that is for the stages.
"""

from engine.operators.finding import Found, find_operators, look_for_operators
from engine.operators.interpreter import (
    brings_target,
    example_count,
    itemised,
    read_rows,
    reply_schema,
    rows_per_call,
    rows_per_seed,
    shows_seed,
    variables_of,
)
from engine.operators.operator import (
    ITEM_KEYS,
    SHARED,
    TARGET,
    Assignment,
    KnownRow,
    NewRow,
    Operator,
    OperatorParams,
    RowSpec,
    Unread,
)

__all__ = [
    "ITEM_KEYS",
    "SHARED",
    "TARGET",
    "Assignment",
    "Found",
    "KnownRow",
    "NewRow",
    "Operator",
    "OperatorParams",
    "RowSpec",
    "Unread",
    "brings_target",
    "example_count",
    "find_operators",
    "itemised",
    "look_for_operators",
    "read_rows",
    "reply_schema",
    "rows_per_call",
    "rows_per_seed",
    "shows_seed",
    "variables_of",
]
