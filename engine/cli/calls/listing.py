"""`pada calls` and `pada calls show`: the ledger of LLM calls, listed and one by one. Reads beside a running run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.cli.sql import tell_unseen
from engine.cli.terminal.output import make_console, roomy, say
from engine.cli.terminal.streams import print_records
from engine.report.calls import find_call, made_from
from engine.report.formatting import money
from engine.store import Unseen, ask
from engine.system.plain_text import clean

SHORT = 10
"""Digits of an id that a list shows: enough for `pada calls show`."""

_LISTED = """
SELECT k.id, k.created, k.run, k.role, n.stage, n.name AS node, k.model, k.server, k.method, k.prompt_tokens,
  k.completion_tokens, k.cached_tokens, k.reasoning_tokens, k.cost, k.seconds,
  json_array_length(k.tries)::INTEGER AS retries, k.error, k.final, k.finish_reason, k.node AS fingerprint
FROM llm_call k LEFT JOIN node n ON n.id = k.node
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which calls are listed; None and False do not filter."""

    run: str | None = None
    role: str | None = None
    stage: str | None = None
    error: str | None = None
    """Kind of a failed reply, or of an exchange without a reply."""
    failed: bool = False
    node: str | None = None
    """A node's name, or the beginning of its fingerprint."""

    def sql(self) -> tuple[str, list[Any]]:
        """Return the conditions and their parameters."""
        conditions = {
            "run": "k.run = ?",
            "role": "k.role = ?",
            "stage": "n.stage = ?",
            "error": "(k.error = ? OR list_contains(json_extract_string(k.tries, '$[*].kind'), ?))",
            "failed": "k.error IS NOT NULL",
            "node": "(n.name = ? OR starts_with(k.node, ?))",
        }
        chosen = [(conditions[f.name], getattr(self, f.name)) for f in fields(self)]
        used = [(sql, value) for sql, value in chosen if value]
        parameters = [value for sql, value in used for _ in range(sql.count("?"))]
        return " AND ".join(["true", *(sql for sql, _ in used)]), parameters


def list_calls(
    state: Path,
    filters: Filters,
    limit: int,
    *,
    as_json: bool = False,
    console: Console | None = None,
    errors: Console | None = None,
) -> None:
    """Print the newest `limit` entries that the filters let through; notes go to `errors`.

    Raises:
        StoreError: there is no store, or it is held by another process.
    """
    console, errors = console or make_console(), errors or make_console(stderr=True)
    where, parameters = filters.sql()
    sql = f"{_LISTED} WHERE {where} ORDER BY k.created DESC, k.id LIMIT ?"
    calls, unseen = _asked(state, sql, [*parameters, limit + 1])
    tell_unseen(errors, unseen)
    shown = calls[:limit]
    if as_json:
        print_records(console.file, shown)
        return
    if not shown:
        say(console, "no calls" if filters == Filters() else _none(state))
        return
    roomy(console, 240).print(_table(shown))
    if len(calls) > limit:
        say(console, f"the newest {limit:,} are shown; --limit shows more, filters choose others")


def _none(state: Path) -> str:
    there, _ = _asked(
        state,
        "SELECT list(DISTINCT k.run ORDER BY k.run) AS runs, list(DISTINCT k.role ORDER BY k.role) AS roles,"
        " list(DISTINCT n.stage ORDER BY n.stage) FILTER (n.stage IS NOT NULL) AS stages,"
        " list(DISTINCT k.error ORDER BY k.error) FILTER (k.error IS NOT NULL) AS errors"
        " FROM llm_call k LEFT JOIN node n ON n.id = k.node",
        [],
    )
    kinds = (f"{name}: {', '.join(values)}" for name, values in there[0].items() if values)
    return "no such calls; there are " + ("; ".join(kinds) or "none at all")


def _asked(state: Path, sql: str, parameters: Sequence[Any]) -> tuple[list[dict[str, Any]], Unseen]:
    with ask(state, sql, parameters) as answer:
        return answer.reader.read_all().to_pylist(), answer.unseen


def _table(calls: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    # What `pada calls show` is given is never cut, however narrow the terminal.
    table.add_column("id", no_wrap=True, min_width=SHORT)
    for title in ("time (UTC)", "role", "stage", "model", "method"):
        table.add_column(title, no_wrap=True)
    for title in ("tokens", "cost", "seconds", "retries"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("error", no_wrap=True)
    for call in calls:
        error = call["error"] or ""
        cells = (
            call["id"][:SHORT],
            f"{call['created']:%Y-%m-%d %H:%M:%S}",
            call["role"],
            call["stage"] or "unfinished",
            _brief(call["server"] or call["model"]),
            call["method"],
            f"{_number(call['prompt_tokens'])} + {_number(call['completion_tokens'])}",
            "" if call["cost"] is None else money(call["cost"]),
            f"{call['seconds']:.2f}",
            str(call["retries"] or ""),
            error if call["final"] or not error else f"{error}, asked again",
        )
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table


def _brief(name: str) -> str:
    return name if len(name) <= 32 else f"{name[:31]}…"


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def show_call(state: Path, prefix: str, console: Console | None = None) -> None:
    """Print one request in full: turns, schema, every reply with its tries, and the rows made from it.

    Raises:
        StoreError: as `find_call`, and where the store cannot be read.
    """
    console = console or make_console()
    entries = find_call(state, prefix)
    for text in _whole(entries):
        say(console, text)
    used = made_from(state, entries[0]["id"])
    say(console, "\nwhat came from it:" if used else "\nno row came of it")
    for row in used:
        say(
            console,
            f"  {row['what']:<10} {row['item']:<18} {row['about']}  ({row['node'] or 'unfinished node'})",
        )


def _whole(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first = entries[0]
    yield f"call {first['id']}"
    node = first["node_name"] or f"{first['node']} (unfinished)"
    yield f"asked of the {first['role']} by {node}, model {first['model']}"
    yield (
        f"at most {first['max_tokens']:,} tokens, temperature {first['temperature']:g}, attempt {first['attempt']}"
    )
    yield from turns(first["messages"])
    if first["schema"] is not None:
        yield f"\n--- schema\n{json.dumps(first['schema'], indent=2, ensure_ascii=False)}"
    sent = first["messages"]
    for number, entry in enumerate(entries, start=1):
        if entry["messages"] != sent:
            yield f"\nsent for reply {number}, where it differs:"
            yield from turns(_new_turns(sent, entry["messages"]))
            sent = entry["messages"]
        yield from _reply(entry, number, len(entries))


def turns(messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield chat turns for people: the role on a line of its own."""
    for message in messages:
        yield f"\n--- {message['role']}\n{message['content']}"


def _new_turns(
    before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]]
) -> Sequence[Mapping[str, str]]:
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    return after[same:] or after


def _reply(entry: Mapping[str, Any], number: int, count: int) -> Iterator[str]:
    position = f" {number} of {count}" if count > 1 else ""
    state = "usable" if entry["error"] is None else f"not usable: {entry['error']}"
    again = "" if entry["final"] else ", asked again"
    yield f"\n--- reply{position}: {state}{again} (run {entry['run']}, {entry['created']:%Y-%m-%d %H:%M:%S} UTC)"
    yield pretty(entry["reply"])
    if entry["detail"]:
        yield f"why: {entry['detail']}"
    yield "; ".join(_facts(entry))
    for try_number, exchange in enumerate(entry["tries"], start=1):
        status = f" {exchange['status']}" if exchange.get("status") else ""
        outcome = f"{exchange['kind']}{status} after {exchange['seconds']:.2f} s"
        yield f"before that, try {try_number}: {outcome}: {exchange['detail']}"


def _facts(entry: Mapping[str, Any]) -> Iterator[str]:
    prompt, completion = _number(entry["prompt_tokens"]), _number(entry["completion_tokens"])
    cached = f" ({entry['cached_tokens']:,} cached)" if entry["cached_tokens"] else ""
    thought = f" ({entry['reasoning_tokens']:,} reasoning)" if entry["reasoning_tokens"] else ""
    yield f"{prompt} prompt tokens{cached}, {completion} completion tokens{thought}"
    yield f"cost {cost_of(entry['cost'])}"
    yield f"{entry['seconds']:.2f} s"
    yield f"finished by {entry['finish_reason']}"
    yield "plain text" if entry["schema"] is None else f"structure by {entry['method']}"
    if entry["server"]:
        yield f"answered by {entry['server']}"


def cost_of(cost: float | None) -> str:
    """Return a call's cost as text, `unknown` where it is not known."""
    return "unknown" if cost is None else money(cost)


def pretty(reply: str) -> str:
    """Return a reply as indented JSON where it is JSON, else as it came."""
    try:
        return json.dumps(json.loads(reply), indent=2, ensure_ascii=False)
    except ValueError:
        return reply or "(empty)"
