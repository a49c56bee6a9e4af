"""Data sources to rows: JSONL, CSV, TSV, Parquet and Hugging Face data sets, each row with its line.

Every row that cannot be used is named with file, line and remedy; up to ten at once. Sampling is by the
hash of a row's content: the draw depends on the rows and the seed, not on their order in the file.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import Location, Problem, RecipeError, RunError
from engine.fingerprint import canonical, file_digest
from engine.registry import did_you_mean
from engine.sql.evaluation import evaluate_condition
from engine.sql.huggingface import is_hub, parse_address, read_hub
from engine.sql.readers import READERS, Faults

NO_COLUMN = "no-column"
"""Code of the problem "no row has a column …", which is the recipe's rather than the file's."""


class Record(NamedTuple):
    """One row of a source; `line` is its line (text files) or number, from 1."""

    line: int
    values: dict[str, Any]


def resolve_source(path: str, base: Path) -> Path | str:
    """Return the file behind `path` (its ending may be left out), or the `hf://` address.

    Raises RecipeError when there is no such file, or more than one.
    """
    if is_hub(path):
        parse_address(path)
        return path
    file = base / path
    try:
        return _existing(file)
    except OSError as error:
        raise _problem(file, f"this path cannot be used: {error.strerror}", "check it") from None


def _existing(file: Path) -> Path:
    if file.is_file():
        if file.suffix in READERS:
            return file
        hint = f"convert it: known endings are {', '.join(READERS)}"
        raise _problem(file, f"data with the ending '{file.suffix}' cannot be read", hint)
    found = [file.with_name(file.name + ending) for ending in READERS]
    found = [candidate for candidate in found if candidate.is_file()]
    if len(found) > 1:
        names = ", ".join(candidate.name for candidate in found)
        raise _problem(
            file, f"more than one file fits: {names}", "add the ending of the one you mean"
        )
    if not found:
        raise _missing(file)
    return found[0]


def _missing(file: Path) -> RecipeError:
    if file.is_dir():
        return _problem(file, "this is a folder, not a data file", "name a file in it")
    if not file.parent.is_dir():
        return _problem(file, "there is no such file: its folder does not exist", "check the path")
    near = [each.name for each in file.parent.iterdir() if each.suffix in READERS]
    hint = (
        did_you_mean(file.name, near) if near else f"its folder has no {', '.join(READERS)} files"
    )
    return _problem(file, "there is no such file", hint)


def _problem(file: Path, message: str, hint: str) -> RecipeError:
    return RecipeError([Problem(Location.at(file), message, hint, code="data")])


def read_source(
    place: Path | str,
    where: str | None = None,
    sample: Mapping[str, Any] | None = None,
    columns: Sequence[str] = (),
) -> list[Record]:
    """Return the rows of a source, in its order.

    Args:
        place: What `resolve_source` returned.
        where: A SQL condition on the columns; other rows are left out.
        sample: `n` rows in all, or for each value of the column `per`, drawn by `seed`.
        columns: Columns that every row must have, with a value.

    Raises:
        RecipeError: With every bad row (up to ten), by line.
    """
    if isinstance(place, str) and is_hub(place):
        rows, shown = read_hub(place), Location(place)
        faults = Faults(place)
    else:
        file = Path(place)
        shown = Location.at(file)
        faults = Faults(shown.file)
        try:
            rows = READERS[file.suffix](file, faults)
        except OSError as error:
            raise _problem(
                file, f"this file cannot be read: {error.strerror}", "check it"
            ) from None
    records = [Record(line, values) for line, values in rows]
    there = dict.fromkeys(column for record in records for column in record.values)
    lacking = [column for column in columns if records and column not in there]
    for record in records:
        _check_columns(record, [each for each in columns if each not in lacking], faults)
    for column in lacking:
        hint = did_you_mean(column, there)
        message = f"no row has a column '{column}'"
        faults.problems.append(Problem(shown, message, hint, code=NO_COLUMN))
    faults.stop()
    return _sampled(_filtered(records, where, shown), sample, shown)


def _check_columns(record: Record, columns: Sequence[str], faults: Faults) -> None:
    for column in columns:
        if record.values.get(column) is not None:
            continue
        if column in record.values:
            faults.add(
                record.line, f"the column '{column}' has no value", "give it one, or delete the row"
            )
            continue
        hint = did_you_mean(column, record.values) or "the row has no columns"
        faults.add(record.line, f"this row has no column '{column}'", hint)


def _filtered(records: list[Record], where: str | None, shown: Location) -> list[Record]:
    if where is None:
        return records
    try:
        holds = evaluate_condition(where, [record.values for record in records])
    except RunError as error:
        raise RecipeError([Problem(shown, error.message, error.hint, code="sql")]) from None
    return [record for record, kept in zip(records, holds, strict=True) if kept]


def _sampled(
    records: list[Record], sample: Mapping[str, Any] | None, shown: Location
) -> list[Record]:
    """Keep `n` rows, or `n` per value of `per`: those with the lowest hash of seed and content."""
    if not sample or sample.get("n") is None:
        return records
    per, seed = sample.get("per"), sample.get("seed", 0)
    if per is not None and records and not any(per in record.values for record in records):
        hint = did_you_mean(per, records[0].values)
        raise RecipeError([Problem(shown, f"no column '{per}' to sample by", hint, code="data")])
    groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
    copies: Counter[str] = Counter()
    for index, record in enumerate(records):
        content = canonical(record.values)
        group = str(record.values.get(per)) if per is not None else ""
        rank = hashlib.sha256(f"{seed}:{copies[content]}:{content}".encode()).hexdigest()
        copies[content] += 1
        groups[group].append((rank, index))
    kept = {index for ranked in groups.values() for _, index in sorted(ranked)[: sample["n"]]}
    return [record for index, record in enumerate(records) if index in kept]


def source_digest(place: Path | str) -> str:
    """Return the digest of a source: of a file's bytes, or of a data set's rows.

    A data set's address is no identity: a branch such as `main` moves, and rows that changed must change the plan.

    Raises:
        RecipeError: the data set cannot be loaded.
    """
    if isinstance(place, str) and is_hub(place):
        content = hashlib.sha256()
        for _, values in read_hub(place):
            content.update(canonical(values).encode() + b"\n")
        return content.hexdigest()
    return file_digest(Path(place))
