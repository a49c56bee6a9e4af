"""One call of a language model, whole: what `pada calls show` prints and the studio shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import StoreError
from engine.store import rows

CANDIDATES = 8
"""Calls that are named when an id fits none or several."""

_FOUND = """
SELECT k.*, n.name AS node_name, n.stage FROM llm_call k LEFT JOIN node n ON n.id = k.node
WHERE k.id = ? ORDER BY k.created
"""
_USED = " UNION ALL ".join(
    f"SELECT '{table}' AS what, t.{key} AS item, t.{about} AS about, n.name AS node, t.position "
    f"FROM {table} t LEFT JOIN node n ON n.id = t.node WHERE t.call = ?"
    for table, key, about in (
        ("diagnosis", "id", "example"),
        ("pattern", "id", "name"),
        ("strategy", "id", "pattern"),
        ("candidate", "id", "parent"),
        ("verdict", "candidate", "reason"),
    )
)


def find_call(state: Path, prefix: str) -> list[dict[str, Any]]:
    """Return all entries of the one request whose id begins with `prefix`, oldest first.

    JSON columns (`messages`, `schema`, `tries`) are parsed.

    Raises:
        StoreError: no id begins so, or several do; the hint names candidates.
    """
    begins = rows(
        state,
        "SELECT id, any_value(role) AS role, max(created) AS created FROM llm_call WHERE starts_with(id, ?)"
        " GROUP BY id ORDER BY created DESC, id LIMIT ?",
        [prefix.strip().lower(), CANDIDATES + 1],
    )
    if not begins:
        latest = rows(
            state,
            "SELECT id, any_value(role) AS role, max(created) AS created FROM llm_call GROUP BY id"
            " ORDER BY levenshtein(left(id, ?), ?), created DESC LIMIT 3",
            [max(1, len(prefix)), prefix],
        )
        raise StoreError(
            f"no call's id begins with '{prefix}'",
            _candidates("the nearest", latest) or "the store has no calls yet",
        )
    if len(begins) > 1:
        several = f"{CANDIDATES} or more" if len(begins) > CANDIDATES else str(len(begins))
        raise StoreError(
            f"the ids of {several} calls begin with '{prefix}'",
            _candidates("add more digits", begins[:CANDIDATES]),
        )
    entries = rows(state, _FOUND, [begins[0]["id"]])
    for entry in entries:
        for column in ("messages", "schema", "tries"):
            entry[column] = None if entry[column] is None else json.loads(entry[column])
    return entries


def made_from(state: Path, call: str) -> list[dict[str, Any]]:
    """Return the rows that came of a call, by its whole id: what they are, their id, what about, by which node."""
    return rows(state, f"{_USED} ORDER BY node, what, position", [call] * _USED.count("?"))


def _candidates(head: str, calls: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"  {call['id']}  {call['created']:%Y-%m-%d %H:%M:%S}  {call['role']}" for call in calls
    ]
    return "\n    ".join([f"{head}:", *lines]) if calls else ""
