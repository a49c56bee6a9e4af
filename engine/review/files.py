"""Files for people who review in a spreadsheet or an editor: a line per row, written, filled in, and taken back.

A file that is taken is right as a whole or not taken at all: each wrong line is told by its number. A line without a
verdict says nothing; one that says what its reviewer said already is passed over.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError, Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.review.desk import REASONS, Desk, RefusedError
from engine.review.items import Item
from engine.review.queues import Queue
from engine.rows import Review
from engine.system.files import replacing
from engine.system.plain_text import cell, clean_json

VERDICTS = ("accept", "reject", "change")
FIXED = ("row", "now", "pattern", "made_by", "seed_row")
"""Columns that are there to be read."""
FILLED = ("verdict", "reason", "note")
NEW = "new "
"""How the columns begin that say what a row is changed into."""
MOST_BYTES = 200_000_000


class Line(NamedTuple):
    """One filled-in line."""

    number: int
    values: Mapping[str, str]


def write_items(path: Path, items: Sequence[Item], target: str, *, over: bool = False) -> None:
    """Write rows for somebody to fill in.

    Args:
        path: A file that ends in .csv or .jsonl.
        items: The rows.
        target: Name of the task's target column.
        over: Whether a file that is there may be replaced.

    Raises:
        EngineError: it is neither, it is there already, it cannot be written, or the task has a column that is called
            as one of the file's own.
    """
    form = _form(path)
    if path.exists() and not over:
        raise EngineError(f"{path} is there already", "name another file, or move it away first")
    _check_names({target, *(name for item in items for name in item.inputs)})
    rows = [_row(item, target) for item in items]
    text = io.StringIO(newline="")
    if form == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        text.writelines(map(clean_json, lines))
    else:
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(text, names, restval="")
        writer.writeheader()
        # What is to be read; nothing of it is taken back.
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    # Spreadsheets take a CSV without a mark for one of their country's old encoding.
    encoding = "utf-8-sig" if form == ".csv" else "utf-8"
    try:
        with replacing(path) as part:
            part.write_bytes(text.getvalue().encode(encoding, "replace"))
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror}") from error


def _check_names(columns: Collection[str]) -> None:
    """Raise EngineError where a column of the task cannot be told from one that the file has of itself."""
    own = {*FIXED, *FILLED, *(f"{NEW}{name}" for name in columns)}
    if taken := sorted(own & set(columns)):
        raise EngineError(
            f"the task's column '{taken[0]}' is called as one that a file for review has of itself",
            "review in the terminal, without --export, or rename the column in data and recipe",
        )


def _row(item: Item, target: str) -> dict[str, str]:
    seed = item.parent_inputs
    return {
        "row": item.example,
        **item.inputs,
        target: item.target,
        "verdict": "",
        "reason": "",
        **{f"{NEW}{name}": "" for name in (target, *item.inputs)},
        "note": "",
        "now": item.state if item.state != "rejected" else f"rejected ({item.reason})",
        "pattern": item.pattern_name,
        "made_by": item.operator,
        "seed_row": "" if seed is None else f"{' | '.join(seed.values())} → {item.parent_target}",
    }


def _form(path: Path) -> str:
    form = path.suffix.lower()
    if form not in (".csv", ".jsonl"):
        raise EngineError(
            f"{path} is neither a .csv nor a .jsonl file", "name it so that it ends so"
        )
    return form


def read_reviews(path: Path, desk: Desk, queue: Queue, target: str) -> list[Review]:
    """Return the verdicts of a file that was filled in; nothing is stored.

    Args:
        path: The file.
        desk: Of the reviewer.
        queue: Where the rows came from, for the record.
        target: Name of the task's target column.

    Raises:
        RecipeError: with every wrong line.
        EngineError: the file cannot be read, or is none of this kind.
    """
    lines = list(_lines(path))
    items = desk.find([line.values.get("row", "").strip() for line in lines], queue)
    said = desk.said(items.values())
    problems: list[Problem] = []
    reviews: dict[str, tuple[int, Review]] = {}
    for line in lines:
        try:
            review = _review(line.values, items, desk, queue, target)
            if review is not None and review.example in reviews:
                other, earlier = reviews[review.example]
                if _same(earlier, review):
                    continue
                raise RefusedError(
                    f"line {other} says otherwise of the same row", "keep one of the two"
                )
        except EngineError as error:
            place = Location(str(path), line.number)
            problems.append(Problem(place, error.message, error.hint))
            continue
        if review is not None:
            reviews[review.example] = (line.number, review)
    if problems:
        raise RecipeError(problems)
    return [
        review
        for _, review in reviews.values()
        if (key := (review.subject, review.example)) not in said or not _same(said[key], review)
    ]


def _same(one: Review | tuple[Any, ...], other: Review) -> bool:
    mine = one if isinstance(one, tuple) else _key(one)
    return mine == _key(other)


def _key(review: Review) -> tuple[Any, ...]:
    return review.verdict, review.reason, review.new_example


def _review(
    values: Mapping[str, str], items: Mapping[str, Item], desk: Desk, queue: Queue, target: str
) -> Review | None:
    """Return what a line says; None where it says nothing."""
    verdict, name = values.get("verdict", "").strip().lower(), values.get("row", "").strip()
    changed = {
        column.removeprefix(NEW): value
        for column, value in values.items()
        if column.startswith(NEW) and value.strip()
    }
    reason, note = values.get("reason", "").strip().lower(), values.get("note", "")
    if not verdict:
        if changed or reason:
            raise RefusedError("it has no verdict", f"write one of: {', '.join(VERDICTS)}")
        return None
    if verdict not in VERDICTS and verdict not in ("edit", "relabel"):
        hint = did_you_mean(verdict, VERDICTS) or f"one of: {', '.join(VERDICTS)}"
        raise RefusedError(f"'{verdict}' is no verdict", hint)
    item = items.get(name)
    if item is None:
        raise RefusedError(
            f"there is no row '{name[:40]}' to review in run {desk.place.run} of '{desk.place.recipe}'",
            "is the file of another project, or of another recipe? `--export` writes one of this",
        )
    if verdict == "accept":
        if changed:
            raise RefusedError(
                "an accepted row is not changed", "write change, or empty its columns"
            )
        desk.checked_as_it_is(item)
        return desk.review(item, queue, "accept", note=note)
    if verdict == "reject":
        if reason not in REASONS:
            hint = did_you_mean(reason, REASONS) or f"one of: {', '.join(REASONS)}"
            raise RefusedError(f"'{reason}' is no reason" if reason else "it has no reason", hint)
        return desk.review(item, queue, "reject", reason=reason, note=note)
    new = changed.pop(target, item.target)
    inputs, new = desk.checked(item, changed, new)
    return desk.review(item, queue, inputs=inputs, target=new, note=note)


def _lines(path: Path) -> Iterator[Line]:
    form = _form(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise EngineError(f"{path} is larger than any file of verdicts")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise EngineError(
            f"{path}:{line}: it is not UTF-8", "save it as CSV UTF-8, as spreadsheets call it"
        ) from error
    found = list(_from_csv(path, text) if form == ".csv" else _from_jsonl(path, text))
    if found and not any("verdict" in line.values and "row" in line.values for line in found):
        raise EngineError(
            f"{path} has no columns `row` and `verdict`", "`--export` writes a file that has them"
        )
    yield from found


def _from_csv(path: Path, text: str) -> Iterator[Line]:
    # A spreadsheet writes what its country has between cells.
    head = text.split("\n", 1)[0]
    between = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    number = 2
    try:
        for values in reader:
            if None in values:
                raise RecipeError(
                    [Problem(Location(str(path), number), "it has more cells than the first line")]
                )
            if any((value or "").strip() for value in values.values()):
                yield Line(number, {name: value or "" for name, value in values.items()})
            number = reader.line_num + 1
    except csv.Error as error:
        raise EngineError(f"{path}:{number}: this is no CSV: {error}") from error


def _from_jsonl(path: Path, text: str) -> Iterator[Line]:
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            problems.append(Problem(Location(str(path), number), "this is no JSON object"))
            continue
        yield Line(number, {str(k): "" if v is None else str(v) for k, v in values.items()})
    if problems:
        raise RecipeError(problems)
