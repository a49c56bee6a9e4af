"""What mined rows are worth: the quickstart's student with rows of its pool, against round 0, the control and chance.

    python -m tests.benchmarks.mining                       # three seeds, some minutes per arm and seed
    python -m tests.benchmarks.mining --seeds 0             # one seed
    python -m tests.benchmarks.mining --arm 'surer={"sure": 0.7}'
    python -m tests.benchmarks.mining --recipe RECIPE --steps 200   # another recipe that mines, with its own test rows

Embedded models alone. Every arm is the recipe `quickstart`, or the given one, with the control: as many optimizer steps
on the original rows alone, with another training seed. The quickstart is asked the larger test set of
`mining_test.jsonl`, written for it by somebody who saw neither the pool nor the data. All students, round 0's too,
train for the same steps. `mined` chooses rows as the recipe does; `random` takes as many from the same pool by chance,
with the same labels, from the same labeller, as many for each label. In brackets: 95 % interval of the paired
difference over seeds and test rows (`engine.statistics.two_way_mean`). `--labels FILE`, the pool with its right labels,
adds how many of the mined labels are right; nothing else sees them. Each seed has a state folder of its own in
`--folder`, which its arms share: the same command goes on after a kill, and seeds may be run beside one another before
one command prints them all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from engine.project import Project
from engine.rows import CONTROL
from engine.statistics import Compared, two_way_mean
from engine.store import rows as stored

RECIPE = Path("recipes/quickstart/recipe.yaml")
TEST = Path(__file__).with_name("mining_test.jsonl")
ARMS: Mapping[str, Mapping[str, Any]] = {"mined": {}, "random": {"by": []}}
"""Arm -> what it changes of the recipe's `augment.mine`; `augment` and `train` in it change those blocks."""
STEPS = 120
"""Of every student of the quickstart: what `steps: per_row` makes of 60 original and 120 mined rows."""
_RIGHT = """
SELECT p.seed, p.round, p.example, coalesce(p.answer = e.target, false) AS is_right
FROM prediction p JOIN all_run_rows r USING (node)
JOIN (SELECT DISTINCT id, target FROM example WHERE split = 'test') e ON e.id = p.example
WHERE p.split = 'test' AND r.run = '{run}' ORDER BY p.example
"""
_MINED = """
SELECT inputs ->> 'text' AS text, target FROM all_training_rows
WHERE run = '{run}' AND round = 1 AND origin = 'mined'
"""

Answers = Mapping[int, Mapping[int, npt.NDArray[np.float64]]]
"""Round -> seed -> whether each test row is right."""
Labels = Sequence[tuple[str, str]]
"""Mined rows of all seeds: text and label."""


@dataclass(frozen=True)
class Mined:
    """The recipe whose mining is measured, and the steps of each of its students."""

    recipe: Path = RECIPE
    steps: int = STEPS

    @property
    def test(self) -> Path | None:
        """Test rows in place of the recipe's own."""
        return TEST.resolve() if self.recipe == RECIPE else None


def write_recipe(
    base: Mined, name: str, changes: Mapping[str, Any], seed: int, folder: Path
) -> Path:
    """Write an arm's recipe and return its path."""
    recipe = yaml.safe_load(base.recipe.read_text("utf-8"))
    recipe["vars"]["data"] = str(base.recipe.parent.resolve() / "data")
    if base.test:
        recipe["data"]["test"] = {"path": str(base.test)}
    mine = dict(changes)
    recipe["augment"].update(mine.pop("augment", {}))
    recipe["train"].update({"steps": base.steps, **mine.pop("train", {})})
    recipe["augment"]["mine"].update(mine)
    recipe["loop"]["control"] = True
    # YAML 1.1, which is read here, takes this word for false.
    recipe["quality"]["judge"] = "off"
    recipe["seeds"] = [seed]
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), "utf-8")
    return path


def answers(state: Path, run: str) -> Answers:
    """Return whether each test row is right, by round and seed."""
    found: dict[int, dict[int, list[bool]]] = {}
    for row in stored(state, _RIGHT.format(run=run)):
        found.setdefault(row["round"], {}).setdefault(row["seed"], []).append(row["is_right"])
    return {
        number: {seed: np.array(rows, dtype=np.float64) for seed, rows in by_seed.items()}
        for number, by_seed in found.items()
    }


def compared(
    one: Mapping[int, npt.NDArray[np.float64]], other: Mapping[int, npt.NDArray[np.float64]]
) -> Compared:
    """Return the paired difference of two arms' answers over the seeds of both."""
    seeds = sorted(one.keys() & other.keys())
    return two_way_mean(np.stack([one[seed] - other[seed] for seed in seeds]))


def arm(
    base: Mined, name: str, changes: Mapping[str, Any], seeds: Sequence[int], folder: Path
) -> tuple[Answers, Labels]:
    """Run an arm for each seed, or what is left of it; return its students' answers and its mined rows."""
    rounds: dict[int, dict[int, npt.NDArray[np.float64]]] = {}
    mined: list[tuple[str, str]] = []
    for seed in seeds:
        own = folder / f"seed-{seed}"
        own.mkdir(parents=True, exist_ok=True)
        state = own / "state"
        recipe = write_recipe(base, name, changes, seed, own)
        allow = [TEST, base.recipe.parent]
        run = Project.open(recipe, state, allow=allow).run().run
        for number, by_seed in answers(state, run).items():
            rounds.setdefault(number, {}).update(by_seed)
        rows = stored(state, _MINED.format(run=run))
        mined += [(row["text"], row["target"]) for row in rows]
    return rounds, mined


def mined_labels(rows: Labels, seeds: int, labels: Path | None) -> str:
    """Return how many rows were mined, and how many of their labels are right where that is known."""
    text = f"{len(rows) / max(1, seeds):.0f} rows a seed"
    if labels is None or not rows:
        return text
    known = {
        row["text"]: row["intent"]
        for row in map(json.loads, labels.read_text("utf-8").splitlines())
    }
    right = [known[text] == target for text, target in rows]
    return f"{text}, {100 * sum(right) / len(right):.1f} % of their labels right"


def line(name: str, by_seed: Mapping[int, npt.NDArray[np.float64]]) -> str:
    """Return an arm's accuracy by seed and on the mean."""
    each = {seed: 100 * float(rows.mean()) for seed, rows in sorted(by_seed.items())}
    mean = sum(each.values()) / len(each)
    return f"{name:24} {mean:5.1f}   ({' '.join(f'{value:.1f}' for value in each.values())})"


def said(what: str, found: Compared) -> str:
    """Return a difference with its interval."""
    low, high = 100 * found.low, 100 * found.high
    return f"{what:36} {100 * found.difference:+5.1f}   ({low:+.1f} to {high:+.1f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--arm", action="append", default=[], help="NAME={JSON of augment.mine}")
    parser.add_argument("--folder", type=Path, default=Path(".pada/mining"))
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--steps", type=int, default=STEPS, help="of every student")
    given = parser.parse_args(arguments)
    arms = {name: ARMS[name] for name in given.arms}
    arms |= {name: json.loads(text) for name, _, text in (a.partition("=") for a in given.arm)}
    base = Mined(given.recipe, given.steps)
    found: dict[str, Answers] = {}
    for name, changes in arms.items():
        found[name], rows = arm(base, name, changes, given.seeds, given.folder)
        print(f"{name}: {mined_labels(rows, len(given.seeds), given.labels)}", flush=True)
    first = next(iter(found.values()))
    print(f"\ntest accuracy, {len(next(iter(first[0].values())))} rows")
    print(line("round 0", first[0]))
    print(line("control", first[CONTROL]))
    for name, rounds in found.items():
        print(line(name, rounds[1]))
    print("\npaired differences, 95 % interval over seeds and rows")
    for name, rounds in found.items():
        print(said(f"{name} - control", compared(rounds[1], rounds[CONTROL])))
        print(said(f"{name} - round 0", compared(rounds[1], rounds[0])))
    if {"mined", "random"} <= found.keys():
        print(said("mined - random", compared(found["mined"][1], found["random"][1])))


if __name__ == "__main__":
    main()
