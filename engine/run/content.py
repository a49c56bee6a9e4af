"""The hash of a node's rows: equal for equal results, whatever run or machine made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from engine.fingerprint import digest
from engine.rows import Model, Row
from engine.stages.outputs import Output

_NOT_RESULTS = {(Model, "seconds")}
"""Fields that measure the machine, not the result."""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _row(row: Row) -> dict[str, Any]:
    kind = type(row)
    return {
        f.name: _plain(getattr(row, f.name))
        for f in fields(row)
        if (kind, f.name) not in _NOT_RESULTS
    }


def content_hash(output: Output) -> str:
    """Return the hash over all rows, in order."""
    return digest([[row.table, _row(row)] for row in output.rows])
