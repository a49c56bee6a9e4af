"""What a teacher makes of each operator: how many rows each gate rejects, and how many a careful reader calls right.

    python -m tests.benchmarks.operators ask RECIPE --state FOLDER [--rows 50] [--only NAME ...]
    python -m tests.benchmarks.operators read --state FOLDER        # writes FOLDER/readings.jsonl
    python -m tests.benchmarks.operators table --state FOLDER

`ask` runs one round of the recipe with each operator that serves its task, one after the other, in one store: the
student and the patterns are those of the first. With a teacher that answers in files (backend `batch`) each run ends
as waiting; answer the files (`pada batch list`, `pada batch import`) and ask again until all are done.

`read` draws 50 rows of each operator, whatever the gates said of them, and shuffles them: the reader sees row, target
and seed row, no verdict, and writes `"right": true` or `false` behind each. `table` prints shares with Wilson's 95 %
intervals, rows that are not read left out.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.operators import find_operators
from engine.project import Project
from engine.store import rows as stored
from tests.benchmarks.gates import share, table

READ = 50
"""Rows of each operator that are read."""
READINGS = "readings.jsonl"
ROWS = (
    "SELECT c.operator, c.id, c.inputs, c.target, p.inputs AS seed, p.target AS seed_target, v.reason, v.advice"
    " FROM candidate c JOIN verdict v ON v.candidate = c.id"
    " LEFT JOIN (SELECT DISTINCT id, inputs, target FROM example WHERE split = 'train') p ON p.id = c.parent"
    " ORDER BY c.id"
)


def of_one(project: Project, operator: str, count: int) -> Project:
    """Return the project with one operator, one round of so many rows, and one seed."""
    alone = project.only(operator)
    recipe = alone.loaded.recipe
    augment = recipe.augment.model_copy(update={"rows_per_round": count})
    loop = recipe.loop.model_copy(update={"rounds": 1, "control": False})
    update = {"augment": augment, "loop": loop, "seeds": recipe.seeds[:1], "benchmark": None}
    changed = replace(alone.loaded, recipe=recipe.model_copy(update=update))
    return Project(changed, project.state, project.limit)


def ask(recipe: str, state: Path, count: int, only: Sequence[str]) -> None:
    project = Project.open(recipe, state)
    project.validate()
    folders = project.loaded.recipe.augment.operator_folders
    kind = project.loaded.recipe.task.kind
    for name, operator in sorted(find_operators(project.loaded.base, folders).items()):
        if kind in operator.kinds and (not only or name in only):
            try:
                outcome = of_one(project, name, count).run()
                print(f"{name}: {outcome.status} {outcome.note}", flush=True)
            except EngineError as error:
                print(f"{name}: {error}", flush=True)


def read(state: Path) -> None:
    file = state / READINGS
    known = {line["id"]: line["right"] for line in _readings(file)}
    by_operator: dict[str, list[dict[str, Any]]] = {}
    for row in stored(state, ROWS):
        by_operator.setdefault(row["operator"], []).append(row)
    draw = random.Random(0)
    drawn = [
        row for rows in by_operator.values() for row in draw.sample(rows, min(READ, len(rows)))
    ]
    draw.shuffle(drawn)
    with file.open("w", encoding="utf-8") as out:
        for row in drawn:
            line = {
                "id": row["id"],
                "seed": _parsed(row["seed"]),
                "seed target": row["seed_target"],
                "row": _parsed(row["inputs"]),
                "target": row["target"],
                "right": known.get(row["id"]),
            }
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{len(drawn)} rows to read in {file}")


def _readings(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        yield from map(json.loads, file.read_text("utf-8").splitlines())


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def show(state: Path) -> None:
    right = {line["id"]: line["right"] for line in _readings(state / READINGS)}
    verdicts: dict[str, Counter[str]] = {}
    readings: dict[str, Counter[bool]] = {}
    for row in stored(state, ROWS):
        verdicts.setdefault(row["operator"], Counter())[row["reason"]] += 1
        if right.get(row["id"]) is not None:
            readings.setdefault(row["operator"], Counter())[bool(right[row["id"]])] += 1
    reasons = sorted({reason for found in verdicts.values() for reason in found} - {"accepted"})
    lines = []
    for name, found in sorted(verdicts.items()):
        said = readings.get(name, Counter())
        lines.append(
            [
                f"`{name}`",
                str(found.total()),
                share(found["accepted"], found.total()),
                *(str(found[reason]) for reason in reasons),
                share(said[True], said.total()),
            ]
        )
    header = ["operator", "rows", "accepted, %", *reasons, "right as read, %"]
    table("Rows by operator: verdicts, and what a reader says", header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["ask", "read", "table"])
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=READ)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    if given.what == "ask":
        if given.recipe is None:
            parser.error("ask needs a recipe")
        ask(given.recipe, given.state, given.rows, given.only)
    elif given.what == "read":
        read(given.state)
    else:
        show(given.state)


if __name__ == "__main__":
    main()
