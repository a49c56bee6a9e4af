"""Stores for exports: the invented run of the reports, with what exports look at besides."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from engine import gate
from engine.store import FILE
from tests.report.invented import Invented, full, ident

CHECKED = ident("candidate", 0, 0, 1, 0)
"""A candidate of round 0 whose label all blind answers came to."""
MISTAKEN = ident("candidate", 0, 0, 1, 2)
"""A rejected one, which they all answered with another label."""


def run_with_verdicts() -> Invented:
    """Return a run of two rounds in which one row was verified, and one rejected for its label."""
    store = full()
    accept = "UPDATE verdict SET accepted = true, reason = 'accepted', verified = true WHERE candidate = ?"
    store.db.execute(accept, [CHECKED])
    reject = (
        "UPDATE verdict SET accepted = false, reason = 'verify', agreement = 0 WHERE candidate = ?"
    )
    store.db.execute(reject, [MISTAKEN])
    store.db.execute("DELETE FROM selected WHERE candidate IN (?, ?)", [CHECKED, MISTAKEN])
    store.db.execute("UPDATE candidate SET target = 'refund' WHERE id = ?", [MISTAKEN])
    select = ident("node", "select.0", 0)
    shared = {"node": select, "run": "r0001", "seed": 0, "round": 0}
    store.add("selected", **shared, candidate=CHECKED, example=ident("example", CHECKED))
    verify = store.node("verify.0.1", "verify", 0, 1)
    for sample in (1, 2):
        store.add(
            "verification", **verify, candidate=MISTAKEN, sample=sample, answer="track_order", second=None,
            agrees=0.0, how="blind", detail="", call=None,
        )  # fmt: skip
    return store


def changed(state: Path, to: Path, sql: str, *parameters: str) -> Path:
    """Return a copy of a state folder whose store one statement has changed: quicker than another store."""
    shutil.copytree(state, to)
    gate.trust_state(to)
    with duckdb.connect(to / FILE) as connection:
        connection.execute(sql, list(parameters))
    return to
