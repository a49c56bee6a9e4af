"""Mutated stores, spools and what else lies in a state folder."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from random import Random

from tests.e2e.scripted_project import write_project
from tests.security.fuzz.batches import copied, spooled, waiting
from tests.security.fuzz.commands import pada
from tests.security.fuzz.mutations import mutated, mutated_bytes, mutated_text, odd, written

_ASKED = (
    ("runs",),
    ("calls",),
    ("sql", "SELECT * FROM failures"),
    ("sql", "SELECT * FROM llm_call"),
    ("patterns",),
    ("report",),
    ("batch", "list"),
    ("clean",),
    ("sql", "SELECT * FROM node", "--json"),
    ("plan", "{recipe}"),
    ("calls", "show", "a"),
)


_rich = False
"""Whether what is spoiled is that of a whole run; it takes some seconds more to make."""


@cache
def _stored() -> tuple[Path, list[bytes]]:
    """Return a recipe beside its state folder, and the lines that the spool of its run held."""
    if not _rich:
        known = waiting()
        return known.recipe, known.spool
    recipe = write_project(Path.cwd() / "stored")
    with spooled() as lines:
        pada("run", recipe, "--state", recipe.parent / ".pada", "--quiet", codes={0})
    return recipe, lines


def warm(*, rich: bool) -> None:
    """Make what is spoiled: the state of a whole run, or of one that waits."""
    global _rich
    _rich = rich
    _stored()


def attempt(number: int, random: Random, folder: Path) -> str:
    """Ask a state folder of which something is mutated, twice."""
    recipe, lines = _stored()
    state = copied(recipe.parent / ".pada", folder / ".pada")
    _spoil(state, lines, random)
    codes = []
    for asked in random.sample(_ASKED, 2):
        words = [word.format(recipe=recipe) for word in asked]
        codes.append(pada(*words, "--state", state))
    return f"exit codes {codes}"


def _spoil(state: Path, lines: list[bytes], random: Random) -> None:
    database = state / "store.duckdb"
    way = random.random()
    if way < 0.3:
        data = database.read_bytes()
        database.write_bytes(mutated_bytes(data, random))
    elif way < 0.4:
        database.unlink()
        if random.random() < 0.5:
            database.mkdir()
    elif way < 0.9:
        spool = state / "spool" / random.choice(("r0001", "r0002", "x", "r9999999999"))
        spool.mkdir(parents=True)
        name = random.choice(
            ("000001-abcdef01.jsonl", "999999-abcdef01.jsonl", "x.jsonl", "-1-a.jsonl")
        )
        (spool / name).write_bytes(_spooled(lines, random))
    else:
        file = random.choice([f for f in sorted(state.rglob("*")) if f.is_file() and f != database])
        if random.random() < 0.3:
            file.unlink()
            file.mkdir()
        elif random.random() < 0.3:
            shutil.copyfile(database, file)
        else:
            file.write_bytes(mutated_bytes(file.read_bytes(), random))


def _spooled(lines: list[bytes], random: Random) -> bytes:
    chosen = random.sample(lines, min(len(lines), random.choice((1, 5, 40))))
    changed = []
    for line in chosen:
        record = json.loads(line)
        if random.random() < 0.5:
            record = mutated(record, random)
        if random.random() < 0.1 and record:
            record[0] = odd(random)
        changed.append(json.dumps(record))
    text = "\n".join(changed) + "\n"
    if random.random() < 0.3:
        text = mutated_text(text, random)
    return mutated_bytes(written(text), random) if random.random() < 0.2 else written(text)
