"""What was answered for what: the confusion matrix of one round and split, each cell leading to its rows."""

from __future__ import annotations

from typing import Any

from engine.report.facts.collect import find_run
from engine.report.formatting import round_label
from engine.store import Stop, reader
from engine.studio.asked import Asked
from engine.studio.explore.kept import first_shown, kept_rounds
from engine.studio.settings import Settings

PAIRS = 50_000
"""Most cells; the most frequent mistakes are among them."""


def confusion(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the matrix of a run's round and split, over its seeds; of the kept student on validation when left out."""
    run = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        _, recipe = find_run(query, run)
        kept = kept_rounds(query, run, recipe)
        there = query(
            "SELECT DISTINCT round, split FROM all_confusion WHERE run = ? ORDER BY round, split",
            [run],
        )
        rounds = sorted({one["round"] for one in there})
        splits = sorted({one["split"] for one in there})
        round_ = asked.maybe_number("round")
        round_ = first_shown(kept, rounds) if round_ is None else round_
        split = asked.text("split") or (
            "validation" if "validation" in splits else next(iter(splits), "")
        )
        cells = query(
            "SELECT target, answer, sum(n)::BIGINT AS n FROM all_confusion WHERE run = ? AND round = ? AND split = ?"
            " GROUP BY target, answer ORDER BY target IS DISTINCT FROM answer DESC, n DESC, target, answer LIMIT ?",
            [run, round_, split, PAIRS],
        )
    return {
        "kept": kept,
        "rounds": [{"round": r, "label": round_label(r)} for r in rounds],
        "splits": splits,
        "round": round_,
        "split": split,
        "cells": cells,
    }
