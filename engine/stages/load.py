"""load: the rows of the three splits, as examples; what the recipe redacts is gone before they leave this stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.errors import Location, Problem, RecipeError, RunError
from engine.fingerprint import short
from engine.rows import SPLITS, Drop, Example, Row
from engine.spec.row_checks import GOLDS, unknown_labels
from engine.sql.drawing import divide
from engine.sql.records import Choice, Record
from engine.sql.redaction import Rule, redact
from engine.sql.sources import read_source
from engine.stages.protocol import Context, Inputs, Output, Stage
from engine.tasks import TASKS
from engine.tasks.rows import rules_of


def example_id(inputs: Mapping[str, str], target: str) -> str:
    """Return the id of a row: the hash of what the student sees and of the right answer."""
    return short([dict(inputs), target])


class _Split(NamedTuple):
    """The rows of one split with the name of their source, and those left out of it."""

    records: list[Record]
    source: str
    bad: list[str]
    """File, line and fault of each."""


def load(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Read, filter and sample the sources; a row that repeats an earlier one of its split is dropped."""
    rows: list[Row] = []
    for split, found in _read(params).items():
        examples: list[Example] = []
        redacted: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        rows.extend(Drop("load", "", "bad-row", f"{split}: {detail}") for detail in found.bad)
        for record, changed in _redacted(found.records, params):
            example = _example(record, split, found.source, params)
            if example.id in seen:
                detail = f"{example.source}:{example.line} repeats an earlier row"
                rows.append(Drop("load", example.id, "duplicate", detail))
                continue
            seen.add(example.id)
            if changed:
                redacted[example.id] = changed
            examples.append(example)
        kept = _limited(examples, params["limit"])
        rows.extend(kept)
        rows.extend(
            Drop("load", e.id, "redacted", f"in {', '.join(redacted[e.id])}")
            for e in kept
            if e.id in redacted
        )
    return Output(tuple(rows))


def _read(params: Mapping[str, Any]) -> dict[str, _Split]:
    """Read the sources, give rows to the splits that take them from others, and refuse or leave out bad ones."""
    sources, drop = params["sources"], params.get("on_bad_row") == "drop"
    rules = rules_of(
        TASKS[params["kind"]], params.get("task_params", {}), params["input"], params["target"]
    )
    columns = [*params["input"], params["target"]]
    own: dict[str, list[Record]] = {}
    bad: dict[str, list[str]] = {}
    for split, place in params["places"].items():
        found = read_source(place, Choice.of(sources[split]), rules.check, columns, drop=drop)
        own[split] = found.records
        bad[split] = [_detail(problem, place.name, sources[split]["name"]) for problem in found.bad]
    taken: dict[str, Any] = {
        s: sources[s]["split_from"] for s in SPLITS if "split_from" in sources[s]
    }
    divided = divide(own, taken, params["input"], params["target"] if rules.labels else None)
    for split, fault in divided.faults.items():
        raise RunError(f"data.{split}.split_from: {fault.message}", fault.hint)
    splits: dict[str, _Split] = {}
    for split in SPLITS:
        origin = taken[split]["split"] if split in taken else split
        splits[split] = _Split(divided.splits[split], sources[origin]["name"], bad.get(split, []))
    if rules.labels:
        splits = _without_unknown_labels(splits, params, rules.labels, drop)
    for split, rows in splits.items():
        if not rows.records:
            hint = f"{len(rows.bad)} bad rows were left out: see `where`, and the source"
            raise RunError(f"data.{split} has no rows", hint)
    return splits


def _detail(problem: Problem, place: str, name: str) -> str:
    """Return place and fault of a bad row; its file is named as in the recipe, the same on every machine."""
    at = problem.where
    file = at.file.removeprefix(place).lstrip("/") or name
    return f"{file}:{at.line}:{at.column}: {problem.message}"


def _without_unknown_labels(
    splits: dict[str, _Split],
    params: Mapping[str, Any],
    labels: Callable[[str], Sequence[str]],
    drop: bool,
) -> dict[str, _Split]:
    """Leave out rows whose label cannot be learnt; raises RecipeError where bad rows stop a run."""
    records = {split: rows.records for split, rows in splits.items()}
    found: dict[str, dict[int, Problem]] = defaultdict(dict)
    for split, record, fault in unknown_labels(records, params["target"], params["labels"], labels):
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


def _example(record: Record, split: Any, source: str, params: Mapping[str, Any]) -> Example:
    """Return a row as an example; several acceptable answers are kept as a column."""
    target = params["target"]
    values = {column: str(record.values[column]) for column in params["input"]}
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
    records: Sequence[Record], params: Mapping[str, Any]
) -> Iterable[tuple[Record, tuple[str, ...]]]:
    """Return each row after redaction with the columns that it changed."""
    rules = [Rule(rule["pattern"], rule["with"]) for rule in params.get("redact", ())]
    if not rules:
        return ((record, ()) for record in records)
    found = redact(records, rules, keep=(params["target"], GOLDS))
    return zip(found.records, found.columns, strict=True)


def _limited(examples: list[Example], limit: int | None) -> list[Example]:
    """Return at most `limit` rows, taken from the targets in turn so that each keeps its share of a small set."""
    if limit is None or len(examples) <= limit:
        return examples
    by_target: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_target[example.target].append(example)
    queues = [by_target[target] for target in sorted(by_target)]
    depth = max(map(len, queues))
    kept = [queue[i] for i in range(depth) for queue in queues if i < len(queue)][:limit]
    chosen = {example.id for example in kept}
    return [example for example in examples if example.id in chosen]


LOAD = Stage("load", 1, load)
