"""load: the rows of the three splits, as examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from engine.fingerprint import short
from engine.rows import SPLITS, Drop, Example, Row
from engine.sql.sources import read_source
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
        seen: set[str] = set()
        for line, record in read_source(
            params["places"][split],
            where=source["where"],
            sample=source["sample"],
            columns=[*params["input"], params["target"]],
        ):
            values = {column: str(record[column]) for column in params["input"]}
            target = str(record[params["target"]])
            example = example_id(values, target)
            if example in seen:
                detail = f"{source['name']}:{line} repeats an earlier row"
                rows.append(Drop("load", example, "duplicate", detail))
                continue
            seen.add(example)
            others = {k: v for k, v in record.items() if k not in values and k != params["target"]}
            examples.append(Example(example, split, values, target, others, source["name"], line))
        rows.extend(_limited(examples, params["limit"]))
    return Output(tuple(rows))


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
