"""A recipe over a few rows of the test's own, with scripted models: what `pada validate` says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from engine.plan.validate import check_recipe
from engine.rows import SPLITS
from engine.spec.loader import load

Rows = Sequence[Mapping[str, Any]]


def write(
    folder: Path, task: Mapping[str, Any], rows: Mapping[str, Rows] | Rows, **more: Any
) -> Path:
    """Write a recipe and its data; the same rows, marked, for each split where they are not given by split."""
    of = rows if isinstance(rows, Mapping) else {split: rows for split in SPLITS}
    for split in SPLITS:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in of[split])
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    recipe = {
        "recipe": 1,
        "name": "small",
        "task": {"description": "What the rows are.", **task},
        "data": {split: {"path": f"{split}.jsonl"} for split in SPLITS},
        "models": {
            role: {"backend": "scripted", "model": role}
            for role in ("student", "teacher", "judge", "embedder")
        },
        "augment": {"operators": [{"name": "paraphrase"}]},
        "train": {"method": "lora", "steps": 2},
        "loop": {"rounds": 0},
        **more,
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file


def said(recipe: Path, code: str) -> list[str]:
    """Return what validating a recipe says, of the problems with one code."""
    problems = check_recipe(load(recipe))
    return [f"{p.message}: {p.hint}" for p in problems if p.code == code]
