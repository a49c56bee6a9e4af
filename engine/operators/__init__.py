"""Augmentation operators: a folder each, read by one interpreter; a new operator is a new folder and no Python.

Here: what `operator.yaml` may hold (`definition`), how a folder is read and checked (`folder`, `parameters`, `reply`),
where folders are looked for (`finding`), what an operator asks a teacher for (`interpreter`), and the programs that
make rows without one (`making`). Not here: which calls are made and what becomes of the rows; that is for the stages.
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
    samples_per_call,
    variables_of,
)
from engine.operators.making import ROW_FUNCTIONS, Copies, Made, Material, NotMade, RowFunction
from engine.operators.operator import (
    ITEM_KEYS,
    MINED,
    SHARED,
    TARGET,
    Assignment,
    KnownRow,
    NewRow,
    Operator,
    OperatorParams,
    RowKind,
    RowSpec,
    Unread,
)
from engine.operators.shared import SHARED_LINES

__all__ = [
    "ITEM_KEYS",
    "MINED",
    "ROW_FUNCTIONS",
    "SHARED",
    "SHARED_LINES",
    "TARGET",
    "Assignment",
    "Copies",
    "Found",
    "KnownRow",
    "Made",
    "Material",
    "NewRow",
    "NotMade",
    "Operator",
    "OperatorParams",
    "RowFunction",
    "RowKind",
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
    "samples_per_call",
    "variables_of",
]
