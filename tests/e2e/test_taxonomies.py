"""Runs with a taxonomy in a file: what fits no category is proposed, adopted, and sorted by it the next time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import engine.operators
from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import FAILING, write_project

pytestmark = pytest.mark.long

TAXONOMY = """\
taxonomy: 1
categories:
  - {id: reading, description: Something in the row is missed.}
  # Parts of it.
  - {id: number_first, where: "text LIKE 'number%'", parent: reading}
"""


def said(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"f{number}", "evidence": "", "reasoning": "It goes by the word.",
        "root_cause": "A named kind is taken for the kind.", "scenario": "Another kind is named.",
        "skill": "To read on.", "category": "other", "proposed": "Named kind", "suspect": False,
        "suspect_reason": "", "convention": "", "mendable": True, "confidence": 4, **changes,
    }  # fmt: skip


def diagnoses(**changes: Any) -> dict[str, Any]:
    """Return a reply to a call about six failures; items beyond those of a shorter call are left out."""
    return {"diagnoses": [said(number, **changes) for number in range(1, 7)]}


NAMED = {
    "reasoning": "All of them name it.", "name": "Kind named in passing", "category": "other",
    "description": "A kind is named that is not meant.", "includes": [], "excludes": [], "coherent": True,
}  # fmt: skip


def project(folder: Path, taxonomy: str, reply: dict[str, Any]) -> Path:
    recipe = write_project(
        folder, PATTERNS=f"{{cluster: {{k: 1}}, taxonomy: {taxonomy}}}", TRAIN="{method: none}",
        JUDGE="off", OPERATORS="{name: reword, params: {variants: 2}}",
    )  # fmt: skip
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace("model: teacher,", "model: teacher, pack: standard,"), "utf-8")
    operator = folder / "operators" / "reword"
    ours = Path(engine.operators.__file__).parent / "paraphrase"
    shutil.copytree(ours, operator)
    definition = operator / "operator.yaml"
    definition.write_text(definition.read_text("utf-8").replace("paraphrase", "reword"), "utf-8")
    shutil.copy(operator / "small.md", operator / "prompt.md")
    replies = {"# Rows that the student gets wrong": reply, "# One cluster": NAMED}
    (folder / "replies.jsonl").write_text(
        "".join(json.dumps({"match": m, "reply": r}) + "\n" for m, r in replies.items()), "utf-8"
    )
    (folder / "taxonomies").mkdir(exist_ok=True)
    (folder / "taxonomies" / "reading.yaml").write_text(TAXONOMY, "utf-8")
    return recipe


def test_what_fits_no_category_is_proposed_adopted_and_offered(tmp_path: Path) -> None:
    recipe = project(tmp_path, "taxonomies/reading.yaml", diagnoses())
    state = tmp_path / "state"
    assert pada_here("run", recipe, "--state", state).code == 0
    sorted_ = rows(state, "SELECT DISTINCT category, proposed FROM diagnosis")
    assert sorted_ == [{"category": "other", "proposed": "Named kind"}]
    proposed = rows(
        state, "SELECT name, source, failures, description FROM proposed_categories ORDER BY source"
    )
    by_sql = rows(
        state, "SELECT count(*) AS n FROM pattern_member WHERE pattern = 'category:number_first'"
    )[0]["n"]
    assert 0 < by_sql < FAILING
    left = FAILING - by_sql
    assert proposed == [
        {"name": "Named kind", "source": "diagnosis", "failures": left, "description": "Another kind is named."},
        # The larger pattern, of the category that SQL gives, has the name already.
        {"name": "Kind named in passing (number)", "source": "pattern", "failures": left,
         "description": "A kind is named that is not meant."},
    ]  # fmt: skip
    shown = pada_here("patterns", "adopt", recipe, "--state", state, "--dry-run")
    assert shown.out.startswith("1 category would be written to ")
    ended = pada_here("patterns", "adopt", recipe, "--state", state)
    assert ended.code == 0, ended.errors
    assert f"  named_kind: Another kind is named. ({left} failures)" in ended.out
    file = tmp_path / "taxonomies" / "reading.yaml"
    assert (
        file.read_text("utf-8")
        == TAXONOMY + "  - id: named_kind\n    description: Another kind is named.\n"
    )
    again = pada_here("patterns", "adopt", recipe, "--state", state)
    assert again.out.startswith("nothing to adopt")
    asked = pada_here(
        "show", "prompt", "diagnose", "--recipe", recipe, "--state", state, "--schema"
    )
    assert '"enum": [\n' in asked.out
    assert "named_kind (Another kind is named)" in asked.out
    unknown = pada_here("patterns", "adopt", recipe, "--state", state, "--run", "r0009")
    assert (unknown.code, "the store has no run 'r0009'" in unknown.errors) == (2, True)
    missing = pada_here("patterns", "adopt", recipe, "named_kidn", "--state", state)
    assert (missing.code, "no category 'named_kidn' is proposed" in missing.errors) == (2, True)


def test_a_diagnosis_outside_a_closed_taxonomy_is_no_reply(tmp_path: Path) -> None:
    closed = "{file: taxonomies/reading.yaml, mode: closed}"
    outside = [said(number, category="reading") for number in range(1, 7)]
    for one in outside:
        del one["proposed"]
    outside[1]["category"] = "named kind"
    recipe = project(tmp_path, closed, {"diagnoses": outside})
    ended = pada_here("run", recipe, "--state", tmp_path / "state")
    stored = rows(
        tmp_path / "state", "SELECT DISTINCT error, detail FROM llm_call WHERE role = 'teacher'"
    )
    assert ended.code == 0, ended.errors
    assert stored[0]["error"] == "schema"
    assert "named kind" in stored[0]["detail"]
    assert rows(tmp_path / "state", "SELECT count(*) AS n FROM diagnosis") == [{"n": 0}]


def test_before_a_failure_is_diagnosed_there_is_nothing_to_adopt(tmp_path: Path) -> None:
    recipe = project(tmp_path, "taxonomies/reading.yaml", diagnoses())
    ended = pada_here("patterns", "adopt", recipe, "--state", tmp_path / "state")
    assert ended.code == 2
    assert "there is no store" in ended.errors
