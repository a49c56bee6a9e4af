"""Mutated results of request files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unittest import mock

from engine import gate
from engine.store import spool, store
from tests.e2e.batch_project import Person, read_lines, with_batch, write
from tests.security.fuzz.commands import DONE, pada
from tests.security.fuzz.mutations import (
    ODD_TEXTS,
    mutated,
    mutated_bytes,
    mutated_text,
    odd,
    written,
)

WAITING = 75


class Waiting(NamedTuple):
    """A project whose run waits."""

    folder: Path
    recipe: Path
    results: list[dict[str, Any]]
    """What it waits for."""
    spool: list[bytes]
    """What its run wrote so far."""


@cache
def waiting() -> Waiting:
    """Return a project whose run waits for results."""
    folder = Path.cwd() / "batch"
    recipe = with_batch(write(folder, seeds="[0]", rounds=1))
    state = folder / ".pada"
    with spooled() as lines:
        pada("run", recipe, "--state", state, "--quiet", codes={WAITING})
    [requests] = sorted(state.glob("batch/*/requests.jsonl"))
    results = Person(folder).answer(requests, folder / "results.jsonl")
    return Waiting(folder, recipe, read_lines(results), lines)


@contextmanager
def spooled() -> Iterator[list[bytes]]:
    """Give the lines that runs in the block put into their spool."""
    kept: list[bytes] = []

    def removed(done: list[spool.Segment], in_use: Path | None = None) -> None:
        for segment in done:
            if segment.path.exists():
                kept.extend(segment.path.read_bytes().splitlines())
        spool.remove(done, in_use)

    with mock.patch.object(store, "remove", removed):
        yield kept


def warm() -> None:
    """Make the project."""
    waiting()


def copied(state: Path, to: Path) -> Path:
    """Copy a state folder, as its user would who says that it is theirs."""
    shutil.copytree(state, to)
    gate.trust_state(to)
    return to


def attempt(number: int, random: Random, folder: Path) -> str:
    """Import results, and now and then go on with the run."""
    known = waiting()
    state = copied(known.folder / ".pada", folder / ".pada")
    results = folder / "results.jsonl"
    results.write_bytes(_results(known.results, random))
    code = pada("batch", "import", results, "--state", state)
    if code == 0 and number % 20 == 19:
        return (
            f"run: {pada('run', known.recipe, '--state', state, '--quiet', codes=DONE | {WAITING})}"
        )
    return f"exit code {code}"


def _results(lines: list[dict[str, Any]], random: Random) -> bytes:
    way = random.random()
    changed = [mutated(line, random) if random.random() < 0.4 else line for line in lines]
    if way < 0.3:
        for line in changed:
            _say(line, random)
    text = "".join(json.dumps(line) + "\n" for line in changed)
    if way < 0.6:
        return written(text)
    if way < 0.9:
        return written(mutated_text("".join(json.dumps(line) + "\n" for line in lines), random))
    return mutated_bytes(text.encode(), random)


def _say(line: Any, random: Random) -> None:
    """Put something odd in the place of a reply, or of what it took."""
    try:
        body = line["response"]["body"]
        said = body["choices"][0]["message"]
        if random.random() < 0.5:
            said["content"] = random.choice(
                (json.dumps(odd(random)), random.choice(ODD_TEXTS), odd(random))
            )
        else:
            body["usage"][random.choice(("prompt_tokens", "completion_tokens"))] = odd(random)
    except (LookupError, TypeError):
        return
