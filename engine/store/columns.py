"""Record classes to columns and back, from the dataclass fields alone: a new record needs no code here.

Mappings and lists of mappings are JSON columns, tuples are lists. Imports no DuckDB.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import orjson

from engine import judging
from engine.rows import Example, Row

Kind = Literal["text", "int", "float", "bool", "time", "json", "texts", "floats"]


class StoredColumn(NamedTuple):
    """One column: its name and how its values travel."""

    name: str
    kind: Kind


PROVENANCE = (
    StoredColumn("node", "text"),
    StoredColumn("run", "text"),
    StoredColumn("seed", "int"),
    StoredColumn("round", "int"),
    StoredColumn("position", "int"),
)
"""What the store adds in front of every stage's row: where it comes from."""


RECORDS = (
    judging.Gating,
    judging.Verification,
    judging.JudgeAnchor,
    judging.JudgeCalibration,
    judging.PassRate,
)
"""Record classes that do not stand in `engine.rows`: they exist once their module is imported."""


@dataclass(frozen=True, slots=True)
class RecipeRow(Row):
    """A recipe as it was run."""

    table = "recipe"
    id: str
    """Hash of the effective recipe."""
    name: str
    path: str
    source: str
    effective: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunRow(Row):
    """One execution of a recipe; times are UTC without a time zone."""

    table = "run"
    id: str
    recipe: str
    status: str
    started: datetime
    ended: datetime | None
    note: str | None
    versions: Mapping[str, str]
    row_limit: int | None
    estimate: Mapping[str, Any] | None = None
    """What it was expected to take when it began."""
    plan: str = ""
    """Hash of its recipe's name and its plan's nodes."""
    resumed: datetime | None = None
    """When it was last gone on with; None when never."""
    worked: float = 0.0
    """Seconds at work before that."""


@dataclass(frozen=True, slots=True)
class NodeRow(Row):
    """One finished node; times are UTC without a time zone, `content` hashes its rows."""

    table = "node"
    id: str
    name: str
    stage: str
    seed: int
    round: int
    attempt: int
    identity: Mapping[str, Any]
    run: str
    started: datetime
    ended: datetime
    content: str
    counts: Mapping[str, int]
    """Rows per table."""


@dataclass(frozen=True, slots=True)
class RunNodeRow(Row):
    """One node's place in one run."""

    table = "run_node"
    run: str
    node: str
    name: str
    position: int
    status: str


@dataclass(frozen=True, slots=True)
class PatternOriginRow(Row):
    """Where one pattern of one run was first seen; times are UTC without a time zone."""

    table = "pattern_origin"
    run: str
    seed: int
    pattern: str
    first_run: str
    """The run that saw it first: this one for a pattern that is new."""
    first_seed: int
    first_pattern: str
    first_seen: datetime
    first_recipe: str
    """Hash of the effective recipe of that run; `first_version`: what that recipe says of its version."""
    first_version: str
    earlier_run: str | None
    """The latest sighting that it was matched to; None for a pattern that is new."""
    earlier_seed: int | None
    earlier_pattern: str | None
    shared: int
    """Members in common with that sighting."""
    similarity: float | None
    """Cosine similarity of the centroids; None where it was not needed, or embedders differ."""


@dataclass(frozen=True, slots=True)
class ProvenanceRow(Row):
    """What one run was made of."""

    table = "provenance"
    run: str
    version: str
    """The recipe's own."""
    resolved: str
    """The recipe as it was run, as YAML; `digest` hashes what it says."""
    digest: str
    project: str
    """Its folder; `file` is the recipe's, from there."""
    file: str
    vars: Mapping[str, Any]
    places: tuple[str, ...]
    """What the user named by them."""
    settings: Mapping[str, Any]
    repository: str | None
    commit_hash: str | None
    branch: str | None
    tags: tuple[str, ...] | None
    changed: tuple[str, ...] | None
    """Of its files those that are not as in the commit."""
    lock: str | None
    packages: tuple[Mapping[str, Any], ...]
    models: Mapping[str, Any]
    data: Mapping[str, Any]
    hardware: Mapping[str, Any]
    warnings: tuple[Mapping[str, Any], ...] | None = None
    """Of the check of the recipe and its rows; None where it is not known."""


@dataclass(frozen=True, slots=True)
class RunFileRow(Row):
    """One file that a run was made of."""

    table = "run_file"
    run: str
    path: str
    package: str
    kind: str
    digest: str
    bytes: int


@dataclass(frozen=True, slots=True)
class FileTextRow(Row):
    """The text of files with one digest."""

    table = "file_text"
    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class CallUseRow(Row):
    """A reply that a node took and another one had asked for."""

    table = "call_use"
    node: str
    call: str


KEYS: Mapping[str, tuple[str, ...]] = {
    "recipe": ("id",),
    "run": ("id",),
    "node": ("id",),
    "run_node": ("run", "node"),
    "pattern_origin": ("run", "seed", "pattern"),
    "review": ("id",),
    "provenance": ("run",),
    "run_file": ("run", "package", "path", "kind"),
    "file_text": ("digest",),
    "call_use": ("node", "call"),
}
"""Tables of records that are no stage's: a later one with the same key replaces the earlier."""


@cache
def record_types() -> Mapping[str, type[Row]]:
    """Return every record class by its table."""
    kinds: list[type[Row]] = [*_below(Row), *RECORDS]
    return {kind.table: kind for kind in kinds if kind.table}


def _below(kind: type[Row]) -> Iterator[type[Row]]:
    for below in kind.__subclasses__():
        yield below
        yield from _below(below)


def columns_of(kind: type[Row]) -> tuple[StoredColumn, ...]:
    """Return the columns of a record's own fields; raises TypeError for a field no column can hold."""
    return _own_columns(kind.table)


@cache
def _own_columns(table: str) -> tuple[StoredColumn, ...]:
    kind: Any = record_types()[table]
    hints = get_type_hints(kind)
    return tuple(StoredColumn(field.name, _kind(hints[field.name])) for field in fields(kind))


@cache
def is_stage_table(table: str) -> bool:
    """Return whether the store adds node, run, seed, round and position to the table's rows."""
    return table not in KEYS and table != "llm_call"


@cache
def table_columns(table: str) -> tuple[StoredColumn, ...]:
    """Return all columns of a table in the order of a spool line; raises KeyError for an unknown table."""
    own = columns_of(record_types()[table])
    return (*PROVENANCE, *own) if is_stage_table(table) else own


def completed(table: str, values: list[Any]) -> list[Any]:
    """Return a spool line's values with those that its engine, an earlier one, did not know yet.

    A run killed before an update leaves such lines; columns are only ever added at the end, with a default.
    """
    missing = len(table_columns(table)) - len(values)
    if missing <= 0:
        return values
    values = [*values, *defaults(table)[-missing:]]
    return _with_references(values) if table == Example.table else values


def _with_references(values: list[Any]) -> list[Any]:
    """Return an example's values with the acceptable answers that were a column of it, as migration 10 does."""
    places = {column.name: place for place, column in enumerate(table_columns(Example.table))}
    columns = json.loads(values[places["columns"]])
    answers = columns.pop("golds", None)
    if not isinstance(answers, list):
        return [*values[:-1], [values[places["target"]]]]
    values[places["columns"]] = json_text(columns)
    return [*values[:-1], answers]


@cache
def defaults(table: str) -> tuple[Any, ...]:
    """Return the default of each of a table's columns as a spool line holds it, None where it has none."""
    kind: Any = record_types()[table]
    values: list[Any] = [None] * (len(table_columns(table)) - len(columns_of(kind)))
    for column, field in zip(columns_of(kind), fields(kind), strict=True):
        value = field.default_factory() if field.default_factory is not MISSING else field.default
        values.append(None if value is MISSING else _outward(column.kind, value))
    return tuple(values)


_SIMPLE: Mapping[Any, Kind] = {
    str: "text",
    bool: "bool",
    int: "int",
    float: "float",
    datetime: "time",
}


def _kind(hint: Any) -> Kind:
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "text"
    if origin is tuple and arguments[0] in {str, float}:
        return "texts" if arguments[0] is str else "floats"
    if origin in {Mapping, dict, Sequence, list, tuple}:
        return "json"
    without_none = [a for a in arguments if a is not type(None)]
    if len(without_none) == 1 and len(without_none) < len(arguments):
        return _kind(without_none[0])
    raise TypeError(f"no column can hold {hint}")


def values_of(row: Row) -> list[Any]:
    """Return a record's fields as a spool line holds them."""
    read, json_at = _fields(row.table)
    values = list(read(row))
    for at in json_at:
        values[at] = _outward("json", values[at])
    return values


@cache
def _fields(table: str) -> tuple[Callable[[Row], tuple[Any, ...]], tuple[int, ...]]:
    """Return what reads all fields of a table's records, and which of them are JSON columns."""
    columns = _own_columns(table)
    json_at = tuple(at for at, column in enumerate(columns) if column.kind == "json")
    return attrgetter(*(column.name for column in columns)), json_at


def row_from(kind: type[Row], values: Sequence[Any]) -> Row:
    """Return the record for its fields as DuckDB or a spool line gives them."""
    columns = columns_of(kind)
    return kind(*(_inward(c.kind, v) for c, v in zip(columns, values, strict=True)))


def _outward(kind: Kind, value: Any) -> Any:
    if kind == "json" and value is not None:
        return json_text(value)
    return value


def _inward(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind == "json":
        # Not orjson: it turns integers beyond 64 bits into floats.
        return json.loads(value)
    if kind in {"texts", "floats"}:
        return tuple(value)
    if kind == "time" and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def json_text(value: Any) -> str:
    """Return `value` as JSON text that DuckDB accepts: NaN is null; dates and decimals are text."""
    content = dict(value) if isinstance(value, Mapping) else value
    try:
        return orjson.dumps(content).decode()
    except TypeError:  # large integers, other keys than text, half of a surrogate pair
        pass
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_clean(content), ensure_ascii=False, separators=(",", ":"), default=str)


_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


def line(table: str, values: list[Any]) -> bytes:
    """Return one spool line: `[table, value, …]` and a line end. Lone surrogates become U+FFFD."""
    record = [table, *values]
    try:
        return orjson.dumps(record, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_clean(record), option=_OPTIONS)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        # Through UTF-16, so that a surrogate pair becomes the character it stands for.
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {_clean(str(k)): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    return value
