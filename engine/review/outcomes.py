"""From what the store says of people's verdicts to what a plan takes."""

from __future__ import annotations

import json
from pathlib import Path

from engine.plan.building.reviews import Outcome, Reviews
from engine.report.facts.json_columns import text_values
from engine.store import outcome_rows


def reviews_of(state: Path, recipe: str) -> Reviews:
    """Return the settled verdicts on rows of a recipe; raises StoreError where the store cannot be read."""
    return Reviews(
        tuple(
            Outcome(
                example=row["example"],
                subject=row["subject"],
                verdict=row["verdict"],
                inputs=None if row["new_inputs"] is None else text_values(row["new_inputs"]),
                target=row["new_target"],
                places=tuple(
                    sorted(
                        {(seed, round) for one in row["places"] for seed, round in json.loads(one)}
                    )
                ),
                changes=row["changes"],
                made=row["made"],
                run=row["run"],
                reason=row["reason"],
                judge=row["judge"],
                judge_passes=row["judge_passes"],
                judge_share=row["judge_share"],
            )
            for row in outcome_rows(state, recipe)
            if row["verdict"] != "conflict"
        )
    )
