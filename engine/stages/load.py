"""load: the rows of the three splits, as examples; what the recipe redacts is gone before they leave this stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.fingerprint import short
from engine.rows import SPLITS, Drop, Example, Row
from engine.sql.redaction import Rule, redact
from engine.sql.sources import Record, read_source
from engine.stages.protocol import Context, Inputs, Output, Stage


def example_id(inputs: Mapping[str, str], target: str) -> str:
    """Return the id of a row: the hash of what the student sees and of the right answer."""
    return short([dict(inputs), target])


def load(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Read, filter and sample the sources; a row that repeats an earlier one of its split is dropped."""
    rows: list[Row] = []
    for split in SPLITS:
        source = params["sources"][split]
        examples: list[Example] = []
        redacted: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        records = read_source(
            params["places"][split],
            where=source["where"],
            sample=source["sample"],
            columns=[*params["input"], params["target"]],
        )
        for (line, record), changed in _redacted(records, params):
            values = {column: str(record[column]) for column in params["input"]}
            target = str(record[params["target"]])
            example = example_id(values, target)
            if example in seen:
                detail = f"{source['name']}:{line} repeats an earlier row"
                rows.append(Drop("load", example, "duplicate", detail))
                continue
            seen.add(example)
            if changed:
                redacted[example] = changed
            others = {k: v for k, v in record.items() if k not in values and k != params["target"]}
            examples.append(Example(example, split, values, target, others, source["name"], line))
        kept = _limited(examples, params["limit"])
        rows.extend(kept)
        rows.extend(
            Drop("load", e.id, "redacted", f"in {', '.join(redacted[e.id])}")
            for e in kept
            if e.id in redacted
        )
    return Output(tuple(rows))


def _redacted(
    records: Sequence[Record], params: Mapping[str, Any]
) -> Iterable[tuple[Record, tuple[str, ...]]]:
    """Return each row after redaction with the columns that it changed."""
    rules = [Rule(rule["pattern"], rule["with"]) for rule in params.get("redact", ())]
    if not rules:
        return ((record, ()) for record in records)
    found = redact(records, rules, keep=(params["target"],))
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
