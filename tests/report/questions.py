# ruff: noqa: E501 - invented rows read best with one insert on few lines
"""The store behind docs/sql.md: two invented runs of two versions of a recipe; `python -m tests.report.questions`.

Run as a module it writes what the queries of the document answer into it.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console

from engine.cli.sql import show
from engine.store import ask
from engine.store.flat import lay_all
from engine.system.files import write_text
from tests.report import invented
from tests.report.invented import Invented, ident

DOCUMENT = Path(__file__).parents[2] / "docs" / "sql.md"
_ANSWERED = re.compile(r"```sql\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def answered(text: str) -> list[tuple[str, str]]:
    """Return the queries of the document with what stands below each."""
    return _ANSWERED.findall(text)


def answer(state: Path, query: str) -> str:
    """Return what `pada sql` prints into a file."""
    out = io.StringIO()
    with ask(state, query) as result:
        show(result, Console(file=out))
    return out.getvalue()


def filled() -> Invented:
    """Return the store: r0001 of version 1.2, and r0002 of version 1.3, which took over the data."""
    store = invented.full(rounds=1, control=True)
    _second(store)
    _tests_and_shares(store)
    _break(store)
    _regressions(store)
    store.add(
        "label_suspect", node=ident("node", "diagnose.0", 1), run="r0002", seed=0, round=0, example=ident("validation", 4),
        split="validation", target="change_address", answer="talk_to_agent", confidence=4, call="",
        reason="It asks for a person, the address is only mentioned.",
    )  # fmt: skip
    db = store.db
    db.execute("UPDATE llm_call SET cost = CASE role WHEN 'teacher' THEN 0.0011 ELSE 0.0004 END")
    lay_all(db)
    return store


def _second(store: Invented) -> None:
    """Add a second run: one more seed's rows become those of another run."""
    examples = {
        split: [(ident(split, i), invented.LABELS[i % 6]) for i in range(size)]
        for split, size in {"train": 60, "validation": 150, "test": 200}.items()
    }
    invented._loop(store, 1, 1, examples, control=True, first=False)
    store.run("r0002")
    db = store.db
    db.execute('UPDATE recipe SET effective = json_merge_patch(effective, \'{"version": "1.2"}\')')
    db.execute(
        "INSERT INTO recipe BY NAME SELECT * REPLACE ('recipe2' AS id,"
        ' json_merge_patch(effective, \'{"version": "1.3"}\') AS effective) FROM recipe'
    )
    db.execute(
        "UPDATE run SET recipe = 'recipe2', started = started + INTERVAL 2 DAY, ended = ended + INTERVAL 2 DAY"
        " WHERE id = 'r0002'"
    )
    db.execute(
        "UPDATE run_node SET run = 'r0002' WHERE node IN (SELECT id FROM node WHERE seed = 1)"
    )
    db.execute(
        "INSERT INTO run_node SELECT 'r0002', node, name, position, 'cached' FROM run_node"
        " WHERE name IN ('load', 'predict.-1', 'score.-1')"
    )
    db.execute(
        "UPDATE llm_call SET run = 'r0002' WHERE node IN (SELECT id FROM node WHERE seed = 1)"
    )
    for (table,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        if {"seed", "run"} <= store.columns[table]:
            db.execute(f"UPDATE \"{table}\" SET run = 'r0002', seed = 0 WHERE seed = 1")
    for run, earlier in (("r0001", None), ("r0002", "r0001")):
        for name, _, _ in invented.PATTERNS:
            pattern = ident("pattern", name)
            store.add(
                "pattern_origin", run=run, seed=0, pattern=pattern, first_run="r0001", first_seed=0,
                first_pattern=pattern, first_seen=invented.START, first_recipe="recipe1", first_version="1.2",
                earlier_run=earlier, earlier_seed=None if earlier is None else 0,
                earlier_pattern=None if earlier is None else pattern, shared=0 if earlier is None else 4, similarity=None,
            )  # fmt: skip


def _tests_and_shares(store: Invented) -> None:
    """Say of each pattern whether it is real, what it weighs, and how it stands."""
    words = ["confirmed", "weak", "confirmed", "refuted", "confirmed"]
    lifts = [1.9, 1.2, 2.1, 0.8, 2.4]
    nodes = {"r0001": ident("node", "name.0", 0), "r0002": ident("node", "name.0", 1)}
    for run, node in nodes.items():
        shared = {"node": node, "run": run, "seed": 0, "round": 0}
        for (name, _, _), word, lift in zip(invented.PATTERNS, words, lifts, strict=True):
            pattern, real = ident("pattern", name), word == "confirmed"
            store.add(
                "pattern_test", **shared, pattern=pattern, verdict=word, funded=real, detail="", asked=40, failed=20,
                failed_under=12, passed=20, passed_under=5, diagnosed=0, failing=0.3, lift=lift, lift_low=lift / 2,
                lift_high=lift * 2, precision=0.6, recall=0.5, p=0.02 if real else 0.6,
            )  # fmt: skip
            store.add(
                "pattern_share", **shared, pattern=pattern, weight=lift if real else 0.0, share=lift / 6.4 if real else 0.0,
                size=6, headroom=1.0, paid=1.0, confirmation=0.8 if real else 0.0, reason="",
            )  # fmt: skip
    store.db.execute(
        "UPDATE pattern_status SET failed = before, failing = after + broken, control_failing = before,"
        " held_out = before // 3, held_out_mended = before // 6, control_held_out_mended = before // 9,"
        " rate = CASE WHEN rows >= 20 THEN (after + broken) / rows END"
    )


def _break(store: Invented) -> None:
    """Let five rows of the second run flip from right to wrong; two of them fall under a pattern."""
    right = store.query(
        "SELECT example, split FROM prediction p WHERE run = 'r0002' AND split = 'validation' AND round = 1"
        " AND example NOT IN (SELECT example FROM failure WHERE run = 'r0002') ORDER BY example LIMIT 5"
    )
    targets = {ident("validation", i): invented.LABELS[i % 6] for i in range(150)}
    score = {"node": ident("node", "score.1", 1), "run": "r0002", "seed": 0, "round": 1}
    track = score | {"node": ident("node", "track.1", 1)}
    for number, row in enumerate(right):
        example = row["example"]
        store.add(
            "failure",
            **score,
            **row,
            answer="refund",
            target=targets[example],
            predicate="accuracy < 1",
        )
        if number < 2:
            store.add(
                "pattern_row", **track, pattern=ident("pattern", "Very short message"), example=example, part="other",
                similarity=0.8, failed=False, fails=True, control_fails=False,
            )  # fmt: skip
    store.db.execute(
        "UPDATE prediction SET answer = 'refund', text = 'refund' WHERE run = 'r0002' AND round = 1 AND example IN ?",
        [[row["example"] for row in right]],
    )


def _regressions(store: Invented) -> None:
    """Say which rows that round 0 had right fail after the later fine-tune."""
    found = store.query(
        "WITH p AS (SELECT run, seed, round, example FROM prediction WHERE split = 'validation'),"
        " f AS (SELECT run, seed, round, example FROM failure WHERE split = 'validation')"
        " SELECT p.run, p.example, f.example IS NOT NULL AS fails, c.example IS NOT NULL AS control_fails,"
        " (SELECT min(pattern) FROM pattern_row r WHERE r.run = p.run AND r.example = p.example) AS pattern"
        " FROM p LEFT JOIN f ON f.run = p.run AND f.example = p.example AND f.round = 1"
        " LEFT JOIN f c ON c.run = p.run AND c.example = p.example AND c.round = -2"
        " LEFT JOIN f z ON z.run = p.run AND z.example = p.example AND z.round = 0"
        " WHERE p.round = 0 AND z.example IS NULL ORDER BY ALL"
    )
    for run, seed in (("r0001", 0), ("r0002", 1)):
        mine = [row for row in found if row["run"] == run]
        shared = {"node": ident("node", "track.1", seed), "run": run, "seed": 0, "round": 1}
        broken, control = (sum(row[name] for row in mine) for name in ("fails", "control_fails"))
        steady = [row for row in mine if not row["control_fails"]]
        store.add(
            "regression_suite", **shared, n=len(mine), broken=broken, control_broken=control, steady=len(steady),
            steady_broken=sum(row["fails"] for row in steady), difference=(broken - control) / len(mine), low=None,
            high=None, p=None, patterns=[], regressed=False, detail="",
        )  # fmt: skip
        for row in mine:
            if row["fails"] or row["control_fails"]:
                flags = {
                    name: row[name] for name in ("example", "fails", "control_fails", "pattern")
                }
                store.add("regression", **shared, **flags)


def main() -> None:
    """Write the answers into the document."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        filled().save(state)
        text = DOCUMENT.read_text("utf-8")
        write_text(
            DOCUMENT,
            _ANSWERED.sub(
                lambda m: f"```sql\n{m[1]}```\n\n```text\n{answer(state, m[1])}```", text
            ),
        )


if __name__ == "__main__":
    main()
