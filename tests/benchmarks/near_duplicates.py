"""Near duplicates among very many rows: how time and memory grow, and what is found of planted ones.

    python -m tests.benchmarks.near_duplicates                                   # growth, half a minute
    python -m tests.benchmarks.near_duplicates --data data_full.json             # and what is found, some minutes

Growth: N earlier and N / 10 new rows of invented words, then ten times as many of both, by words (`lookalikes`) and by
comparing all with all (cosines of vectors in blocks, which is the least that can take). Times are of the processor, so
other work on the machine counts for nothing. Memory is what Python and numpy hold at most, for as many new rows and ten
times the earlier ones.

Found: the training rows of CLINC150 (15,000, 150 intents) are there, and some of them come back as near duplicates,
with a word left out, replaced by another or put in, or two words swapped. Printed is which share of what the gate
rejects that compares all the gate rejects that looks them up by words; 95 % intervals in brackets (Wilson's).
"""

from __future__ import annotations

import argparse
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from engine.rows import Candidate, Example
from engine.spec.recipe import NearDuplicate
from engine.stages.quality import GATES, Batch
from engine.stages.quality.lookalikes import lookalikes
from engine.tasks import TASKS, Task
from tests.benchmarks.clinc150 import read
from tests.benchmarks.gates import embedder, share

DIMENSIONS = 384
BLOCK = 1024


def invented(count: int, seed: int) -> list[str]:
    """Return rows of 6 to 14 words, a few of which are frequent, as in running text."""
    draw = random.Random(seed)
    words = [f"word{n}" for n in range(20_000)]
    weights = list(accumulate(1 / (n + 10) for n in range(len(words))))
    return [
        " ".join(draw.choices(words, cum_weights=weights, k=draw.randint(6, 14)))
        for _ in range(count)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Return how long the processor works."""
    began = time.process_time()
    work()
    return time.process_time() - began


def all_with_all(earlier: int, new: int) -> None:
    """Take the cosine of each new row to its nearest earlier one."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((earlier, DIMENSIONS)).astype(np.float32)
    others = rng.standard_normal((new, DIMENSIONS)).astype(np.float32)
    for start in range(0, earlier, BLOCK):
        (others @ rows[start : start + BLOCK].T).max(axis=1)


def growth(count: int) -> None:
    """Print times at `count` and ten times as many rows, and memory."""
    times: dict[str, list[float]] = {"by words": [], "all with all": []}
    for size in (count, 10 * count):
        earlier, new = invented(size, 0), invented(size // 10, 1)
        times["by words"].append(seconds(lambda: lookalikes(new, earlier)))  # noqa: B023
        times["all with all"].append(seconds(lambda: all_with_all(size, size // 10)))  # noqa: B023
    print(f"processor time, {count:,} and {10 * count:,} earlier rows, a tenth as many new ones")
    for name, (small, large) in times.items():
        print(f"  {name:14} {small:8.2f} s {large:8.2f} s   x {large / small:5.1f}")
    new, peaks = invented(count // 10, 1), []
    for size in (count, 10 * count):
        rows = invented(size, 0)
        tracemalloc.start()
        lookalikes(new, iter(rows))
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    print(f"memory for {len(new):,} new rows: {peaks[0]:.1f} MiB and {peaks[1]:.1f} MiB")


def left_out(words: list[str], draw: random.Random, _: Sequence[str]) -> list[str]:
    """Leave a word out."""
    at = draw.randrange(len(words))
    return [*words[:at], *words[at + 1 :]]


def replaced(words: list[str], draw: random.Random, others: Sequence[str]) -> list[str]:
    """Put another word in the place of one."""
    at = draw.randrange(len(words))
    return [*words[:at], draw.choice(others), *words[at + 1 :]]


def put_in(words: list[str], draw: random.Random, others: Sequence[str]) -> list[str]:
    """Put another word in."""
    at = draw.randrange(len(words) + 1)
    return [*words[:at], draw.choice(others), *words[at:]]


def swapped(words: list[str], draw: random.Random, _: Sequence[str]) -> list[str]:
    """Swap two neighbouring words."""
    at = draw.randrange(len(words) - 1)
    return [*words[:at], words[at + 1], words[at], *words[at + 2 :]]


def found(data: Path, count: int) -> None:
    """Print what the gate finds by words, of what it finds where all are compared."""
    rows = read(data, "train")
    train = [
        Example(f"{n}", "train", {"text": row.text}, row.intent, {}, "", n)
        for n, row in enumerate(rows)
    ]
    draw, embed = random.Random(0), embedder()
    vocabulary = sorted({word for row in rows for word in row.text.split()})
    labels = tuple(sorted({row.intent for row in rows}))
    totals = [0, 0]
    for edit in (left_out, replaced, put_in, swapped):
        sources = [e for e in train if len(e.inputs["text"].split()) > 3]
        made = [
            Candidate(
                f"{n}", source.id, "p", "s", "new_situation", 1,
                {"text": " ".join(edit(source.inputs["text"].split(), draw, vocabulary))},
                source.target, "", "", "",
            )
            for n, source in enumerate(draw.sample(sources, count))
        ]  # fmt: skip
        rejected = []
        for exact_up_to in (len(train), 0):
            batch = Batch(
                candidates=made,
                kind=TASKS["classification"],
                task=Task(labels, TASKS["classification"].params()),
                train=train,
                accepted=(),
                embed=embed,
                leak_guard=lambda ngram, quantile: (_ for _ in ()).throw(AssertionError),
            )
            said = GATES["near_duplicate"].check(batch, NearDuplicate(exact_up_to=exact_up_to))
            rejected.append([bool(one.detail) for one in said])
        exact, by_words = rejected
        both = sum(a and b for a, b in zip(exact, by_words, strict=True))
        assert not any(b and not a for a, b in zip(exact, by_words, strict=True))
        totals = [totals[0] + both, totals[1] + sum(exact)]
        print(f"  {edit.__name__:9} {share(both, sum(exact))}   of {count} planted")
    print(f"  all       {share(*totals)}")


def main() -> None:
    """Print growth, and what is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="data_full.json of CLINC150")
    parser.add_argument(
        "--rows", type=int, default=5000, help="earlier rows, and ten times as many"
    )
    parser.add_argument("--planted", type=int, default=300, help="near duplicates of each kind")
    arguments = parser.parse_args()
    growth(arguments.rows)
    if arguments.data is not None:
        print("found by words, of what is found where all rows are compared")
        found(arguments.data, arguments.planted)


if __name__ == "__main__":
    main()
