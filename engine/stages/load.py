"""load: the rows of the three splits, as examples.

Takes the rows that were read for the plan out of its `Splits`, and uses them up; writes one `Example` per row, and a
`Drop` for every row that is left out or was changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.data.labels import folded
from engine.data.records import Record, references_of
from engine.data.split_rows import SplitRows
from engine.data.splits import Splits
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.rows import SPLITS, Drop, Example, Row, Split
from engine.spec.recipe import Fold, Format, Redaction, Sample, SplitFrom
from engine.stages.outputs import Loaded
from engine.stages.protocol import Context, Inputs, Stage
from engine.stages.task_view import TaskView


@dataclass(frozen=True, kw_only=True)
class SplitSource(Params):
    """What decides the rows of one split: the data, by its digest, and what is chosen of it."""

    name: str = outside()
    """What the rows are said to come from: a file's name, an address. The same rows may be called otherwise."""
    digest: str | None
    """Of the data; None for a split that takes its rows from another."""
    format: Format = field(default_factory=Format)
    """How the files are written."""
    where: str | None = None
    sample: Sample | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    split_from: SplitFrom | None = None


@dataclass(frozen=True, kw_only=True)
class ReadRows(Params):
    """Rows of which columns are read, and what is done about bad ones."""

    task: TaskView
    input: tuple[str, ...]
    redact: tuple[Redaction, ...] = ()
    on_bad_row: Literal["stop", "drop"] = "stop"
    fold_labels: tuple[Fold, ...] = ()
    """What makes no difference between labels."""

    def spelling(self, labels: Sequence[str]) -> Callable[[str], str]:
        """Return what spells the labels of a target as `labels` are, where nothing else tells them apart."""
        kind, settings, folds = self.task.entry, self.task.settings, self.fold_labels
        if not folds or not self.task.labelled:
            return lambda target: target
        known = {folded(label, folds): label for label in reversed(labels)}

        def spelled(target: str) -> str:
            own = kind.labels_in(target, settings)
            names = {label: known.get(folded(label, folds), label) for label in own}
            return kind.relabelled(target, names, settings)

        return spelled


@dataclass(frozen=True, kw_only=True)
class LoadParams(ReadRows):
    """Which rows."""

    sources: Mapping[str, SplitSource]
    """Split -> where its rows come from."""
    splits: Splits = outside()
    """The rows that these parameters decide."""
    limit: int | None = None
    """At most so many rows of each split."""


@dataclass(frozen=True)
class LoadInputs(Inputs):
    """Nothing: it is where a plan begins."""


def example_id(inputs: Mapping[str, str], target: str) -> str:
    """Return the id of a row: the hash of what the student sees and of the right answer."""
    return short([dict(inputs), target])


def load(params: LoadParams, inputs: LoadInputs, ctx: Context) -> Loaded:
    """Make examples of the rows; a row that repeats an earlier one of its split is dropped."""
    rows: list[Row] = []
    splits = params.splits.take()
    for split in SPLITS:
        rows.extend(_split(split, splits.pop(split), params))
    return Loaded(tuple(rows))


def _split(split: Split, source: SplitRows, params: LoadParams) -> Iterator[Row]:
    """Yield the examples of one split, and what is left out of it or changed; uses its records up."""
    examples: dict[str, Example] = {}
    redacted: dict[str, tuple[str, ...]] = {}
    yield from (Drop("load", "", "bad-row", f"{split}: {detail}") for detail in source.bad)
    for record in used_up(source.records):
        example = _example(record, split, source.source, params)
        if example.id in examples:
            detail = f"{example.source}:{example.line} repeats an earlier row"
            yield Drop("load", example.id, "duplicate", detail)
            continue
        examples[example.id] = example
        if record.redacted:
            redacted[example.id] = record.redacted
    kept = _limited(list(examples.values()), params.limit, params.task.labelled)
    yield from kept
    for example in kept:
        if example.id in redacted:
            columns = ", ".join(redacted[example.id])
            yield Drop("load", example.id, "redacted", f"in {columns}")


def used_up(records: list[Record]) -> Iterator[Record]:
    """Yield the records in order and release each, so that rows are not in memory in two forms at once."""
    records.reverse()
    while records:
        yield records.pop()


def _example(record: Record, split: Split, source: str, params: LoadParams) -> Example:
    target = params.task.target
    inputs = {column: str(record.values[column]) for column in params.input}
    answer = str(record.values[target])
    return Example(
        id=example_id(inputs, answer),
        split=split,
        inputs=inputs,
        target=answer,
        columns={
            column: value
            for column, value in record.values.items()
            if column not in inputs and column != target
        },
        source=record.file or source,
        line=record.line,
        references=references_of(record, target),
    )


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


LOAD = Stage(
    "load", 4, LoadParams, LoadInputs, Loaded, load,
    description="Reads the rows of the data files; one that repeats an earlier row of its split is left out.",
)  # fmt: skip
