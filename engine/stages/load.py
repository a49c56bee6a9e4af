"""load: the rows of the three splits, as examples; what the recipe redacts is gone before they leave this stage.

Reads the data sources that the plan resolved; writes one `Example` per row, and a `Drop` for every row that is left out
or changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from engine.errors import Location, Problem, RecipeError, RunError
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.rows import SPLITS, Drop, Example, Row
from engine.spec.recipe import Redaction
from engine.spec.recipe_data import Sample, SplitFrom
from engine.spec.row_checks import GOLDS, RowRules, unknown_labels
from engine.sql.drawing import divide
from engine.sql.records import Choice, Record
from engine.sql.redaction import Rule, redact
from engine.sql.sources import Place, read_source
from engine.stages.outputs import Loaded
from engine.stages.protocol import Context, Inputs, Stage
from engine.stages.task_view import TaskView
from engine.tasks.rows import rules_of


@dataclass(frozen=True, kw_only=True)
class Origin(Params):
    """What decides the rows of one split: the data, by its digest, and what is chosen of it."""

    name: str
    """What the rows are said to come from: a file's name, an address."""
    digest: str | None
    """Of the data; None for a split that takes its rows from another."""
    where: str | None = None
    sample: Sample | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    split_from: SplitFrom | None = None

    @property
    def choice(self) -> Choice:
        """What is chosen of the data, as readers take it."""
        return Choice.of(
            {
                "where": self.where,
                "sample": self.sample.model_dump() if self.sample else None,
                "rename": dict(self.rename),
                "columns": dict(self.columns),
                "limit": self.limit,
            }
        )


@dataclass(frozen=True, kw_only=True)
class LoadParams(Params):
    """Which rows, of which columns, and what is done about bad ones."""

    task: TaskView
    input: tuple[str, ...]
    sources: Mapping[str, Origin]
    """Split -> its origin."""
    places: Mapping[str, Place] = outside()
    """Split -> where to read it from."""
    limit: int | None = None
    """At most so many rows of each split."""
    redact: tuple[Redaction, ...] = ()
    on_bad_row: Literal["stop", "drop"] = "stop"

    @property
    def target(self) -> str:
        """Column with the right answer."""
        return self.task.target


@dataclass(frozen=True)
class LoadInputs(Inputs):
    """Nothing: it is where a plan begins."""


def example_id(inputs: Mapping[str, str], target: str) -> str:
    """Return the id of a row: the hash of what the student sees and of the right answer."""
    return short([dict(inputs), target])


class _Split(NamedTuple):
    """The rows of one split with the name of their source, and those left out of it."""

    records: list[Record]
    source: str
    bad: list[str]
    """File, line and fault of each."""
    changed: Mapping[int, tuple[str, ...]] = {}
    """The columns that redaction changed, by the identity of the record."""


def load(params: LoadParams, inputs: LoadInputs, ctx: Context) -> Loaded:
    """Read, filter and sample the sources; a row that repeats an earlier one of its split is dropped."""
    rows: list[Row] = []
    for split, found in _splits(params).items():
        examples: list[Example] = []
        redacted: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        rows.extend(Drop("load", "", "bad-row", f"{split}: {detail}") for detail in found.bad)
        for record in found.records:
            example = _example(record, split, found.source, params)
            if example.id in seen:
                detail = f"{example.source}:{example.line} repeats an earlier row"
                rows.append(Drop("load", example.id, "duplicate", detail))
                continue
            seen.add(example.id)
            if changed := found.changed.get(id(record)):
                redacted[example.id] = changed
            examples.append(example)
        kept = _limited(examples, params.limit, params.task.labelled)
        rows.extend(kept)
        rows.extend(
            Drop("load", e.id, "redacted", f"in {', '.join(redacted[e.id])}")
            for e in kept
            if e.id in redacted
        )
    return Loaded(tuple(rows))


def _splits(params: LoadParams) -> dict[str, _Split]:
    """Return the rows as everything after this stage sees them; raises RunError for a split without any."""
    task = params.task
    rules = rules_of(task.entry, task.settings.model_dump(), params.input, params.target)
    patterns = [Rule(rule.pattern, rule.replacement) for rule in params.redact]
    if not patterns:
        splits = _read(params, rules)
    else:
        try:
            splits = _read(params, rules)
        except RecipeError as error:
            said = _said([problem.message for problem in error.problems], patterns)
            problems = zip(error.problems, said, strict=True)
            raise RecipeError([replace(p, message=text) for p, text in problems]) from None
        splits = {s: _redacted(rows, params, rules, patterns) for s, rows in splits.items()}
    for split, rows in splits.items():
        if not rows.records:
            hint = f"{len(rows.bad)} bad rows were left out: see `where`, and the source"
            raise RunError(f"data.{split} has no rows", hint)
    return splits


def _read(params: LoadParams, rules: RowRules) -> dict[str, _Split]:
    """Read the sources, give rows to the splits that take them from others, and refuse or leave out bad ones."""
    sources, drop = params.sources, params.on_bad_row == "drop"
    columns = [*params.input, params.target]
    own: dict[str, list[Record]] = {}
    bad: dict[str, list[str]] = {}
    for split, place in params.places.items():
        found = read_source(place, sources[split].choice, rules.check, columns, drop=drop)
        own[split] = found.records
        bad[split] = [_detail(problem, place.name, sources[split].name) for problem in found.bad]
    taken: dict[str, Any] = {
        s: taken_from.model_dump()
        for s in SPLITS
        if (taken_from := sources[s].split_from) is not None
    }
    divided = divide(own, taken, params.input, params.target if rules.labels else None)
    for split, fault in divided.faults.items():
        raise RunError(f"data.{split}.split_from: {fault.message}", fault.hint)
    splits: dict[str, _Split] = {}
    for split in SPLITS:
        origin = taken[split]["split"] if split in taken else split
        splits[split] = _Split(divided.splits[split], sources[origin].name, bad.get(split, []))
    if rules.labels:
        splits = _without_unknown_labels(splits, params, rules.labels, drop)
    return splits


def _detail(problem: Problem, place: str, name: str) -> str:
    """Return place and fault of a bad row; its file is named as in the recipe, the same on every machine."""
    at = problem.where
    file = at.file.removeprefix(place).lstrip("/") or name
    return f"{file}:{at.line}:{at.column}: {problem.message}"


def _without_unknown_labels(
    splits: dict[str, _Split],
    params: LoadParams,
    labels: Callable[[str], Sequence[str]],
    drop: bool,
) -> dict[str, _Split]:
    """Leave out rows whose label cannot be learnt; raises RecipeError where bad rows stop a run."""
    records = {split: rows.records for split, rows in splits.items()}
    declared = None if params.task.labels is None else list(params.task.labels)
    found: dict[str, dict[int, Problem]] = defaultdict(dict)
    for split, record, fault in unknown_labels(records, params.target, declared, labels):
        at = Location(record.file or splits[split].source, record.line, 1)
        found[split][id(record)] = Problem(at, fault.message, fault.hint, code="labels")
    if found and not drop:
        raise RecipeError([problem for each in found.values() for problem in each.values()][:10])
    return {
        split: rows._replace(
            records=[record for record in rows.records if id(record) not in found[split]],
            bad=[*rows.bad, *(f"{p.where}: {p.message}" for p in found[split].values())],
        )
        for split, rows in splits.items()
    }


def _example(record: Record, split: Any, source: str, params: LoadParams) -> Example:
    """Return a row as an example; several acceptable answers are kept as a column."""
    target = params.target
    values = {column: str(record.values[column]) for column in params.input}
    answer = str(record.values[target])
    others = {
        column: value
        for column, value in record.values.items()
        if column not in values and column != target
    }
    return Example(
        example_id(values, answer),
        split,
        values,
        answer,
        others,
        record.file or source,
        record.line,
    )


def _redacted(
    rows: _Split, params: LoadParams, rules: RowRules, patterns: Sequence[Rule]
) -> _Split:
    """Return a split after redaction; a row that no longer holds its answer is refused or left out as a bad one."""
    found = redact(rows.records, patterns, keep=(params.target, GOLDS))
    problems = {
        id(record): Problem(
            Location(record.file or rows.source, record.line, 1),
            fault.message,
            fault.hint,
            code="redact",
        )
        for record, columns in zip(found.records, found.columns, strict=True)
        if columns and (fault := rules.still(record.values))
    }
    if problems and params.on_bad_row != "drop":
        raise RecipeError(list(problems.values())[:10])
    return _Split(
        [record for record in found.records if id(record) not in problems],
        rows.source,
        [*_said(rows.bad, patterns), *(f"{p.where}: {p.message}" for p in problems.values())],
        {id(r): columns for r, columns in zip(found.records, found.columns, strict=True)},
    )


def _said(details: Sequence[str], patterns: Sequence[Rule]) -> list[str]:
    """Return what is said of bad rows without what is redacted: it may quote them, and is stored."""
    found = redact([Record(0, {"": detail}) for detail in details], patterns)
    return [str(record.values[""]) for record in found.records]


def _limited(examples: list[Example], limit: int | None, labelled: bool) -> list[Example]:
    """Return at most `limit` rows, taken from the targets in turn so that each keeps its share of a small set.

    Targets that are no labels come in the order of the rows: hardly one comes twice, and the first ones of the alphabet
    (rationales that begin with a number, say) would be no fair share of the rows.
    """
    if limit is None or len(examples) <= limit:
        return examples
    by_target: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_target[example.target].append(example)
    queues = [by_target[target] for target in (sorted(by_target) if labelled else by_target)]
    depth = max(map(len, queues))
    kept = [queue[i] for i in range(depth) for queue in queues if i < len(queue)][:limit]
    chosen = {example.id for example in kept}
    return [example for example in examples if example.id in chosen]


LOAD = Stage("load", 2, LoadParams, LoadInputs, Loaded, load)
