"""A store whose first run began although the check had warned."""

from __future__ import annotations

import json
from collections.abc import Sequence

import duckdb


def warn(db: duckdb.DuckDBPyConnection, said: Sequence[tuple[str, str]]) -> None:
    """Have the check warned of the first run: the file, and what of it."""
    warnings = [
        {"file": file, "line": 3, "column": 1, "code": "language", "message": text, "hint": text}
        for file, text in said
    ]
    db.execute(
        "INSERT INTO provenance BY NAME SELECT 'r0001' AS run, '' AS version, '' AS resolved, '' AS digest,"
        " '' AS project, '' AS file, '{}' AS vars, [] AS places, '{}' AS settings, '[]' AS packages,"
        " '{}' AS models, '{}' AS data, '{}' AS hardware, ? AS warnings",
        [json.dumps(warnings)],
    )
