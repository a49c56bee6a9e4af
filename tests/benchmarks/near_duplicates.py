"""Near duplicates among very many rows: how time and memory grow, and what is found of planted ones.

    python -m tests.benchmarks.near_duplicates                                   # growth, half a minute
    python -m tests.benchmarks.near_duplicates --data data_full.json             # and what is found
    python -m tests.benchmarks.near_duplicates --data data_full.json --gate      # and rejected, some minutes

Growth: the gate `near_duplicate` on N earlier and N / 10 new rows of invented words without labels, then on ten times
as many of both: comparing each new row with all earlier ones, and with those that share most of its words. Embeddings
are there already, made up, and what training rows show among themselves is known. Times are of the processor, so other
work on the machine counts for nothing. Memory is what Python and numpy hold at most beside that, for as many new rows
and ten times the earlier ones.

Found: the training rows of CLINC150 (15,000, 150 intents) are there, and some of them come back as near duplicates,
with a word left out, replaced by another or put in, or two words swapped. Printed is for how many of them the row that
they repeat is looked up, so that it is compared; with `--gate`, which embeds all rows, also how many of those that the
gate rejects where it compares all it rejects by words. 95 % intervals in brackets (Wilson's).
"""

from __future__ import annotations

import argparse
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.rows import Candidate, Example
from engine.spec.recipe import NearDuplicate
from engine.stages.quality import GATES, Batch
from engine.stages.quality.leak_guard import Embed, LeakGuard
from engine.stages.quality.lookalikes import lookalikes
from engine.tasks import TASKS, Task
from tests.benchmarks.clinc150 import read
from tests.benchmarks.gates import embedder, share

DIMENSIONS = 384


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


def made_up(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return unit vectors that have nothing to do with the texts."""
    rows = np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSIONS))
    unit: npt.NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(
        np.float32
    )
    return unit


def batch_of(kind: str, train: Sequence[Example], new: Sequence[Candidate], embed: Embed) -> Batch:
    """Return new rows before the gate, beside those that are there."""
    labels = tuple(sorted({e.target for e in train})) if TASKS[kind].labelled else ()
    return Batch(
        candidates=new,
        kind=TASKS[kind],
        task=Task(labels, TASKS[kind].params()),
        train=train,
        accepted=(),
        embed=embed,
        leak_guard=no_guard,
    )


def no_guard(ngram: int, quantile: float) -> LeakGuard:
    """Stand in for the leak guard."""
    raise AssertionError("this gate wants none")


def row(number: int, text: str, target: str) -> Example:
    """Return a training row."""
    return Example(f"{number}", "train", {"text": text}, target, {}, "", number)


def written(number: int, text: str, seed: Example) -> Candidate:
    """Return a row that an operator wrote from a training row."""
    return Candidate(
        f"{number}", seed.id, "p", "s", "new_situation", 1, {"text": text}, seed.target, "", "", ""
    )


def invented_batch(earlier: int, new: int) -> Batch:
    """Return invented rows, with all that is not measured computed."""
    train = [row(n, text, "x") for n, text in enumerate(invented(earlier, 0))]
    candidates = [written(n, text, train[0]) for n, text in enumerate(invented(new, 1))]
    batch = batch_of("generation", train, candidates, made_up)
    assert len(batch.vectors)
    assert len(batch.shown.nearest)
    return batch


def growth(count: int) -> None:
    """Print times at `count` and ten times as many rows, and memory."""
    check = GATES["near_duplicate"].check
    lookalikes(["load what it needs"], [])
    settings = {"all": NearDuplicate(exact_up_to=10**9), "by words": NearDuplicate(exact_up_to=0)}
    batches = [invented_batch(size, size // 10) for size in (count, 10 * count)]
    print(f"processor time, {count:,} and {10 * count:,} earlier rows, a tenth as many new ones")
    for name, setting in settings.items():
        small, large = (seconds(partial(check, batch, setting)) for batch in batches)
        print(f"  {name:9} {small:8.2f} s {large:8.2f} s   x {large / small:5.1f}")
    new = count // 10
    for name, setting in settings.items():
        peaks = []
        for size in (count, 10 * count):
            batch = invented_batch(size, new)
            tracemalloc.start()
            check(batch, setting)
            peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
            tracemalloc.stop()
        print(f"  {name:9} {peaks[0]:6.1f} MiB {peaks[1]:6.1f} MiB for {new:,} new rows")


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


def found(data: Path, count: int, gate: bool) -> None:
    """Print how many planted rows are found by their words, and what the gate makes of them."""
    rows = read(data, "train")
    train = [row(n, one.text, one.intent) for n, one in enumerate(rows)]
    draw, embed = random.Random(0), embedder() if gate else None
    vocabulary = sorted({word for one in rows for word in one.text.split()})
    for edit in (left_out, replaced, put_in, swapped):
        sources = [e for e in train if len(e.inputs["text"].split()) > 3]
        made = [
            written(n, " ".join(edit(e.inputs["text"].split(), draw, vocabulary)), e)
            for n, e in enumerate(draw.sample(sources, count))
        ]
        places = {e.id: n for n, e in enumerate(train)}
        near = lookalikes([c.inputs["text"] for c in made], [e.inputs["text"] for e in train])
        hits = sum(places[c.parent] in one.earlier for c, one in zip(made, near, strict=True))
        compared = sum(len(one.earlier) for one in near) / len(made)
        print(f"  {edit.__name__:9} {share(hits, count)}   {compared:.1f} rows compared each")
        if embed is None:
            continue
        rejected = []
        for exact_up_to in (len(train), 0):
            batch = batch_of("classification", train, made, embed)
            said = GATES["near_duplicate"].check(batch, NearDuplicate(exact_up_to=exact_up_to))
            rejected.append([bool(one.detail) for one in said])
        exact, by_words = rejected
        both = sum(a and b for a, b in zip(exact, by_words, strict=True))
        assert not any(b and not a for a, b in zip(exact, by_words, strict=True))
        print(f"  {'gate':9} {both} of {sum(exact)} rejected where all are compared")


def main() -> None:
    """Print growth, and what is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="data_full.json of CLINC150")
    parser.add_argument(
        "--rows", type=int, default=2000, help="earlier rows, and ten times as many"
    )
    parser.add_argument("--planted", type=int, default=300, help="near duplicates of each kind")
    parser.add_argument("--gate", action="store_true", help="also what the gate rejects")
    arguments = parser.parse_args()
    growth(arguments.rows)
    if arguments.data is not None:
        print("planted near duplicates whose row is looked up by its words, %")
        found(arguments.data, arguments.planted, arguments.gate)


if __name__ == "__main__":
    main()
