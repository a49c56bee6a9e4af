"""A project with a recipe of its own and a package, as files, for tests of what recipes share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.spec.loader import LoadedRecipe, load

ROWS = [{"text": f"row {number} of it", "label": "ab"[number % 2]} for number in range(8)]
DATA = "".join(json.dumps(row) + "\n" for row in ROWS)
OTHER = DATA.replace("row", "line")
SCRIPTED = """models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
"""
WHOLE = f"""recipe: 1
name: whole
task: {{kind: classification, input: [text], target: label, description: Mail.}}
data:
  train: {{path: data/train.jsonl}}
  validation: {{path: data/validation.jsonl}}
  test: {{path: data/test.jsonl}}
{SCRIPTED}metrics: [accuracy, macro_f1]
failure: accuracy < 1
augment: {{rows_per_round: 40, operators: [{{name: paraphrase}}]}}
quality: {{judge: advises}}
loop: {{rounds: 2}}
"""
CHILD = "recipe: 1\nname: child\nextends: {}\n"


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files, with the folders that they lie in; returns the folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return folder


def data(folder: str = "", text: str = DATA) -> dict[str, str]:
    """Return the three files of rows, below a folder."""
    return {f"{folder}data/{name}.jsonl": text for name in ("train", "validation", "test")}


def project(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a project with a package `support` in `shared/`; returns the project's folder."""
    write(folder, {"pada.yaml": "project: 1\nname: desk\npackages: [{path: shared}]\n"})
    write(folder, {"shared/pada.yaml": "project: 1\nname: support\n"})
    return write(folder, files)


def problems(recipe: Path, **given: object) -> str:
    """Return what is wrong with a recipe, in lines, its folder left out."""
    with pytest.raises(RecipeError) as caught:
        load(recipe, **given)  # type: ignore[arg-type]
    return (
        str(caught.value).replace(f"{recipe.parent}/", "").replace(f"{recipe.parent.parent}/", "")
    )


def effective(loaded: LoadedRecipe) -> dict[str, object]:
    """Return a recipe with all its defaults, but for its name and where it looks."""
    return {key: value for key, value in loaded.effective.items() if key not in ("name", "look_in")}
