"""Requests per second of a teacher on this machine's CPU: batches side by side against one after the other, in one run.

    python -m tests.benchmarks.teacher_batches

The embedded model writes rows for the requests of one node: three operators with a schema each, as in one round of the
quickstart. Both sides take turns; the ratio is the median over the pairs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch

from engine import models
from engine.backends.local import generation
from engine.backends.local.weights import load
from engine.backends.protocol import Message, Request, always

MODEL = "embedded/smollm2-135m-instruct"
_TOPICS = ("a late parcel", "a lost card", "a wrong bill", "a damaged item", "a new address")


def requests(count: int) -> list[Request]:
    """Return so many requests, a third of them for one, two and three rows each."""
    made = []
    for number in range(count):
        rows, topic = 1 + number % 3, _TOPICS[number % len(_TOPICS)]
        text = {"type": "string", "minLength": 10, "maxLength": 40}
        schema = {
            "type": "object",
            "properties": {"rows": {"type": "array", "items": text, "minItems": rows, "maxItems": rows}},
            "required": ["rows"], "additionalProperties": False,
        }  # fmt: skip
        asked = f"Write {rows} messages of a customer about {topic}, number {number}, as JSON."
        made.append(Request((Message("user", asked),), schema, 12 + 20 * rows, 0.9, "m"))
    return made


def one_after_the_other(
    run: Callable[[Any], Any], parts: Iterable[Any], device: str, stop: Any = None
) -> Iterator[Any]:
    """Yield each batch's completions, computed on all cores."""
    return map(run, parts)


def seconds(asked: list[Request], batch_size: int, together: bool) -> float:
    """Answer the requests and return how long it took."""
    path = models.locate(MODEL) or models.fetch(MODEL, say=print)
    loaded = load(path, "auto", "cpu")
    constraint = generation.Constraint(loaded)
    with ExitStack() as stack:
        if not together:
            stack.enter_context(patch.object(generation, "side_by_side", one_after_the_other))
            whole = patch.object(
                generation, "balanced_batch_size", lambda _rows, most, _model: most
            )
            stack.enter_context(whole)
        began = time.perf_counter()
        groups = list(
            generation.complete(loaded, constraint.processors, asked, (), always, batch_size)
        )
        took = time.perf_counter() - began
    if sum(map(len, groups)) != len(asked):
        raise SystemExit("requests were left without a reply")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    asked = requests(given.requests)
    seconds(
        asked[:6], given.batch, together=True
    )  # what is made for the first time counts for nobody
    ratios = []
    for pair in range(given.pairs):
        order = (True, False) if pair % 2 else (False, True)
        took = {together: seconds(asked, given.batch, together) for together in order}
        ratios.append(took[False] / took[True])
        print(
            f"pair {pair + 1}: one after the other {took[False]:.1f} s, side by side {took[True]:.1f} s,"
            f" ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(
        f"{given.requests} requests on {torch.get_num_threads()} threads: side by side"
        f" {statistics.median(ratios):.2f} times as fast, median of {given.pairs}"
    )


if __name__ == "__main__":
    main()
