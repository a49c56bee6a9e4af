"""Every shipped recipe runs to its end on a few rows with the columns of its data, with scripted models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.project import Project
from engine.spec.package_data import shipped
from tests.e2e.balance import assert_balanced
from tests.e2e.runs import rows

pytestmark = pytest.mark.runs

WORDS = ("apples", "pears", "plums", "trains", "coins", "books", "lamps", "chairs", "birds", "cups")
SCRIPTED = """\
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
"""


def _gsm8k(n: int) -> dict[str, Any]:
    what = WORDS[n % 10]
    return {
        "question": f"Ann has {n} {what} and finds {n + 3} more in box {n}. How many {what} has she?",
        "answer": f"She has {n}+{n + 3} = <<{n}+{n + 3}={2 * n + 3}>>{2 * n + 3} {what}.\n#### {2 * n + 3:,}",
    }


def _squad(n: int) -> dict[str, Any]:
    what = WORDS[n % 10]
    context = f"In the year {1700 + n} the town bought {n + 2} {what} for its hall number {n}."
    return {
        "context": context,
        "question": f"When did the town buy {what} for hall {n}?",
        "answers": {"text": [str(1700 + n), f"the year {1700 + n}"], "answer_start": [12, 3]},
    }


def _arc(n: int) -> dict[str, Any]:
    options = [f"{WORDS[(n + k) % 10]} of kind {n}" for k in range(4)]
    numbered = n % 3 == 0
    return {
        "question": f"Which of these is best for task {n} with {WORDS[n % 7]}?",
        "choices": {"text": options, "label": ["1", "2", "3", "4"] if numbered else list("ABCD")},
        "answerKey": "1234"[n % 4] if numbered else "ABCD"[n % 4],
    }


def _hellaswag(n: int) -> dict[str, Any]:
    only_if_final = [
        f"{verb} {WORDS[(n + k) % 10]} number {n}."
        for k, verb in enumerate(("eats", "reads", "drops", "sells"))
    ]
    return {
        "ctx": f"A man walks in with {WORDS[n % 10]} {n} times and",
        "endings": only_if_final,
        "label": str(n % 4),
    }


def _winogrande(n: int) -> dict[str, Any]:
    sentence = f"Ann gave Ben {n} {WORDS[n % 10]} because _ had too many of them on day {n}."
    return {"sentence": sentence, "option1": "Ann", "option2": "Ben", "answer": str(1 + n % 2)}


def _restaurant(n: int) -> dict[str, Any]:
    slots = {"people": f"{n + 1} people", **({"time": f"{n % 9 + 1} pm"} if n % 2 else {})}
    text = (
        f"A table for {slots['people']}" + (f" at {slots['time']}" if n % 2 else "") + f", ref {n}"
    )
    return {"text": text, "requested": [], "slots": slots}


def _booking(n: int) -> dict[str, Any]:
    """Return a row of the same data; each of the five slots stands in some rows, so that DuckDB knows them all."""
    slots = {"people": f"{n + 1} people", "time": f"{n % 9 + 1} pm"}
    slots |= {"date": f"May {n}"} if n % 2 else {"first_name": f"Ann{n}", "last_name": f"Lee{n}"}
    # So long that a scripted student, who repeats what it is asked, is far from it.
    text = "We would be glad to come and eat at your lovely place by the river. " * 3
    return {"text": text + " and ".join(slots.values()), "requested": [], "slots": slots}


def _bbh(n: int) -> dict[str, Any]:
    options = "\n".join(f"({letter}) {WORDS[(n + k) % 10]} {n}" for k, letter in enumerate("ABC"))
    return {
        "input": f"What comes after {n} {WORDS[n % 9]}?\nOptions:\n{options}",
        "target": f"({'ABC'[n % 3]})",
    }


def _clinc(n: int) -> dict[str, Any]:
    intent = ("routing", "timer", "yes", "maybe")[n % 4]
    # Half of the rows do not say it: a scripted student knows only words.
    said = intent if n % 8 < 4 else "please"
    return {"text": f"{said} {WORDS[n % 10]} {n}", "intent": intent}


def _lookalike(n: int) -> dict[str, Any]:
    intent = ("apr", "balance", "bill_due", "new_card")[n % 4]
    said = intent if n % 8 < 4 else "please"
    return {"text": f"{said} {WORDS[n % 10]} {n}", "intent": intent}


MADE: Mapping[str, tuple[Callable[[int], dict[str, Any]], tuple[str, ...]]] = {
    "gsm8k": (_gsm8k, ("train", "test")),
    "squad": (_squad, ("train", "validation")),
    "arc_challenge": (_arc, ("train", "validation", "test")),
    "hellaswag": (_hellaswag, ("train", "validation")),
    "winogrande": (_winogrande, ("train", "validation")),
    "restaurant8k": (_restaurant, ("train", "test")),
    "restaurant8k_few": (_restaurant, ("train", "test")),
    "restaurant8k_spans": (_booking, ("train", "test")),
    "restaurant8k_text": (_booking, ("train", "test")),
    "bbh": (_bbh, ("all",)),
    "clinc150": (_clinc, ("train", "validation", "test")),
    "clinc150_domains": (_clinc, ("train", "validation", "test")),
    "clinc150_lookalikes": (_lookalike, ("train", "validation", "test")),
}
"""Recipe -> what makes a row, and its files."""


def written(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a recipe's data and the recipe with scripted models; return recipe and data."""
    make, files = MADE[name]
    for number, file in enumerate(files):
        rows = 260 if name == "restaurant8k_few" else 150 if len(files) == 1 else 120
        made = [make(1000 * number + n) for n in range(rows)]
        text = "".join(json.dumps(row) + "\n" for row in made)
        (folder / f"{file}.jsonl").write_text(text, "utf-8")
    text = (shipped("recipes") / name / "recipe.yaml").read_text("utf-8")
    before, rest = text.split("models:\n", 1)
    lines = rest.split("\n")
    after = "\n".join(lines[next(i for i, line in enumerate(lines) if line[:1].strip()) :])
    # What recipes share lies beside their folders.
    shutil.copytree(shipped("recipes") / "taxonomies", folder / "taxonomies")
    recipe = folder / name / "recipe.yaml"
    recipe.parent.mkdir()
    # One seed goes round the loop as three do.
    after = after.replace("seeds: [0, 1, 2]", "seeds: [0]")
    recipe.write_text(before + SCRIPTED + after, "utf-8")
    return recipe, folder / ("all" if files == ("all",) else "")


def test_every_recipe_is_here() -> None:
    names = {path.parent.name for path in shipped("recipes").glob("*/recipe.yaml")}
    # Conversations go round the loop in test_operator_matrix.py.
    assert names - {"quickstart", "library_desk"} == set(MADE)


IN_SHORT = ("gsm8k", "squad", "arc_challenge", "restaurant8k_few", "bbh", "clinc150_lookalikes")
"""One recipe of each sort: ten seconds of CPU time apiece; the others are as these, with other columns."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in IN_SHORT else pytest.mark.long) for name in MADE],
)
def test_a_shipped_recipe_goes_through_its_loop(name: str, tmp_path: Path) -> None:
    recipe, data = written(tmp_path, name)
    state = tmp_path / "state"

    def opened() -> Project:
        return Project.open(recipe, state, {"data": str(data)}, limit=24)

    project = opened()
    assert project.plan().expected.estimate.calls.high > 0
    outcome = project.run()
    assert outcome.status == "done", outcome
    assert project.report(outcome.run).html.is_file()
    assert_balanced(state)
    statuses = rows(state, "SELECT DISTINCT status FROM prediction")
    assert {row["status"] for row in statuses} <= {"ok", "unparsable"}
    scored = rows(
        state, "SELECT DISTINCT metric FROM metric WHERE split = 'test' AND value IS NOT NULL"
    )
    assert scored
    found = rows(state, "SELECT count(*) AS n FROM candidate")
    assert found[0]["n"] > 0
    verdicts = rows(state, "SELECT reason, detail FROM verdict")
    assert len(verdicts) == found[0]["n"]
    assert opened().run().computed == 0
