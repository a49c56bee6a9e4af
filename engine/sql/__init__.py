"""Users' SQL: expressions, queries and patterns, checked and closed off; no file is read that a query does not name.

With the store the only package that touches DuckDB; knows nothing of recipes.
"""

from engine.sql.evaluation import (
    column_types,
    evaluate_aggregate,
    evaluate_condition,
    evaluate_conditions,
    evaluate_value,
)
from engine.sql.expressions import Fault, check_expression

__all__ = [
    "Fault",
    "check_expression",
    "column_types",
    "evaluate_aggregate",
    "evaluate_condition",
    "evaluate_conditions",
    "evaluate_value",
]
