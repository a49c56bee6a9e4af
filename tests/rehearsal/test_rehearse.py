"""What a stage would ask: with stand-ins, and after a run the very turns that were sent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.errors import EngineError
from engine.operators.finding import FOLDER
from engine.project import Project
from engine.rehearsal import ASKING, Rehearsal
from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import write_project
from tests.operators.writing import write_operator

pytestmark = pytest.mark.runs

CHAIN = ("diagnose", "name", "strategy", "generate", "judge")
SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string", "maxLength": 20}},
    "required": ["day"],
    "additionalProperties": False,
}
KINDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "classification": ({}, lambda i: {}, lambda i: ("early", "late")[i % 2]),
    "multiple_choice": (
        {"options": "more"},
        lambda i: {"more": f"A. first {i}\nB. second {i}"},
        lambda i: "AB"[i % 2],
    ),
    "extraction": (
        {"context": "more"},
        lambda i: {"more": f"somebody{i} came"},
        lambda i: f"somebody{i}",
    ),
    "structured": ({"json_schema": SCHEMA}, lambda i: {}, lambda i: {"day": f"day {i}"}),
    "numeric": ({}, lambda i: {}, lambda i: f"{i} + 1 = {i + 1}\n#### {i + 1}"),
    "generation": (
        {},
        lambda i: {},
        lambda i: " ".join(f"{word}{i}" for word in ("one", "two", "three")),
    ),
}
"""Kind -> parameters, a row's further inputs, its target."""


def write_kind(folder: Path, kind: str, pack: str) -> Path:
    """Write a recipe of a kind, teacher and judge of a pack; test rows hold the word `zebra`, validation rows `yak`."""
    params, more, target = KINDS[kind]
    for split, word in (("train", "oak"), ("validation", "yak"), ("test", "zebra")):
        lines = [
            {"text": f"{word} says number{i} of {word}", **more(i), "y": target(i)}
            for i in range(9)
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    columns = ["text", *more(0)]
    operator = "paraphrase"
    recipe = {
        "recipe": 1,
        "name": "kind",
        "task": {"kind": kind, "input": columns, "target": "y", "params": params},
        "data": {s: {"path": f"{s}.jsonl"} for s in ("train", "validation", "test")},
        "models": {
            role: {"backend": "scripted", "model": role}
            | ({"pack": pack} if role in ("teacher", "judge") else {})
            for role in ("student", "teacher", "judge", "embedder")
        },
        "augment": {"rows_per_round": 4, "operators": [{"name": operator}]},
        "train": {"steps": 1},
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), "utf-8")
    return file


def said(rehearsal: Rehearsal) -> str:
    return "\n".join(m.content for p in rehearsal.prompts for m in p.request.messages)


def test_the_judge_is_shown_where_rows_are_kept_by_how_often_the_student_is_right(
    tmp_path: Path,
) -> None:
    recipe = write_kind(tmp_path, "classification", "small")
    selecting = {**json.loads(recipe.read_text("utf-8")), "quality": {"pass_rate": {}}}
    recipe.write_text(json.dumps(selecting), "utf-8")
    rehearsal = Project.open(recipe, tmp_path / "state").rehearse("judge")
    assert "how often the student is right" in rehearsal.made_up
    assert rehearsal.prompts, "no stand-in is rejected for a rate that it does not have"


@pytest.mark.parametrize(
    ("kind", "pack"),
    [*((kind, "small") for kind in KINDS), ("classification", "frontier"), ("numeric", "frontier")],
)
def test_every_stage_of_every_kind_is_shown_without_a_run(
    tmp_path: Path, kind: str, pack: str
) -> None:
    state = tmp_path / "state"
    project = Project.open(write_kind(tmp_path, kind, pack), state)
    for stage in (*CHAIN, *(("confirm", "verify") if pack == "frontier" else ())):
        rehearsal = project.rehearse(stage)
        (prompted, *_) = rehearsal.prompts
        assert prompted.role == ("judge" if stage in ("confirm", "judge", "verify") else "teacher")
        assert prompted.alike >= 1
        assert rehearsal.stored == ()
        assert "the student's answers" in rehearsal.made_up
        before = dict.fromkeys(("generate", "verify", "judge"), ("name", "strategy"))
        assert rehearsal.unanswered == before.get(
            stage, ("name",) if stage in ("confirm", "strategy") else ()
        )
        # Neither test nor validation rows: all is made of training rows.
        assert "zebra" not in said(rehearsal)
        assert "yak" not in said(rehearsal)
    assert not state.exists(), "nothing is written"


class Done(NamedTuple):
    """A recipe that was run, and where its rows are."""

    recipe: Path
    state: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("done")
    metrics = "[accuracy, {name: polite, judge: {rubric: Is it polite}}]"
    recipe = write_project(folder / "project", METRICS=metrics)
    assert pada_here("run", recipe, "--state", folder / "state", "--quiet").code == 0
    return Done(recipe, folder / "state")


def test_after_a_run_it_is_what_was_sent(done: Done) -> None:
    for stage in (*CHAIN, "rate"):
        rehearsal = Project.open(done.recipe, done.state).rehearse(stage)
        assert rehearsal.made_up == rehearsal.unanswered == ()
        assert "predict" in rehearsal.stored
        sent = {
            row["id"]
            for row in rows(
                done.state,
                "SELECT k.id FROM llm_call k JOIN node n ON n.id = k.node"
                f" WHERE n.stage = '{stage}'",
            )
        }
        (prompted,) = rehearsal.prompts
        assert prompted.request.id in sent
        assert prompted.alike <= len(sent)


def test_a_changed_prompt_is_shown_with_the_failures_of_the_run(done: Done, tmp_path: Path) -> None:
    folder = shutil.copytree(done.recipe.parent, tmp_path / "changed")
    own = folder / "prompts" / "small" / "diagnose.md"
    own.parent.mkdir(parents=True)
    own.write_text(
        "[[user]]\nWhy {{ failures[0].said }} for {{ failures[0].row.text }}?\n", "utf-8"
    )
    diagnose = Project.open(folder, done.state).rehearse("diagnose")
    assert said(diagnose).startswith("Why ")
    assert diagnose.made_up == ()
    naming = Project.open(folder, done.state).rehearse("name")
    assert naming.made_up == ("diagnoses",)


def test_each_operator_has_its_request(tmp_path: Path) -> None:
    operators = "{name: paraphrase}, {name: shorten}"
    recipe = write_project(tmp_path / "project", OPERATORS=operators)
    write_operator(recipe.parent / FOLDER)
    rehearsal = Project.open(recipe, tmp_path / "state").rehearse("generate")
    names = [prompted.prompt.path.parent.name for prompted in rehearsal.prompts]
    assert names == ["paraphrase", "shorten"]


def test_ratings_are_shown_and_never_of_test_rows(done: Done, tmp_path: Path) -> None:
    lines = (done.recipe.parent / "test.jsonl").read_text("utf-8").splitlines()
    tested = [json.loads(line)["text"] for line in lines]
    for state in (done.state, tmp_path / "none"):
        rehearsal = Project.open(done.recipe, state).rehearse("rate")
        (prompted,) = rehearsal.prompts
        assert prompted.role == "judge"
        # Rows of two splits of three.
        assert prompted.alike <= 64
        assert not any(text in said(rehearsal) for text in tested)


def test_what_asks_nobody_says_so(tmp_path: Path) -> None:
    recipe = write_project(tmp_path / "project", JUDGE="off")
    project = Project.open(recipe, tmp_path / "state")
    with pytest.raises(EngineError, match="the stage 'judge' asks nobody in this recipe"):
        project.rehearse("judge")
    with pytest.raises(EngineError, match="this recipe has no stage 'rate'"):
        project.rehearse("rate")
    with pytest.raises(EngineError, match=r"no stage 'diagnos' asks.*\n.*did you mean 'diagnose'"):
        project.rehearse("diagnos")
    assert set(CHAIN) <= set(ASKING)
