"""The rows that a run trained on: original ones and those it wrote, each with where it is from and who checked it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import EngineError
from engine.export.data.labels import LabelStatus, label_status
from engine.export.run import FinishedRun
from engine.report.facts.json_columns import text_values
from engine.rows import Example

Origin = Literal["original", "synthetic", "mined"]
"""synthetic: written for the run; mined: taken from the recipe's pool, and labelled for the run."""
_ORIGINS: Mapping[str, Origin] = {
    "original": "original",
    "generated": "synthetic",
    "mined": "mined",
}
_LATEST = "SELECT seed, max(round) AS round FROM all_training_rows WHERE run = ? GROUP BY seed ORDER BY seed"
_ROWS = """
SELECT t.origin, t.example, t.inputs, t.target, t.source, t.line, t.made_in, t.candidate, t.parent, t.operator,
  t.label_source, t.verified, p.name AS pattern
FROM all_training_rows t
LEFT JOIN all_failure_patterns p ON p.run = t.run AND p.seed = t.seed AND p.round = t.made_in AND p.pattern = t.pattern
WHERE t.run = ? AND t.seed = ? AND t.round = ?
ORDER BY t.origin DESC, t.source, t.line, t.made_in, t.candidate
"""
_ROLLED_BACK = (
    "SELECT d.seed, d.best_round, d.round FROM decision d JOIN all_run_rows r USING (node)"
    " WHERE r.run = ? AND d.rolled_back"
)


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """One row, with what is known of it."""

    example: Example
    origin: Origin
    label: LabelStatus
    label_source: str
    """Who gave the label: data, writer, neighbours, teacher, judge, or column (a person, in the pool)."""
    seed: int
    """The loop's; of an original row the first that trained on it."""
    round: int | None = None
    """That wrote it; None for an original row."""
    operator: str | None = None
    pattern: str | None = None
    """Name of the failure pattern that it was written against."""
    parent: str | None = None
    """Id of the training row that it was made from."""

    @property
    def meta(self) -> dict[str, Any]:
        """What stands beside a row in every layout; the names cannot be those of the data's own columns."""
        e = self.example
        return {
            "pada_id": e.id,
            "pada_origin": self.origin,
            "pada_label": self.label,
            "pada_label_source": self.label_source,
            "pada_seed": self.seed,
            "pada_round": self.round,
            "pada_operator": self.operator,
            "pada_pattern": self.pattern,
            "pada_parent": self.parent,
            "pada_source": f"{e.source}:{e.line}" if e.line else None,
        }


def seeds_of(run: FinishedRun, seed: int | None) -> dict[int, int]:
    """Return each seed and its last round that trains; one where it is chosen.

    Raises:
        EngineError: the run has no rows yet, or not that seed.
    """
    latest = {row["seed"]: row["round"] for row in run.query(_LATEST, [run.id])}
    if not latest:
        raise EngineError(
            f"run {run.id} ({run.status}) has no training rows",
            "choose another with --run: `pada runs` lists them",
        )
    if seed is None:
        return latest
    if seed not in latest:
        known = ", ".join(map(str, latest))
        raise EngineError(f"run {run.id} has no seed {seed}", f"choose one of: {known}")
    return {seed: latest[seed]}


def training_rows(
    run: FinishedRun, seed: int | None = None, round: int | None = None
) -> list[ExportedRow]:
    """Return the rows that fine-tunes of the run trained on, each once: original rows first, then by round.

    Args:
        run: The run.
        seed: One of its seeds; all of them when left out.
        round: Exactly those of this round's fine-tune, of a run of several seeds only with one of them; all that were
            kept when left out, so that rows of a round that was rolled back are not among them.

    Raises:
        EngineError: there are none, or no such seed or round.
    """
    seeds = seeds_of(run, seed)
    if round is not None and not 0 <= round <= max(seeds.values()):
        raise EngineError(
            f"run {run.id} has no round {round}", f"choose one from 0 to {max(seeds.values())}"
        )
    if round is not None and len(seeds) > 1:
        raise EngineError(
            f"run {run.id} has {len(seeds)} seeds, and round {round} of each has rows of its own",
            f"name one of them: --seed {', --seed '.join(map(str, seeds))}",
        )
    undone = run.query(_ROLLED_BACK, [run.id]) if round is None else []
    found: dict[str, ExportedRow] = {}
    for one, last in seeds.items():
        for r in run.query(_ROWS, [run.id, one, last if round is None else round]):
            kept = not _undone(r, one, undone)
            if kept and r["example"] not in found:
                found[r["example"]] = _row(r, one)
    return sorted(found.values(), key=lambda row: -1 if row.round is None else row.round)


def _undone(row: Mapping[str, Any], seed: int, undone: Sequence[Mapping[str, Any]]) -> bool:
    return row["made_in"] is not None and any(
        one["seed"] == seed and one["best_round"] <= row["made_in"] < one["round"] for one in undone
    )


def _row(r: Mapping[str, Any], seed: int) -> ExportedRow:
    example = Example(
        r["example"], "train", text_values(r["inputs"]), r["target"], {}, r["source"] or "generated", r["line"] or 0
    )  # fmt: skip
    source, origin = r["label_source"] or "writer", _ORIGINS[r["origin"]]
    status = label_status(source, r["verified"])
    return ExportedRow(
        example, origin, status, source, seed, r["made_in"], r["operator"], r["pattern"], r["parent"]
    )  # fmt: skip
