"""How many wrong rows stand for labels in prompts, where a fourth of the training rows have another label's.

    python -m tests.benchmarks.label_rows --data data_full.json

Training rows of CLINC150 are drawn, so many a label, a fourth of them under a label that is not theirs, ten times
anew. Printed is for how many of the rows that a task block shows for labels the label is wrong: where it shows the
first of each label, and as it is. 95 % intervals in brackets (Wilson's).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

from engine.rows import Example
from engine.stages.blocks import EXAMPLES_PER_LABEL, Briefing, defining
from engine.stages.task_view import TaskView
from engine.tasks import TASKS
from tests.benchmarks.clinc150 import Row, add_argument, read
from tests.benchmarks.gates import share, table

ROWS = (5, 8, 20)
"""Training rows of a label."""
DRAWS = 10


def view(labels: Sequence[str]) -> TaskView:
    """Return the task as stages see it."""
    kind = TASKS["classification"]
    return TaskView(
        kind=kind.name,
        version=kind.version,
        target="intent",
        labels=tuple(labels),
        settings=kind.params(),
    )


def drawn(rows: Sequence[Row], labels: Sequence[str], count: int, seed: int) -> list[Example]:
    """Return so many training rows of each label; the id says whether the label is wrong."""
    chance = random.Random(seed)
    by_label = {label: [row.text for row in rows if row.intent == label] for label in labels}
    found: list[Example] = []
    for label in labels:
        texts = [(text, False) for text in chance.sample(by_label[label], count - count // 4)]
        for _ in range(count // 4):
            other = chance.choice([name for name in labels if name != label])
            texts.append((chance.choice(by_label[other]), True))
        chance.shuffle(texts)
        for text, wrong in texts:
            place = len(found)
            found.append(
                Example(f"{place} {wrong}", "train", {"text": text}, label, {}, "train", place)
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_argument(parser)
    given = parser.parse_args()
    rows = read(given.data, "train")
    labels = sorted({row.intent for row in rows})
    lines = []
    for count in ROWS:
        first, shown = [], []
        for seed in range(DRAWS):
            train = drawn(rows, labels, count, seed)
            for label in labels:
                mine = [example for example in train if example.target == label]
                first += mine[:EXAMPLES_PER_LABEL]
            shown += defining(view(labels), Briefing(), train)
        wrong = [
            share(sum(row.id.endswith("True") for row in found), len(found))
            for found in (first, shown)
        ]
        lines.append([str(count), *wrong])
    title = f"Wrong rows among those shown for {len(labels)} labels, per cent"
    table(title, ["rows a label", "the first", "as shown"], lines)


if __name__ == "__main__":
    main()
