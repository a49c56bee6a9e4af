"""Review in the browser: what is said lands as `pada review` writes it, once, whatever goes wrong on the way."""

from __future__ import annotations

import io
import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.review import desk as desks
from engine.spec.extending.settings import assignment
from engine.store import add_reviews, lock
from engine.store.file import opened as held_open
from engine.studio.reviewing import sittings
from tests.e2e.runs import Ended, pada_here, rows
from tests.studio import reviewed
from tests.studio.conftest import OWN, Studio
from tests.studio.reviewed import LABELS, UNSEEN, studio_of
from tests.studio.stores import HOSTILE

pytestmark = pytest.mark.runs
SAID = (
    "SELECT reviewer, queue, subject, example, candidate, verdict, reason, note, inputs, target, new_example,"
    " new_inputs, new_target, places, changes, resolves, judge, judge_passes, judge_share, stands,"
    " undoes IS NOT NULL AS undoes FROM all_reviews ORDER BY made, id"
)


@pytest.fixture
def folder(reviewed_project: Path, tmp_path: Path) -> Path:
    return reviewed.copy(reviewed_project, tmp_path / "project")


def items(studio: Studio, reviewer: str = "anna", **query: Any) -> list[dict[str, Any]]:
    found = studio.get("review/rows", reviewer=reviewer, n=200, **query)
    return [{**item, "run": found["run"], "queue": found["queue"]} for item in found["items"]]


def say(studio: Studio, item: dict[str, Any], verdict: str, **more: Any) -> Any:
    """Return the response to a verdict."""
    named = {name: item[name] for name in ("run", "queue", "subject", "example")}
    body = {"id": uuid.uuid4().hex[:24], "reviewer": "anna", "verdict": verdict, **named, **more}
    # As a browser sends it: what is no UTF-8 as an escape.
    return studio.client.post(
        "/api/review/verdict", content=json.dumps(body), headers={"origin": OWN}
    )


def said(studio: Studio, item: dict[str, Any], verdict: str, **more: Any) -> dict[str, Any]:
    """Return what a verdict came to; fails where it is refused."""
    answer = say(studio, item, verdict, **more)
    assert answer.status_code == 200, (answer.text, studio.bugs)
    assert answer.json()["kept"] is True, answer.text
    return dict(answer.json())


def undone(studio: Studio, **more: Any) -> dict[str, Any]:
    body = {"id": uuid.uuid4().hex[:24], "reviewer": "anna", "run": "r0001", **more}
    answer = studio.post("review/undo", body)
    assert answer.status_code == 200, (answer.text, studio.bugs)
    return dict(answer.json())


def typed(monkeypatch: pytest.MonkeyPatch, folder: Path, lines: str, *arguments: str) -> Ended:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    state = folder / ".pada"
    return pada_here("review", folder / "recipe.yaml", "--state", state, *arguments)


def other(target: str) -> str:
    return "number" if target == "colour" else "colour"


def test_each_verdict_is_written_as_pada_review_writes_it(
    reviewed_project: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, beside = studio_of(folder), reviewed.copy(reviewed_project, tmp_path / "beside")
    first = items(studio)
    kinds = [one["target"]["text"] for one in first]
    told = said(studio, first[0], "accept", note="  as  it is ")["told"]
    assert told == f"accepted as {kinds[0]}"
    told = said(studio, first[1], "reject", reason="wrong", note="not this")["told"]
    assert told == "rejected, its answer is wrong"
    told = said(studio, first[2], "change", target=other(kinds[2]))["told"]
    assert told == f"relabelled {other(kinds[2])}"
    said(studio, first[3], "change", inputs={"0": "another row of colour"}, target="colour")
    said(studio, first[4], "reject", reason="unclear")
    assert undone(studio)["undone"]["item"]["example"] == first[4]["example"]
    lines = f"a as it is\nr w not this\nl {other(kinds[2])}\ne\nanother row of colour\ncolour\nr c\nu\nq\n"
    ended = typed(monkeypatch, beside, lines, "--reviewer", "anna")
    assert ended.code == 0, ended.errors
    assert rows(folder / ".pada", SAID) == rows(beside / ".pada", SAID)
    assert len(rows(folder / ".pada", SAID)) == 6
    # Of what follows, too, the same is said.
    plan = studio.get("review/ended", reviewer="anna", run="r0001")
    planned = plan["plan"]
    assert f"the next run would redo {planned['open']} of {planned['nodes']} nodes" in ended.out, (
        ended.out
    )
    assert planned["named"][0] == {
        "node": "seed-0/round-0/select",
        "state": "changed",
        "because": "reviews: 4 new",
    }
    assert planned["estimate"][0] in ended.out
    assert plan["page"] == "recipe.yaml"


def test_what_follows_is_planned_with_what_the_run_was_given(folder: Path) -> None:
    with duckdb.connect(str(folder / ".pada" / "store.duckdb")) as connection:
        given = json.dumps({"train.steps": 3, "description": "a: b"})
        connection.execute("UPDATE provenance SET settings = ?", [given])
    studio = studio_of(folder)
    said(studio, items(studio)[0], "accept")
    planned = studio.get("review/ended", reviewer="anna", run="r0001")["plan"]
    assert planned["limit"] is None
    assert dict(map(assignment, planned["settings"])) == json.loads(given)
    asked = {"recipe": "recipe.yaml", "settings": planned["settings"]}
    nodes = studio.post("running/plan", asked).json()["nodes"]
    assert len([one for one in nodes if one["state"] != "cached"]) == planned["open"]


def test_a_verdict_that_is_sent_twice_is_written_once(folder: Path) -> None:
    studio = studio_of(folder)
    one = items(studio)[0]
    name = uuid.uuid4().hex[:24]
    assert said(studio, one, "accept", id=name)["again"] is False
    assert said(studio, one, "accept", id=name)["again"] is True
    assert undone(studio, id="f" * 24)["undone"]["of"] == name
    assert undone(studio, id="f" * 24)["again"] is True
    assert undone(studio)["undone"] is None
    assert len(rows(folder / ".pada", SAID)) == 2
    assert say(studio, one, "accept", id="no id").status_code == 400


@pytest.mark.long
def test_an_undo_takes_back_the_verdict_that_it_names(folder: Path) -> None:
    studio = studio_of(folder)
    one, two, *_ = items(studio)
    names = ["a" * 24, "b" * 24]
    said(studio, one, "accept", id=names[0])
    # In another tab.
    said(studio, two, "accept", id=names[1])
    assert undone(studio, of=names[0])["undone"]["of"] == names[0]
    assert undone(studio, of=names[0])["undone"] is None
    assert [row["stands"] for row in rows(folder / ".pada", SAID)] == [False, True, False]


def test_a_row_with_unseen_characters_comes_back_byte_for_byte(folder: Path) -> None:
    studio = studio_of(folder)
    (one,) = [item for item in items(studio) if item["inputs"][0]["exact"]]
    assert one["inputs"][0]["exact"] == UNSEEN
    assert "[U+202E]" in one["inputs"][0]["text"]
    written = UNSEEN.replace("brook", "heron")
    assert said(studio, one, "change", inputs={"0": written})["verdict"] == "edit"
    (row,) = rows(folder / ".pada", "SELECT inputs, new_inputs, new_target FROM all_reviews")
    assert json.loads(row["inputs"]) == {"text": UNSEEN}
    assert json.loads(row["new_inputs"]) == {"text": written}
    # What is not sent stays as it is.
    undone(studio)
    said(studio, one, "change", target="number")
    (row,) = rows(folder / ".pada", "SELECT new_inputs, verdict FROM all_reviews WHERE stands")
    assert json.loads(row["new_inputs"]) == {"text": UNSEEN}
    assert row["verdict"] == "relabel"


def test_what_may_not_be_trained_on_is_refused_with_its_reason(folder: Path) -> None:
    studio = studio_of(folder)
    one = items(studio)[0]
    bad: list[tuple[dict[str, Any], str]] = [
        ({"target": "blue"}, "'blue' is not one of the 200 labels"),
        ({"inputs": {"0": ""}}, "this is no row of the task"),
        ({"inputs": {"0": "a \x1b[2J b"}}, "control characters"),
        ({"inputs": {"0": "half \ud800 of a pair"}}, "control characters"),
        ({"inputs": {"7": "x"}}, "no column of the number '7'"),
        ({"inputs": {"0": 7}}, "no column of the number '0'"),
        ({"inputs": []}, "inputs: texts by the number"),
        ({"target": 7}, "target: a text is needed"),
        ({}, "nothing is changed"),
    ]
    for change, expected in bad:
        answer = say(studio, one, "change", **change)
        assert answer.status_code == 400, (change, answer.text)
        assert expected in answer.json()["error"]
    assert "no reason" in say(studio, one, "reject", reason="bad").json()["error"]
    assert "nobody knows why" in say(studio, one, "reject", reason="other").json()["error"]
    assert "not known" in say(studio, one, "praise").json()["error"]
    assert "no row" in say(studio, {**one, "example": "nowhere"}, "accept").json()["error"]
    assert "no name" in say(studio, one, "accept", reviewer="a\u202eb").json()["error"]
    assert "no run of the recipe" in say(studio, one, "accept", recipe="x").json()["error"]
    assert "not in this store" in say(studio, one, "accept", run="r0099").json()["error"]
    assert studio.client.get("/api/review/rows?queue=all").status_code == 400
    assert not rows(folder / ".pada", SAID)
    assert not studio.bugs


@pytest.mark.long
def test_labels_are_all_there_and_exact(folder: Path) -> None:
    studio = studio_of(folder)
    labels = studio.get("review/labels", reviewer="anna", run="r0001")["labels"]
    assert sorted(one["exact"] or one["text"] for one in labels) == sorted(LABELS)
    one = items(studio)[0]
    assert said(studio, one, "change", target=HOSTILE)["verdict"] == "relabel"
    assert rows(folder / ".pada", SAID)[0]["new_target"] == HOSTILE


def test_two_reviewers_do_not_see_each_other_and_what_they_differ_on_is_settled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = studio_of(folder)
    shown = items(studio)
    assert [one["example"] for one in shown] == [one["example"] for one in items(studio, "ben")]
    pairs = [("accept", "accept"), ("accept", "reject"), ("reject", "reject")]
    for at, (by_anna, by_ben) in enumerate(pairs):
        said(studio, shown[at], by_anna, reason="wrong")
        said(studio, shown[at], by_ben, reason="wrong", reviewer="ben")
    said(studio, shown[3], "accept")
    listed = {row["example"]: row for row in studio.get("review/list", reviewer="ben")["rows"]}
    assert listed[shown[3]["example"]]["said"] == []
    assert {word["reviewer"] for word in listed[shown[1]["example"]]["said"]} == {"anna", "ben"}
    stands = studio.get("review/queues", reviewer="ben")
    ended = typed(monkeypatch, folder, "q\n", "--reviewer", "ben")
    assert stands["people"]["agreement"] in ended.out
    assert "alpha" in stands["people"]["agreement"]
    assert stands["people"]["alpha"]["units"] == 3
    assert stands["people"]["conflicts"] == 1
    # A third, or whoever settles it, is shown it.
    assert items(studio, "ben", queue="conflicts") == []
    (waits,) = items(studio, "ben", queue="conflicts", resolve="yes")
    assert waits["others"] == ["anna: accept", "ben: reject; its answer is wrong"]
    said(studio, waits, "accept", reviewer="ben", resolve="yes")
    assert studio.get("review/queues", reviewer="ben")["people"]["conflicts"] == 0
    assert [row["resolves"] for row in rows(folder / ".pada", SAID)][-1] is True
    reviewers = [row["reviewer"] for row in rows(folder / ".pada", SAID)]
    assert reviewers == [*["anna", "ben"] * 3, "anna", "ben"]


def test_a_queue_is_listed_in_pages_and_narrowed(folder: Path) -> None:
    studio = studio_of(folder)
    shown = items(studio)
    said(studio, shown[0], "accept")
    said(studio, shown[1], "change", target=other(shown[1]["target"]["text"]))

    def listed(**query: Any) -> list[str]:
        return [
            row["example"]
            for row in studio.get("review/list", reviewer="anna", run="r0001", **query)["rows"]
        ]

    every = listed()
    assert len(every) == 15
    assert [*listed(limit=8), *listed(limit=8, offset=8)] == every
    assert set(listed(target="colour")) | set(listed(target="number")) == set(every)
    assert listed(verdict="accept", by="anna") == [shown[0]["example"]]
    assert listed(verdict="relabel") == [shown[1]["example"]]
    assert len(listed(verdict="waits")) == 13
    assert listed(by="ben") == []
    assert len(listed(search="<IMG")) == 1
    page = studio.get("review/list", reviewer="anna", limit=1, target="colour")
    assert (page["all"], len(page["rows"])) == (15, 1)
    assert sum(one["rows"] for one in page["targets"]) == 15


def test_a_verdict_is_kept_beside_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = studio_of(folder)
    one, two, *_ = items(studio)
    with lock.hold(folder / ".pada"):
        said(studio, one, "accept")
        # While the run writes, it is said, and nothing is lost: the page sends it again.
        monkeypatch.setattr(desks, "add_reviews", partial(add_reviews, wait=0.1))
        with held_open(folder / ".pada" / "store.duckdb", write=False, wait=1):
            answer = say(studio, two, "accept")
        assert answer.json()["kept"] is False
        assert "store.duckdb" in answer.json()["why"]["message"]
        assert len(rows(folder / ".pada", SAID)) == 1
        said(studio, two, "accept", id=json.loads(answer.request.content)["id"])
    assert len(rows(folder / ".pada", SAID)) == 2
    assert not studio.bugs


@pytest.mark.long
def test_what_began_goes_on_after_the_server_was_started_anew(folder: Path) -> None:
    first = items(studio_of(folder))
    sittings._SITTINGS.clear()
    studio = studio_of(folder)
    said(studio, first[0], "accept")
    assert rows(folder / ".pada", SAID)[0]["example"] == first[0]["example"]


def test_who_only_looks_is_shown_rows_and_writes_nothing(folder: Path) -> None:
    studio = studio_of(folder, read_only=True)
    one = items(studio)[0]
    answer = say(studio, one, "accept")
    assert answer.status_code == 400
    assert "for looking only" in answer.json()["error"]
    assert studio.post("review/undo", {"id": "a" * 24}).status_code == 400
    assert not rows(folder / ".pada", SAID)


def test_rows_that_another_page_hands_over_are_a_queue(folder: Path) -> None:
    studio = studio_of(folder)
    validation = rows(
        folder / ".pada", "SELECT id FROM example WHERE split = 'validation' ORDER BY id LIMIT 2"
    )
    test = rows(folder / ".pada", "SELECT id FROM example WHERE split = 'test' LIMIT 1")
    wanted = [*(row["id"] for row in (*validation, *test)), items(studio)[3]["example"], "nowhere"]
    answer = studio.post("review/rows", {"reviewer": "anna", "rows": wanted})
    found = answer.json()
    assert [one["example"] for one in found["items"]] == [*wanted[:2], wanted[3]]
    assert [one["subject"] for one in found["items"]] == ["validation", "validation", "candidate"]
    assert found["missing"] == 2
    for one in found["items"]:
        said(
            studio,
            {**one, "run": found["run"], "queue": ""},
            "reject",
            reason="wrong",
            note="see the file",
        )
    kept = rows(folder / ".pada", SAID)
    assert [row["queue"] for row in kept] == ["suspect", "suspect", "candidates"]
    # Rows of validation are never changed here: where they stand is said.
    wrong = studio.get("review/queues", reviewer="anna")["people"]["wrong"]
    assert len(wrong) == 2
    assert "validation.jsonl:" in wrong[0]["where"]
    assert wrong[0]["what"] == "should go: its answer is wrong (see the file)"
    # So nothing follows for the next run but from the candidate.
    plan = studio.get("review/ended", reviewer="anna", run="r0001")["plan"]
    assert plan["named"][0]["because"] == "reviews: 1 new"
    assert plan["follow"] == plan["open"]
    assert studio.post("review/rows", {"rows": "x"}).status_code == 400
    assert studio.post("review/rows", {"rows": ["x"] * 2001}).status_code == 400


@pytest.mark.long
def test_a_recipe_that_is_gone_or_broken_loses_nothing(folder: Path) -> None:
    studio = studio_of(folder)
    one, two, *_ = items(studio)
    recipe = folder / "recipe.yaml"
    text = recipe.read_text("utf-8")
    recipe.write_text("recipe: 1\nname: estimated\ntask: {", "utf-8")
    said(studio, one, "accept")
    ended = studio.get("review/ended", reviewer="anna", run="r0001")
    assert ended["plan"] is None
    assert "recipe.yaml" in ended["why_not"]["message"]
    recipe.unlink()
    said(studio, two, "accept")
    refused = studio.client.get("/api/review/rows?reviewer=anna")
    assert refused.status_code == 400
    assert "is not at" in refused.json()["error"]
    recipe.write_text(text, "utf-8")
    assert len(items(studio)) == 13


def test_without_a_run_it_is_said_what_to_do(tmp_path: Path) -> None:
    studio = studio_of(tmp_path)
    assert studio.get("review")["recipes"] == []
    assert "nothing has run yet" in studio.client.get("/api/review/queues").json()["error"]
