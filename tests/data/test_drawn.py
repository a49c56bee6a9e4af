"""Which rows are drawn, with which ids and in which order, must never change: `drawn.json` was made at 20e1090.

Where a change is meant, users lose the comparison with their earlier runs: say so in the CHANGELOG, raise the version
of the stage `load`, and write the file anew from the values that the test shows.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.splits import read_splits
from engine.rows import SPLITS, Drop, Example
from engine.spec.loader import load
from tests.data.drawn import CASES
from tests.stages.loading import run_load

BEFORE: dict[str, Any] = json.loads(Path(__file__).with_name("drawn.json").read_text("utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_the_same_rows_are_drawn_as_ever(name: str, tmp_path: Path) -> None:
    loaded = load(CASES[name].write(tmp_path))
    splits = read_splits(loaded)
    digests = splits.digests()
    output = run_load(loaded, splits, CASES[name].limit)
    examples = output.of(Example)
    values = [[dict(e.inputs), e.target, list(e.references), dict(e.columns)] for e in examples]
    now = {
        "digests": digests,
        "rows": {
            split: " ".join(f"{e.id}@{e.source}:{e.line}" for e in examples if e.split == split)
            for split in SPLITS
        },
        "values": hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest(),
        "drops": [f"{d.item} | {d.reason} | {d.detail}" for d in output.of(Drop)],
    }
    assert now == BEFORE[name]
