"""The steps of CONTRIBUTING and docs/operators.md: an operator is added beside a recipe and makes rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.cli import main
from engine.plan.flow import flows
from engine.project import Project
from tests.e2e.runs import rows

pytestmark = pytest.mark.runs

DOCUMENT = Path(__file__).parents[2] / "docs" / "operators.md"
RECIPE = """\
recipe: 1
name: own-operator
task: {kind: classification, input: [text], target: y, description: Calls to a bank.}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher, replies: replies.jsonl}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
patterns: {cluster: {max_k: 1}}
augment:
  rows_per_round: 4
  operators: [{name: hurried, params: {device: keyboard}}]
quality:
  judge: off
  attempts: 1
  gates: {neighbours: off, similarity: off, near_duplicate: off}
  leak_guard: {quantile: 1.0}
train: {method: none}
"""
TEXTS = ["my card is lost", "where is my card", "how much is left", "what do I still have"]


def block(language: str) -> str:
    """Return the document's first block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.M | re.S)
    assert found
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe, and beside it the operator that the document shows."""
    for number, split in enumerate(("train", "validation", "test")):
        lines = [
            json.dumps({"text": f"{'abc'[number]} {text} {number}", "y": ("card", "money")[i // 2]})
            for i, text in enumerate(TEXTS)
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    reply = {"rows": [{"text": "crd lost help"}, {"text": "lost my crad"}]}
    answers = [{"match": "typed in a hurry", "reply": reply}]
    (tmp_path / "replies.jsonl").write_text("\n".join(map(json.dumps, answers)), "utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    operator = tmp_path / "operators" / "hurried"
    operator.mkdir(parents=True)
    (operator / "operator.yaml").write_text(block("yaml"), "utf-8")
    (operator / "small.md").write_text(block("jinja"), "utf-8")
    return tmp_path


def test_it_is_listed_with_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pada", "list", "operators", str(folder)])
    with pytest.raises(SystemExit):
        main()
    listed = capsys.readouterr().out
    assert re.search(r"^hurried .*operators/hurried/ of the recipe", listed, re.M)
    assert re.search(r"^paraphrase .*from the engine", listed, re.M)


def test_it_makes_rows(folder: Path) -> None:
    project = Project.open(folder, folder / "state")
    assert project.validate() == []
    planned = project.plan()
    told = {
        flow.stage: flow.what
        for flow in flows(planned.plan, planned.resources, project.loaded.recipe)["teacher"]
    }
    assert "train rows (text)" in told["generate"]
    assert "strategies" not in told["generate"]
    outcome = project.run()
    assert outcome.status == "done"
    state = folder / "state"
    made = rows(
        state,
        "SELECT DISTINCT c.operator, c.inputs ->> 'text' AS text, c.target FROM candidate c"
        " JOIN selected s ON s.candidate = c.id ORDER BY ALL",
    )
    assert [row["operator"] for row in made] == ["hurried"] * len(made)
    assert {row["text"] for row in made} <= {"crd lost help", "lost my crad"}
    assert made
    asked = rows(state, "SELECT messages FROM llm_call WHERE messages::VARCHAR LIKE '%hurry%'")
    assert asked
    assert all("typed in a hurry on a keyboard" in str(call["messages"]) for call in asked)


def test_only_what_the_operator_decides_is_done_again(folder: Path) -> None:
    state = folder / "state"
    Project.open(folder, state).run()
    definition = folder / "operators" / "hurried" / "operator.yaml"
    text = definition.read_text("utf-8")
    definition.write_text(text.replace("Say it as", "Write it as"), "utf-8")
    assert Project.open(folder, state).run().computed == 0
    prompt = definition.with_name("small.md")
    prompt.write_text(prompt.read_text("utf-8").replace("Write rows in", "Answer in"), "utf-8")
    changed = {
        each.node.name.rsplit("/")[-1]
        for each in Project.open(folder, state).plan().states
        if each.state != "cached"
    }
    assert changed == {"generate-1", "gate-1", "judge-1", "select"}
