"""`python -m tests.security.fuzz --seed 1 --recipes 2000 …`: one kind after the other, and what went wrong."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import typer.main

from tests.security.fuzz import batches, data, recipes, replies, stores
from tests.security.fuzz.worker import Attempt, Finding, say, tried

KINDS: dict[str, Attempt] = {
    "recipes": recipes.attempt,
    "data": data.attempt,
    "batches": batches.attempt,
    "stores": stores.attempt,
    "replies": replies.attempt,
}
TOLD_EVERY = 250
"""Inputs between two lines on how far it is."""
ENOUGH = 20
"""State folders from which on a whole run is worth its seconds."""
_LOADED = (
    "engine.cli.recipes",
    "engine.cli.planning",
    "engine.cli.batch",
    "engine.cli.runs",
    "engine.cli.calls.listing",
    "engine.cli.sql",
    "engine.cli.clean",
    "engine.cli.running",
    "engine.backends.http.model",
    "duckdb",
    "pyarrow.parquet",
    "jsonschema",
    "pytz",
    "jinja2.sandbox",
)
"""What processes should find loaded when they are forked."""


def main(arguments: list[str]) -> int:
    """Try as many of each kind as asked; return 0 where all of them ended as they should."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="The number of one input.")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0)
    asked = vars(parser.parse_args(arguments))
    with tempfile.TemporaryDirectory(prefix="fuzz-home-") as home, contextlib.chdir(home):
        _apart(Path(home))
        for module in _LOADED:
            importlib.import_module(module)
        # The commands are the same for all inputs.
        typer.main.get_command = functools.cache(typer.main.get_command)
        recipes.warm(Path(home))
        if asked["batches"]:
            batches.warm()
        if asked["stores"]:
            stores.warm(rich=asked["stores"] >= ENOUGH)
        if asked["replies"]:
            replies.warm()
        wrong = 0
        for kind, attempt in KINDS.items():
            if asked[kind] and asked["only"] is None:
                wrong += _all(kind, attempt, asked["seed"], asked[kind])
            elif asked[kind]:
                say(
                    str(next(tried(attempt, kind, asked["seed"], asked["only"] + 1, asked["only"])))
                )
    return 1 if wrong else 0


def _apart(home: Path) -> None:
    """Keep to a folder of its own, and off the network."""
    os.environ.update(
        HOME=str(home),
        PADA_CONFIG=str(home / "settings"),
        PADA_CACHE=str(home / "cache"),
        HF_HUB_OFFLINE="1",
        TMPDIR=str(home),
        COLUMNS="160",
        OPENBLAS_NUM_THREADS="1",
    )
    tempfile.tempdir = str(home)


def _all(kind: str, attempt: Attempt, seed: int, count: int) -> int:
    began = time.monotonic()
    ends, kinds = Counter[str](), dict[str, list[Finding]]()
    for number, ended in enumerate(tried(attempt, kind, seed, count), start=1):
        if isinstance(ended, str):
            ends[ended] += 1
        else:
            kinds.setdefault(ended.how, []).append(ended)
        if number % TOLD_EVERY == 0 and number < count:
            wrong = sum(map(len, kinds.values()))
            say(f"  {kind}: {number} of {count}, {wrong} wrong: {', '.join(kinds) or 'nothing'}")
    wrong = sum(map(len, kinds.values()))
    told = ", ".join(f"{times} {end}" for end, times in ends.most_common())
    say(f"{kind}: {count} in {time.monotonic() - began:.0f} s: {wrong} wrong; {told}")
    for how, findings in kinds.items():
        say(
            f"  {how}: {len(findings)}, numbers {', '.join(str(one.number) for one in findings[:8])}"
        )
        say("    " + findings[0].detail[-3000:].replace("\n", "\n    "))
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
