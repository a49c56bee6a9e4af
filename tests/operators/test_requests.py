"""The engine's operators ask exactly what they always asked.

`data/requests.json` was written by the operators when each was still a Python module: rows, and per call its seed and
parameters with the target, the messages and the reply's schema. It changes only where a prompt is changed on purpose:
run `python -m tests.operators.test_requests`, read the difference, and raise the operator's `version`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.operators import (
    Seed,
    find_operators,
    reply_schema,
    target_of,
    usable,
    variables_of,
)
from engine.rows import Example

FILE = Path(__file__).parent / "data" / "requests.json"
GOLDEN: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
GIVEN = (
    "operator",
    "params",
    "rows",
    "seed",
    "draw",
    "feedback",
    "description",
    "pattern",
    "strategy",
)
"""What of a case is given; the rest follows."""
LONGEST = 80


def follow(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case with what follows from it."""
    operator, rows = find_operators(None)[case["operator"]], GOLDEN["rows"][case["rows"]]
    train = [
        Example(row["id"], "train", row["inputs"], row["target"], {}, "f", line)
        for line, row in enumerate(rows["train"], 1)
    ]
    seed = Seed(
        row=next(row for row in train if row.id == case["seed"]),
        keep=rows["keep"],
        pattern=case["pattern"],
        strategy=case["strategy"],
        labels=rows["labels"],
        task_labels=sorted({row.target for row in train}) if rows["labelled"] else [],
        train=train,
        feedback=case["feedback"],
        draw=case["draw"],
        description=case["description"],
    )
    given = {key: case[key] for key in GIVEN}
    if not usable(operator, seed):
        return {**given, "target": None}
    params = operator.params.model_validate(case["params"])
    target = target_of(operator, seed)
    turns = operator.prompt("small").render(variables_of(operator, seed, params))
    columns = list(seed.row.inputs)
    return {
        **given,
        "target": target,
        "written": target is None,
        "messages": [list(turn) for turn in turns],
        "schema": reply_schema(operator, params, columns, LONGEST, rows["written"] or {}),
    }


def name_of(case: dict[str, Any]) -> str:
    settings = "-".join(f"{key}{value}" for key, value in case["params"].items()) or "defaults"
    return f"{case['operator']}-{settings}-{case['rows']}-{case['draw']}"


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=name_of)
def test_an_operator_asks_what_it_always_asked(case: dict[str, Any]) -> None:
    # As text: a reply's properties are written in the order of the schema.
    assert json.dumps(follow(case)) == json.dumps(case)


def test_every_operator_of_the_engine_is_asked() -> None:
    assert {case["operator"] for case in GOLDEN["cases"]} == set(find_operators(None))


def _write() -> None:
    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    sets = ",\n".join(f" {line(name)}: {line(rows)}" for name, rows in GOLDEN["rows"].items())
    cases = ",\n".join(line(follow(case)) for case in GOLDEN["cases"])
    FILE.write_text(f'{{"rows": {{\n{sets}}},\n"cases": [\n{cases}\n]}}\n', "utf-8")


if __name__ == "__main__":
    _write()
