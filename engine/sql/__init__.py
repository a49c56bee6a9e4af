"""Users' SQL on in-memory tables, and the readers of data files: checked and closed off."""

from engine.sql.evaluation import (
    column_types,
    evaluate_aggregate,
    evaluate_condition,
    evaluate_value,
)
from engine.sql.expressions import Fault, check_expression

__all__ = [
    "Fault",
    "check_expression",
    "column_types",
    "evaluate_aggregate",
    "evaluate_condition",
    "evaluate_value",
]
