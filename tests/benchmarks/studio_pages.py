"""What the studio's pages take over millions of failures: the server's functions, as a browser asks them.

    python -m tests.benchmarks.studio_pages --failures 10_000_000 --state /somewhere/with/room

The store is that of `tests.benchmarks.store_views`: 20 runs. Pages are of one of them, and of one run that has the rows
of all (`--whole`). Wall seconds are the least of three; CPU is of all threads in that try, and what counts while others
work. Each answer opens the store anew, as it does for a browser.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.store import Stop, reader
from engine.store.file import FILE
from engine.studio.answers import encoded
from engine.studio.asked import Asked
from engine.studio.routes import ROUTES
from engine.studio.settings import Settings
from tests.benchmarks.store_views import make

PROMISE = 0.3
"""Seconds."""
WHOLE = "r0099"
DEEP = "49950"
"""The first row of page 1000."""
_WHOLE = f"""
INSERT INTO run BY NAME SELECT '{WHOLE}' AS id, 'recipe0' AS recipe, 'done' AS status,
  TIMESTAMP '2026-04-01' AS started, '{{}}' AS versions;
INSERT INTO run_part SELECT '{WHOLE}', kind, substr(run, 2)::INTEGER, round, part FROM run_part WHERE run <= 'r0020';
INSERT INTO run_node SELECT '{WHOLE}', node, name, row_number() OVER () - 1, 'cached' FROM run_node
  WHERE run <= 'r0020';
"""


class Question(NamedTuple):
    """What a page asks."""

    name: str
    path: str
    query: Mapping[str, str] = {}
    words: Mapping[str, str] = {}
    """Of the address, besides the run."""


def questions(state: Path, run: str) -> Iterator[Question]:
    """Yield what the pages of a run ask."""
    with reader(state) as query:
        (one,) = query(
            "SELECT example, pattern, target, answer FROM all_failures WHERE run = ? LIMIT 1 OFFSET 1000",
            [run],
        )
        (made,) = query(
            "SELECT candidate, parent FROM all_lineage WHERE run = ? LIMIT 1 OFFSET 1000", [run]
        )
    for name in (
        "",
        "/movements",
        "/generation",
        "/spend",
        "/patterns",
        "/map",
        "/confusion",
        "/facets",
    ):
        yield Question(name.strip("/") or "overview", f"/runs/{{run}}{name}")
    yield Question("a pattern", "/runs/{run}/patterns/{pattern}", {}, {"pattern": one["pattern"]})
    tables: dict[str, dict[str, dict[str, str]]] = {
        "failures": {
            "first page": {},
            "page 1000": {"offset": DEEP},
            "of one student": {"round": "2", "split": "validation"},
            "of a pattern": {"pattern": one["pattern"]},
            "of a label": {"target": one["target"]},
            "of a cell": {"target": one["target"], "answer": one["answer"], "round": "2"},
            "a frequent word": {"search": "refund"},
            "a frequent word, page 1000": {"search": "refund", "offset": DEEP},
            "a word that no row has, first answer": {"search": "nothing has this"},
            "sorted by sureness": {"sort": "confidence", "order": "down"},
            "sorted by sureness, page 1000": {"sort": "confidence", "order": "down", "offset": DEEP},
            "sorted by label": {"sort": "target"},
            "sorted by label, page 1000": {"sort": "target", "offset": DEEP},
            "sorted, with a frequent word": {"sort": "confidence", "search": "refund"},
        },
        "generated": {
            "first page": {},
            "page 1000": {"offset": DEEP},
            "rejected by the judge": {"outcome": "rejected", "reason": "judge"},
            "a frequent word": {"search": "refund"},
            "sorted by what became of them": {"sort": "outcome"},
        },
    }  # fmt: skip
    for table, asked in tables.items():
        for name, query_ in asked.items():
            yield Question(f"{table}, {name}", f"/runs/{{run}}/{table}", query_)
    rows = {
        "failure": one["example"],
        "generated row": made["candidate"],
        "training row": made["parent"],
    }
    for name, row in rows.items():
        yield Question(f"a {name} whole", "/runs/{run}/rows/{row}", {}, {"row": row})


def seconds(state: Path, run: str, question: Question, tries: int = 3) -> tuple[float, float, int]:
    """Return the least wall seconds, the CPU seconds of that try, and the bytes of the answer."""
    answers = {route.path: route.answer for route in ROUTES}
    asked = Asked({"run": run, **question.words}, question.query)
    found = []
    for _ in range(tries):
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            size = len(encoded(answers[question.path](Settings(state), asked, Stop())))
        except EngineError as error:
            raise SystemExit(f"{question.name}: {error.message}") from error
        found.append((time.perf_counter() - wall, time.process_time() - cpu, size))
    return min(found)


def make_whole(state: Path) -> None:
    """Add a run that has the rows of all others, as twenty seeds."""
    import duckdb

    with duckdb.connect(str(state / FILE)) as connection:
        known: Any = connection.execute("SELECT count(*) FROM run WHERE id = ?", [WHOLE]).fetchone()
        for statement in () if known[0] else connection.extract_statements(_WHOLE):
            connection.execute(statement)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--failures", type=int, default=1_000_000)
    parser.add_argument(
        "--state", type=Path, required=True, help="a folder; a store in it is reused"
    )
    parser.add_argument("--whole", action="store_true", help="also of one run that has all rows")
    arguments = parser.parse_args()
    if not (arguments.state / FILE).exists():
        make(arguments.state, arguments.failures)
    if arguments.whole:
        make_whole(arguments.state)
    for run in ("r0007", *([WHOLE] if arguments.whole else [])):
        over = 0
        print(f"\n{run}\n\n| page | seconds | CPU seconds | KB |\n|---|---|---|---|")
        for question in questions(arguments.state, run):
            wall, cpu, size = seconds(arguments.state, run, question)
            over += cpu > PROMISE
            print(f"| {question.name} | {wall:.2f} | {cpu:.2f} | {size / 1e3:,.0f} |", flush=True)
        print(f"\n{over} over {PROMISE} s of CPU")


if __name__ == "__main__":
    main()
