"""Whether the engine finds causes that are known: failures of a student that fails by construction (`bakery`).

    python -m tests.benchmarks.planted_causes make FOLDER --seed 0
    pada run FOLDER/recipe.yaml --state FOLDER/state    # waits: answer its request file, import that, run again
    python -m tests.benchmarks.planted_causes score FOLDER

Failures are those of a log; what patterns are tested on are validation rows, which the same student answers. Its causes
stand in planted.jsonl, which the recipe does not name. `score` needs the patterns and their tests: the run may then be
left as it waits for its first rows.

The score is the adjusted Rand index (Hubert and Arabie, 1985) over the diagnosed failures of a cause, one in no pattern
being one by itself; beside it, for each cause, precision and recall of the pattern that fits it best (by F1).
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.metrics import adjusted_rand_score

from engine.store import rows as stored
from tests.benchmarks.bakery import EXTRAS, TASK, Order, order, student

Sizes = Mapping[str, Mapping[str, int]]
SIZES: Sizes = {
    "log": {
        "correction": 36, "multiply": 30, "dozen": 24, "digits": 22, "separator": 21, "subtract": 21,
        "slip": 14, "easy": 26, "alike": 26,
    },
    "validation": {
        "correction": 15, "multiply": 12, "dozen": 10, "digits": 9, "separator": 8, "subtract": 8,
        "slip": 6, "easy": 40, "alike": 44,
    },
    "train": {"easy": 28, "alike": 12},
}  # fmt: skip
"""Messages of each kind: a cause, easy ones that look like one of a cause or do not, and slips."""
TESTS = 8
NOISE = "(slip)"
"""What a failure without a cause is called."""
RECIPE = """\
recipe: 1
name: planted-causes
task:
  kind: numeric
  input: [message]
  target: pieces
  description: {task}
data:
  train: {{path: train.jsonl}}
  validation: {{path: validation.jsonl}}
  test: {{path: test.jsonl}}
models:
  student: {{backend: scripted, model: student, replies: student.jsonl}}
  teacher: {teacher}
  judge: {teacher}
  embedder: {{backend: sentence-transformers, model: embedded/all-minilm-l6-v2}}
failures: {{source: logged, path: log.jsonl}}
patterns: {{diagnose: 300, confirm: 100}}
# Of rows as few as can be: what is looked at are the patterns.
augment: {{rows_per_round: 1, coverage: 0, operators: [{{name: new_situation}}]}}
quality: {{attempts: 1, leak_guard: {{quantile: 1.0}}}}
train: {{method: none}}
loop: {{rounds: 1}}
"""
BATCH = "{backend: batch, model: reader, pack: frontier}"


class Found(NamedTuple):
    """What a run made of the planted causes."""

    rand_index: float
    """Adjusted Rand index of the patterns and the causes."""
    clusters: float
    """The same of the clusters before any was split."""
    members: Mapping[str, tuple[str, float, float]]
    """By cause: its pattern, and precision and recall of that one's members; "" where there is none."""
    patterns: Mapping[str, Counter[str]]
    """By pattern: how many of its members are of which cause."""
    planted: Counter[str]
    """By cause: how many failures are in the log."""
    left: Counter[str]
    """By cause: how many diagnosed failures are in no pattern."""
    lost: Counter[str]
    """By cause: how many failures were not diagnosed, or set aside by the teacher."""


def make(folder: Path, seed: int, teacher: str = BATCH, sizes: Sizes = SIZES) -> Path:
    """Write the data, the log, what the student says, the planted causes and the recipe; return the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = orders(seed, sizes)
    for split, found in splits.items():
        _write(folder / f"{split}.jsonl", (_row(one, split == "log") for one in found))
    every = [one for found in splits.values() for one in found]
    # The longest first: one message may begin another.
    every.sort(key=lambda one: -len(one.message))
    _write(
        folder / "student.jsonl",
        ({"match": one.message, "text": student(one.message)} for one in every),
    )
    _write(
        folder / "planted.jsonl",
        (
            {"message": one.message, "split": split, "cause": cause_of(one)}
            for split, found in splits.items()
            for one in found
            if _fails(one)
        ),
    )
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(task=json.dumps(TASK), teacher=teacher), "utf-8")
    return recipe


def orders(seed: int, sizes: Sizes = SIZES) -> dict[str, list[Order]]:
    """Return the messages of each split, no message in another one, in an order that tells nothing of their causes."""
    draw = random.Random(seed)
    known: set[str] = set()
    splits: dict[str, list[Order]] = {}
    for split, kinds in sizes.items():
        found = []
        for kind in (kind for kind, count in kinds.items() for _ in range(count)):
            new = order(kind, draw)
            while new.message in known:
                new = order(kind, draw)
            known.add(new.message)
            found.append(new)
        draw.shuffle(found)
        splits[split] = found
    # Nearly training rows, so that the leak guard, which goes by how near those are, leaves nothing of the log out.
    longer = (one._replace(message=f"{one.message} {EXTRAS[0]}") for one in splits["train"])
    splits["test"] = [one for one in longer if not _fails(one)][:TESTS]
    return splits


def cause_of(one: Order) -> str:
    """Return the cause of a failure, NOISE for a slip."""
    return one.cause or NOISE


def _fails(one: Order) -> bool:
    return not student(one.message).endswith(f"#### {one.pieces}")


def _row(one: Order, logged: bool) -> dict[str, Any]:
    said = {"output": student(one.message)} if logged else {}
    return {"message": one.message, "pieces": str(one.pieces), **said}


def _write(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def score(folder: Path, state: Path) -> Found:
    """Return what the latest run made of the planted causes; raises SystemExit where it has no patterns yet."""
    causes = {
        line["message"]: line["cause"]
        for line in map(json.loads, (folder / "planted.jsonl").read_text("utf-8").splitlines())
        if line["split"] == "log"
    }
    patterns, clusters = (_members(state, table) for table in ("pattern_member", "cluster_member"))
    if not patterns:
        raise SystemExit(f"{state}: no failure is in a pattern yet")
    diagnosed = {
        row["message"]
        for row in _asked(
            state, "SELECT e.inputs ->> 'message' AS message FROM diagnosis x", "NOT x.suspect AND x.mendable"
        )
    }  # fmt: skip
    of: dict[str, Counter[str]] = {}
    for message, pattern in patterns.items():
        of.setdefault(pattern, Counter())[causes[message]] += 1
    known = sorted(message for message in diagnosed if causes[message] != NOISE)
    return Found(
        _index(known, causes, patterns),
        _index(known, causes, clusters),
        {
            cause: _best(cause, of, sum(causes[m] == cause for m in causes))
            for cause in dict.fromkeys(causes.values())
            if cause != NOISE
        },
        of,
        Counter(causes.values()),
        Counter(causes[message] for message in diagnosed if message not in patterns),
        Counter(causes[message] for message in causes if message not in diagnosed),
    )


def _asked(state: Path, select: str, where: str) -> list[dict[str, Any]]:
    """Return rows of the latest run about logged failures; `select` names the table x."""
    return stored(
        state,
        f"{select} JOIN run_node r ON r.node = x.node AND r.run = (SELECT max(id) FROM run)"
        f" JOIN example e ON e.id = x.example AND e.split = 'logged' WHERE {where}",
    )


def _members(state: Path, table: str) -> dict[str, str]:
    """Return the pattern of each message that has one."""
    found = _asked(
        state, f"SELECT e.inputs ->> 'message' AS message, x.pattern FROM {table} x", "true"
    )
    return {row["message"]: row["pattern"] for row in found}


def _index(messages: Sequence[str], causes: Mapping[str, str], groups: Mapping[str, str]) -> float:
    """Return the adjusted Rand index; a message in no group is one by itself."""
    return float(
        adjusted_rand_score(
            [causes[message] for message in messages],
            [groups.get(message, message) for message in messages],
        )
    )


def _best(cause: str, of: Mapping[str, Counter[str]], planted: int) -> tuple[str, float, float]:
    """Return the pattern that fits a cause best by F1, and its precision and recall of all planted rows."""

    def f1(pattern: str) -> float:
        return 2 * of[pattern][cause] / (of[pattern].total() + planted)

    best = max(of, key=f1)
    if not of[best][cause]:
        return "", 0.0, 0.0
    return best, of[best][cause] / of[best].total(), of[best][cause] / planted


def told(found: Found, state: Path) -> Iterator[str]:
    """Yield the lines of a report."""
    yield f"adjusted Rand index: {found.rand_index:.3f} (clusters before any was split: {found.clusters:.3f})"
    yield "\n| cause | planted | pattern | precision | recall | in no pattern | not diagnosed, set aside |"
    yield "|---|---|---|---|---|---|---|"
    tests = {
        row["pattern"]: row
        for row in stored(
            state,
            "SELECT p.id AS pattern, p.name, p.size, p.split_from, t.verdict, t.lift, t.lift_low, t.lift_high,"
            " t.precision, t.recall FROM pattern p"
            " JOIN run_node r ON r.node = p.node AND r.run = (SELECT max(id) FROM run)"
            " LEFT JOIN (SELECT t.* FROM pattern_test t"
            " JOIN run_node s ON s.node = t.node AND s.run = (SELECT max(id) FROM run)) t ON t.pattern = p.id",
        )
    }
    for cause, (pattern, precision, recall) in found.members.items():
        name = tests[pattern]["name"] if pattern else "none"
        yield (
            f"| {cause} | {found.planted[cause]} | {name} | {precision:.2f} | {recall:.2f} |"
            f" {found.left[cause]} | {found.lost[cause]} |"
        )
    yield f"| {NOISE} | {found.planted[NOISE]} | | | | {found.left[NOISE]} | {found.lost[NOISE]} |"
    yield "\n| pattern | members | verdict | lift | precision | recall | of which causes |"
    yield "|---|---|---|---|---|---|---|"
    for pattern, row in sorted(tests.items(), key=lambda item: -item[1]["size"]):
        numbers = "| | |"
        if row["lift"] is not None:
            numbers = (
                f"| {row['lift']:.1f} ({row['lift_low']:.1f} to {row['lift_high']:.1f})"
                f" | {row['precision']:.2f} | {row['recall']:.2f}"
            )
        made = ", ".join(
            f"{cause} {n}" for cause, n in found.patterns.get(pattern, Counter()).most_common()
        )
        part = ", a part" if row["split_from"] else ""
        yield f"| {row['name']}{part} | {row['size']} | {row['verdict'] or 'not tested yet'} {numbers} | {made} |"


def main() -> None:
    """Make the data, or print the score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", "score"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the messages")
    parser.add_argument(
        "--state", type=Path, help="the run's state folder, FOLDER/state when left out"
    )
    options = parser.parse_args()
    if options.what == "make":
        print(make(options.folder, options.seed))
        return
    state = options.state or options.folder / "state"
    print("\n".join(told(score(options.folder, state), state)))


if __name__ == "__main__":
    main()
