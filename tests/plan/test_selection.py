"""What validate says of selection beside the bad recipes: what rows, operators and kinds make possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plan.small_recipe import said, write

ROWS = [{"text": f"a message {n}", "label": ("one", "two")[n % 2], "age": n} for n in range(4)]


def quotas(
    folder: Path, *quotas: Any, rows: Any = ROWS, params: Any = None, **more: Any
) -> list[str]:
    task = {"kind": "classification", "input": ["text"], "target": "label", "params": params or {}}
    written = [{**row, "text": f"{row['text']} {split}"} for row in rows for split in ("",)]
    augment = {
        "rows_per_round": 10, "operators": [{"name": "paraphrase"}], "quotas": list(quotas), **more,
    }  # fmt: skip
    recipe = write(folder, task, written, augment=augment)
    return said(recipe, "quota") + said(recipe, "sql")


def test_labels_of_one_row_may_meet_several_minimums(tmp_path: Path) -> None:
    least = {"by": "label", "at_least": 6}
    assert "add up to 12" in quotas(tmp_path, least)[0]
    assert quotas(tmp_path, least, params={"many": True}) == []


def test_new_rows_have_no_other_columns(tmp_path: Path) -> None:
    (found,) = quotas(tmp_path, {"sql": "age > 2", "at_most": 5})
    assert found.endswith("new rows have inputs and a target, no other columns")
    assert quotas(tmp_path, {"sql": "target || label || text", "at_most": 5}) == []


def test_a_minimum_that_nothing_writes_for_is_told(tmp_path: Path) -> None:
    only = [{"name": "paraphrase", "patterns": ["other"]}]
    (found,) = quotas(tmp_path, {"by": "label", "at_least": 1}, operators=only)
    assert "every operator is for patterns alone" in found


@pytest.mark.parametrize(("kind", "refused"), [("generation", True), ("numeric", False)])
def test_a_pass_rate_is_for_answers_that_can_be_compared(
    kind: str, refused: bool, tmp_path: Path
) -> None:
    rows = [{"text": f"how many are {n}", "label": str(n)} for n in range(4)]
    task = {"kind": kind, "input": ["text"], "target": "label"}
    operators = {"operators": [{"name": "new_situation"}]}
    recipe = write(tmp_path, task, rows, quality={"pass_rate": {}}, augment=operators)
    found = said(recipe, "pass-rate")
    assert bool(found) == refused
    assert all("too free to be compared" in one for one in found)
