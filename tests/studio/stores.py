"""Stores for the studio's tests: what `tests.report.invented` makes, and one whose rows and labels are anything."""

from __future__ import annotations

import json
from pathlib import Path

from tests.report import invented
from tests.report.invented import Invented, ident
from tests.report.warned import warn

LONG = "A sentence that goes on. " * 4_000
"""100,000 characters."""
UNSEEN = "pay\u202efdp.exe\u200b now"
URLS = "javascript:alert(3) data:text/html,<script>alert(4)</script> [see](javascript:alert(5)) //evil.example/x.png"
STYLES = (
    "</style><style>*{display:none}</style><link rel=stylesheet href=//evil.example/x.css> {{7*7}} ${alert(6)}"
    ' " style="background:url(//evil.example/y)" onmouseover="alert(7)'
)
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>{@html x}"
TEXTS = (
    HOSTILE,
    LONG,
    "أريد إلغاء طلبي واسترداد المبلغ من فضلك",
    "👩‍👩‍👧‍👦 my parcel 📦 never came 😡🇫🇷",
    "x" * 3_000,
    UNSEEN,
    "line one\nline two\n\n\tindented",
    "",
    URLS,
    STYLES,
)
LABELS = [f"label_{number:03d}" for number in range(197)] + [HOSTILE, "تغيير العنوان", "🙂"]
"""200 of them."""


def hostile() -> Invented:
    """Return a store whose first validation rows are `TEXTS`, with a student that answers any of 200 labels."""
    store = invented.full(rounds=1, control=True)
    db = store.db
    for number, text in enumerate(TEXTS):
        db.execute(
            "UPDATE example SET inputs = ? WHERE split = 'validation' AND id = ?",
            [json.dumps({"text": text}), ident("validation", number)],
        )
    db.execute(
        "CREATE TEMP TABLE named AS SELECT unnest(?::VARCHAR[]) AS label, unnest(range(200)) AS at",
        [LABELS],
    )
    for table, column in (
        ("prediction", "answer"),
        ("failure", "answer"),
        ("example", "target"),
        ("failure", "target"),
    ):
        row = "id" if table == "example" else "example"
        shift = 0 if column == "target" else 7
        db.execute(
            f"UPDATE {table} SET {column} = n.label FROM named n"
            f" WHERE n.at = (hash({table}.{row}) + {shift} * ({column} <> '')::INTEGER) % 200 AND {column} IS NOT NULL"
        )
    db.execute(
        "UPDATE pattern SET name = ?, description = ? WHERE name = 'Negated wish'", [HOSTILE, LONG]
    )
    db.execute(
        "UPDATE diagnosis SET root_cause = ? WHERE id IN (SELECT min(id) FROM diagnosis)",
        [HOSTILE + LONG],
    )
    warn(db, [(f"{HOSTILE}.csv", UNSEEN), ("rows.csv", LONG[:3_000]), ("rows.csv", TEXTS[2])])
    return store


def save(store: Invented, state: Path) -> Path:
    """Write a store's state folder; return it."""
    store.save(state)
    return state
