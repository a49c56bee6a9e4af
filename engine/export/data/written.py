"""`export_data`: a run's rows as a folder that `datasets` loads, with a card that says where they are from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.errors import EngineError
from engine.export.data.card import CardRow, data_card
from engine.export.data.layouts import LAYOUTS, TAUGHT, Layout
from engine.export.data.preferences import student_pairs, writer_pairs
from engine.export.data.rows import training_rows
from engine.export.folder import check_target, writing
from engine.export.push import check_token, push
from engine.export.run import FinishedRun, Which, find_run
from engine.registry import did_you_mean
from engine.store import reader
from engine.system.plain_text import clean

Rows = Literal["original", "synthetic", "mined", "all"]
Format = Literal["jsonl", "parquet"]
_OTHER_NAMES = {
    "dpo": "preference",
    "openai": "chat",
    "messages": "chat",
    "json": "jsonl",
    "both": "all",
}
"""What others call a layout, a format or rows."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of a run's rows is exported, and how."""

    layout: Layout = "rows"
    format: Format = "jsonl"
    rows: Rows = "all"
    verified: bool = False
    """Whether rows whose label nobody checked are left out."""
    seed: int | None = None
    """One of the run's; all of them when left out."""
    round: int | None = None
    """Exactly the rows of this round's fine-tune; all that were kept when left out."""
    licence: str | None = None
    """What the card says of the whole data set's licence, such as `apache-2.0`."""


@dataclass(frozen=True)
class DataExport:
    """What was written."""

    folder: Path
    file: Path
    run: str
    counts: Mapping[str, int]
    """Rows by what stands for their label: given, verified, unverified."""
    left_out: int = 0
    """Rows or pairs that `verified` left out."""
    pushed: str | None = None
    """Address of the copy on the Hub."""

    @property
    def rows(self) -> int:
        """Rows, or pairs."""
        return sum(self.counts.values())


def export_data(
    which: Which,
    to: Path,
    wanted: Wanted | None = None,
    *,
    replace: bool = False,
    push_to: str | None = None,
) -> DataExport:
    """Write a run's training rows to a folder; whole or not at all.

    Args:
        which: The run.
        to: The folder: new, empty, or with `replace` an earlier export.
        wanted: Which rows, in which form.
        replace: Whether an earlier export may be replaced.
        push_to: Name of a data set on the Hugging Face Hub, to which the folder is uploaded too.

    Raises:
        EngineError: the folder is taken, there is no such run, no row fits, or the layout cannot hold the task.
    """
    wanted = wanted or Wanted()
    _check(wanted)
    to = to.absolute()
    check_target(to, replace=replace)
    if push_to is not None:
        check_token(push_to)
    with reader(which.state) as query:
        run = find_run(query, which)
        found = list(_records(run, wanted))
        records = [r for r in found if not wanted.verified or r["pada_label"] != "unverified"]
        if not records:
            raise EngineError(*_none(run, wanted, len(found)))
        labels = Counter(str(record["pada_label"]) for record in records)
        origins = Counter(str(record.get("pada_origin", "pair")) for record in records)
        kinds = Counter(
            (str(r.get("pada_origin") or r.get("pada_pair")), str(r["pada_label"])) for r in records
        )
        counts = [CardRow(what, label, n) for (what, label), n in sorted(kinds.items())]
        card = data_card(run, wanted.layout, wanted.format, counts, wanted.licence)
    told = {"what": "data", "run": run.id, "recipe": run.name, "layout": wanted.layout}
    name = f"data/train.{wanted.format}"
    with writing(to, {**told, "rows": dict(origins)}) as part:
        (part / "data").mkdir()
        _write(part / name, records, wanted.format)
        (part / "README.md").write_text(clean(card), encoding="utf-8")
    pushed = push(to, push_to, "dataset") if push_to is not None else None
    return DataExport(to, to / name, run.id, dict(labels), len(found) - len(records), pushed)


def _check(wanted: Wanted) -> None:
    choices: Sequence[tuple[str, str, Sequence[str]]] = (
        ("layout", wanted.layout, list(LAYOUTS)),
        ("format", wanted.format, ["jsonl", "parquet"]),
        ("rows", wanted.rows, ["original", "synthetic", "mined", "all"]),
    )
    for name, value, known in choices:
        if value not in known:
            near = _OTHER_NAMES.get(value.lower())
            hint = f"it is called {near} here" if near in known else did_you_mean(value, known)
            raise EngineError(f"there is no {name} '{value}'", hint)
    if wanted.layout.endswith("preference") and (wanted.rows != "all" or wanted.round is not None):
        raise EngineError(
            f"the layout {wanted.layout} is of pairs, which are of no origin and no round",
            "leave out --rows and --round",
        )


def _records(run: FinishedRun, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Return one JSON object per row or pair."""
    if wanted.layout == "writer_preference":
        found: Iterator[dict[str, Any]] = writer_pairs(run, wanted.seed)
    elif wanted.layout == "preference":
        found = student_pairs(run, run.prompts(training=True), wanted.seed)
    else:
        found = _rows(run, wanted)
    return found


def _rows(run: FinishedRun, wanted: Wanted) -> Iterator[dict[str, Any]]:
    rows = [
        row
        for row in training_rows(run, wanted.seed, wanted.round)
        if wanted.rows in ("all", row.origin)
    ]
    if wanted.layout == "rows":
        target = run.task.target
        for row in rows:
            yield {**row.example.inputs, target: row.example.target, **row.meta}
        return
    prompts = run.prompts(training=True)
    form = TAUGHT[wanted.layout]
    # A column of all rows, where some have tools.
    none: dict[str, Any] = (
        {"tools": "" if wanted.layout == "sharegpt" else []} if prompts.task.seen else {}
    )
    for row in rows:
        taught = form(prompts(row.example), prompts.said(row.example))
        yield {**none, **taught, **row.meta}


def _none(run: FinishedRun, wanted: Wanted, unverified: int) -> tuple[str, str]:
    """Return why nothing is left; `unverified` counts what `verified` left out."""
    if unverified:
        what = "pairs" if wanted.layout.endswith("preference") else "rows"
        return (
            f"run {run.id} has {unverified:,} such {what}, and nobody has checked the labels besides whoever gave them",
            "leave out --verified: the column pada_label marks them",
        )
    if wanted.layout == "preference":
        return (
            f"run {run.id} has no wrong answer to a training row, and no rejected row that was answered otherwise",
            "pairs need one of them; choose another layout",
        )
    if wanted.layout == "writer_preference":
        return (
            f"run {run.id} has no rejected row beside an accepted one of the same seed row, pattern and operator",
            "choose another layout",
        )
    kind = "" if wanted.rows == "all" else f" {wanted.rows}"
    return f"run {run.id} has no{kind} training rows", "choose --rows all, or another run"


def _write(path: Path, records: Sequence[Mapping[str, Any]], format: Format) -> None:
    if format == "jsonl":
        with path.open("w", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([*map(_flat, records)]), path)


def _flat(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row with definitions of tools as text: as columns they would have all keys of all of them."""
    tools = record.get("tools")
    if not isinstance(tools, list):
        return record
    return {**record, "tools": json.dumps(tools, ensure_ascii=False)}
