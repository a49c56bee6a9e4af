"""What pages are answered: runs, patterns, rows in pages, the story of a row, two students side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.stages.load import example_id
from engine.studio.answers import encoded, short
from engine.studio.explore import listing
from engine.studio.explore.kept import first_shown, recipe_name
from engine.studio.explore.row import scored
from engine.studio.settings import Settings
from tests.report.invented import ident
from tests.studio.conftest import Studio, opened
from tests.studio.stores import HOSTILE, LABELS, LONG, TEXTS, UNSEEN

SHORT_MESSAGE = ident("pattern", "Very short message")


def test_without_a_store_there_are_no_runs(tmp_path: Path) -> None:
    studio = opened(Settings(tmp_path / "nothing"))
    assert studio.get("about")["has_store"] is False
    assert studio.get("runs") == {"runs": []}
    assert studio.get("sql/catalogue") == {"relations": []}
    refused = studio.client.get("/api/runs/r0001")
    assert refused.status_code == 400
    assert "no store" in refused.json()["error"]


def test_runs_are_listed_the_newest_first(studio: Studio) -> None:
    runs = studio.get("runs")["runs"]
    assert [run["facts"]["id"] for run in runs] == ["r0002", "r0001"]
    assert runs[0]["facts"]["best"] == pytest.approx(0.76)
    assert runs[0]["facts"]["started"].endswith("Z")


def test_a_run_has_its_scores_with_intervals(studio: Studio) -> None:
    found = studio.get("runs/r0001")
    scores = found["scores"]
    assert scores["primary"] == "accuracy"
    assert [one["label"] for one in scores["rounds"]] == [
        "control",
        "untuned",
        "round 0",
        "round 1",
    ]
    (cell,) = (
        c["measured"] for c in scores["cells"]
        if (c["metric"], c["split"], c["round"], c["seed"]) == ("accuracy", "test", 1, None)
    )  # fmt: skip
    assert cell["low"] < cell["value"] < cell["high"]
    assert found["headline"]["sentence"].startswith("Round 1 is")


def test_what_was_generated_and_what_it_took(studio: Studio) -> None:
    generation, spend = studio.get("runs/r0001/generation"), studio.get("runs/r0001/spend")
    assert sum(one["generated"] for one in generation["funnel"]) == 80
    assert {one["role"] for one in spend["calls"]} == {"teacher", "judge"}
    assert spend["nodes"]


def test_patterns_as_cards_as_a_map_and_one_whole(studio: Studio) -> None:
    cards = studio.get("runs/r0001/patterns")["patterns"]
    assert {card["facts"]["name"] for card in cards} >= {"Very short message", "Negated wish"}
    (dossier,) = studio.get(f"runs/r0001/patterns/{SHORT_MESSAGE}")["dossiers"]
    assert dossier["members_total"] == 15
    assert len(dossier["members"]) == 15
    assert (
        studio.get("runs/r0001/patterns/very short message")["dossiers"][0]["facts"]["id"]
        == SHORT_MESSAGE
    )
    points = studio.get("runs/r0001/map")["points"]
    rows = studio.get("runs/r0001/failures", round=0, split="validation", limit=200)["rows"]
    assert {point["example"] for point in points} <= {row["example"] for row in rows}
    assert SHORT_MESSAGE in {point["pattern_id"] for point in points}


def test_a_run_says_which_student_is_kept_and_how_it_is_used(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = studio.get("runs/r0001/use")
    kept = studio.get("runs/r0001")["kept"]
    assert found["student"]["round"] in kept
    assert found["student"]["is_there"] is False
    typed = [one["command"] for one in found["commands"]]
    state = typed[0].rpartition(" --state ")[2]
    assert typed == [
        f"pada export model --to my-model --run r0001 --state {state}",
        """python my-model/use.py '{"text": "…"}'""",
        "python my-model/use.py --in new.csv --out answers.csv",
        f"pada export data --to my-rows --run r0001 --state {state}",
        f"pada report r0001 --state {state}",
    ]
    assert studio.get("runs/r0001/facets")["kept"] == kept
    assert studio.get("runs/r0001/confusion")["kept"] == kept


def test_the_student_that_is_kept_is_shown_first() -> None:
    assert first_shown([0], [-1, 0, 1]) == 0
    assert first_shown([], [-1, 0, 1]) == 1
    assert first_shown([3], []) == 0


def test_a_recipe_is_known_by_its_file_in_the_project(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path)
    file = tmp_path / "recipes" / "desk" / "recipe.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("recipe: 1\n")
    detour = tmp_path / "recipes" / "desk" / ".." / "desk" / "recipe.yaml"
    assert recipe_name(settings, str(file)) == "recipes/desk/recipe.yaml"
    assert recipe_name(settings, str(detour)) == "recipes/desk/recipe.yaml"
    for gone in (None, "", str(tmp_path / "gone.yaml"), "/etc/passwd", "../recipe.yaml"):
        assert recipe_name(settings, gone) == ""


def page(studio: Studio, what: str, **query: Any) -> list[dict[str, Any]]:
    return list(studio.get(f"runs/r0001/{what}", **query)["rows"])


def test_failures_come_in_pages_that_are_sorted_here(studio: Studio) -> None:
    asked = {"split": "validation", "round": -1, "sort": "confidence", "order": "down"}
    every = studio.get("runs/r0001/failures", **asked, limit=200)
    sure = [row["confidence"] for row in every["rows"]]
    assert sure == sorted(sure, reverse=True)
    assert every["total"] == len(every["rows"]) > 100
    offsets = range(0, every["total"], 30)
    parts = [page(studio, "failures", **asked, limit=30, offset=offset) for offset in offsets]
    assert [row for part in parts for row in part] == every["rows"]


def test_the_latest_student_comes_first_and_what_patterns_are_found_in(studio: Studio) -> None:
    every = studio.get("runs/r0001/failures", limit=200)
    places = [(-row["round"], row["split"] != "validation") for row in every["rows"]]
    assert places == sorted(places)
    assert every["rows"][0]["round"] == 1
    assert len({row["round"] for row in every["rows"]}) > 2


@pytest.mark.parametrize("what", ["failures", "generated"])
def test_words_are_looked_for_by_degrees(
    studio: Studio, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a machine that is busy, too, all of it is looked at in one go.
    monkeypatch.setattr(listing, "BUDGET", 600.0)
    at_once = studio.get(f"runs/r0001/{what}", search="refund", limit=200)
    assert (at_once["exact"], at_once["further"]) == (True, None)
    assert at_once["looked"] == at_once["among"] > at_once["total"] > 7
    assert all("refund" in json.dumps(row).lower() for row in at_once["rows"])
    _in_small_pieces(monkeypatch)
    found, asked, answers = [], {"search": "refund", "limit": 5, "offset": 5}, 0
    while True:
        answer = studio.get(f"runs/r0001/{what}", **asked)
        found += answer["rows"]
        answers += 1
        if not answer["further"]:
            break
        assert answer["looked"] < answer["among"]
        asked |= {"since": answer["further"], "found": answer["total"]}
    assert found == at_once["rows"][5:10]
    assert answers > 1


def _in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PIECE", 12), ("LARGEST_PIECE", 12), ("LATER_PIECE", 12), ("BUDGET", 0.0)):
        monkeypatch.setattr(listing, name, value)
    monkeypatch.setattr(listing, "LATER_BUDGET", 0.0)


@pytest.mark.parametrize(
    ("what", "sort"), [("failures", "confidence"), ("failures", "target"), ("generated", "outcome")]
)
@pytest.mark.parametrize("order", ["up", "down"])
def test_words_in_a_sorted_table_are_found_in_its_order(
    studio: Studio, what: str, sort: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted_so = {"sort": sort, "order": order}
    every = page(studio, what, **sorted_so, limit=200)
    later = page(studio, what, **sorted_so, limit=200, offset=200)
    with monkeypatch.context() as patient:
        patient.setattr(listing, "BUDGET", 600.0)
        having = page(studio, what, search="refund", limit=200)
    wanted = [row for row in (*every, *later) if row in having]
    asked: dict[str, Any] = {"search": "refund", "limit": 5, "offset": 5, **sorted_so}
    # Its first rows have enough of them.
    first = studio.get(f"runs/r0001/{what}", **asked)
    assert first["rows"] == wanted[5:10]
    assert (first["exact"], first["total"]) == (False, 11)
    # They do not, and all rows are looked at, by degrees.
    monkeypatch.setattr(listing, "FOREMOST", 2)
    _in_small_pieces(monkeypatch)
    answer, looked, places = studio.get(f"runs/r0001/{what}", **asked), [], asked
    while answer["further"]:
        assert answer["rows"] == []
        looked.append(answer["looked"])
        places = {"since": answer["further"], "found": answer["total"]}
        best = ",".join(map(str, answer["best"]))
        answer = studio.get(f"runs/r0001/{what}", **asked, **places, best=best)
    assert looked == sorted(looked)
    assert len(looked) > 2
    assert answer["rows"] == wanted[5:10]
    assert (answer["exact"], answer["total"]) == (True, len(wanted))
    # A page far behind is looked for in one go.
    monkeypatch.setattr(listing, "MOST_BEST", 9)
    far = studio.get(f"runs/r0001/{what}", **asked)
    assert (far["rows"], far["total"], far["further"]) == (wanted[5:10], len(wanted), None)


def test_a_full_page_of_found_rows_says_that_there_are_more(studio: Studio) -> None:
    first = studio.get("runs/r0001/failures", search="refund", limit=5)
    assert (first["exact"], first["total"], first["further"]) == (False, 6, None)


def test_failures_are_filtered_here(studio: Studio) -> None:
    rows = page(studio, "failures", pattern=SHORT_MESSAGE, round=0)
    assert len(rows) == 15
    assert {row["pattern_name"] for row in rows} == {"Very short message"}
    outside = page(studio, "failures", pattern="-", split="validation", round=0)
    assert outside
    assert {row["pattern"] for row in outside} == {None}
    assert [
        row["example"]
        for row in page(studio, "failures", search="</SCRIPT>", split="validation", round=0)
    ] == [ident("validation", 0)]
    assert page(studio, "failures", target="no such label") == []


def test_generated_rows_say_what_became_of_them(studio: Studio) -> None:
    counts = {
        outcome: studio.get("runs/r0001/generated", outcome=outcome)["total"]
        for outcome in studio.get("runs/r0001/facets")["outcomes"]
    }
    assert sum(counts.values()) == 80
    facets = studio.get("runs/r0001/facets")
    assert set(facets["meanings"]) == set(facets["reasons"])
    assert facets["meanings"]["leak"].startswith("A gate. What passes: ")
    assert counts["trained on"] == 40
    for row in page(studio, "generated", limit=3):
        (written,) = studio.get(f"runs/r0001/rows/{row['candidate']}")["written"]
        assert written["outcome"] == row["outcome"]
        assert row["row"] == example_id(written["inputs"], written["target"])
    rows = page(studio, "generated", outcome="rejected", reason="leak", sort="pattern")
    assert {(row["outcome"], row["reason"]) for row in rows} == {("rejected", "leak")}
    assert rows == sorted(rows, key=lambda row: row["pattern_name"])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"sort": "inputs; DROP TABLE run"}, "sort"),
        ({"sort": "target", "search": "a", "best": "1,x"}, "best"),
        ({"order": "sideways"}, "order"),
        ({"offset": "-1"}, "offset"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"round": "first"}, "round"),
        ({"round": "9" * 30}, "round"),
        ({"since": "1"}, "since"),
        ({"since": "1:-2"}, "since"),
        ({"found": "-1"}, "found"),
    ],
)
def test_what_cannot_be_asked_is_a_mistake(
    studio: Studio, query: dict[str, str], said: str
) -> None:
    answer = studio.client.get("/api/runs/r0001/failures", params=query)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(said)


def test_the_story_of_a_row(studio: Studio) -> None:
    story = studio.get(f"runs/r0001/rows/{ident('validation', 0)}")
    assert story["review"] == ident("validation", 0)
    assert [one["label"] for one in story["answers"]] == [
        "untuned",
        "round 0",
        "round 1",
        "control",
    ]
    assert story["answers"][0]["scores"] == [{"metric": "accuracy", "value": 0.0, "kind": "wrong"}]
    assert story["diagnoses"][0]["pattern_name"] == "Refund mistaken for cancellation"
    (call,) = story["calls"]
    assert call["what"] == "diagnosis"
    shown = studio.get(f"calls/{call['id']}")
    assert shown["entries"][0]["role"] == "teacher"
    assert {one["what"] for one in shown["made"]} >= {"diagnosis"}


def test_the_story_of_a_generated_row_and_of_its_parent(studio: Studio) -> None:
    (row,) = page(studio, "generated", outcome="trained on", limit=1)
    (written,) = studio.get(f"runs/r0001/rows/{row['candidate']}")["written"]
    assert (written["outcome"], written["trained_in"]) == ("trained on", 1)
    parent = studio.get(f"runs/r0001/rows/{written['parent']}")
    assert row["candidate"] in {child["candidate"] for child in parent["children"]}
    assert parent["origin"][0]["split"] == "train"


def test_each_cell_of_the_matrix_leads_to_its_rows(studio: Studio) -> None:
    found = studio.get("runs/r0001/confusion")
    assert (found["round"], found["split"]) == (1, "validation")
    wrong = [cell for cell in found["cells"] if cell["target"] != cell["answer"]]
    assert wrong
    for cell in wrong[:3]:
        rows = studio.get(
            "runs/r0001/failures",
            round=1,
            split="validation",
            target=cell["target"],
            answer=cell["answer"] or "-",
        )
        assert rows["total"] == cell["n"]


def test_two_runs_side_by_side(studio: Studio) -> None:
    found = studio.get("compare", a="r0001", b="r0002")
    assert sum(found["counts"].values()) == 150
    assert len(found["rows"]) == found["counts"]["broken"]
    assert {one["name"] for one in found["patterns"]} >= {"Negated wish"}
    assert all(one["size_before"] and one["size_after"] for one in found["patterns"])


def test_two_rounds_of_one_run_side_by_side(studio: Studio) -> None:
    found = studio.get("compare", a="r0001", a_round=0, b="r0001", kind="mended")
    (moved,) = (one for one in studio.get("runs/r0001/movements")["movements"] if one["round"] == 1)
    assert (found["counts"]["mended"], found["counts"].get("broken", 0)) == (
        moved["mended"],
        moved["new"],
    )


@pytest.mark.parametrize(
    "path",
    ["runs/r9", "runs/r9/facets", "runs/r9/failures", "runs/r0001/rows/x", "runs/r0001/patterns/x",
     "calls/x", "compare", "compare?a=r0001&b=r9"],
)  # fmt: skip
def test_what_is_not_there_is_said(studio: Studio, path: str) -> None:
    answer = studio.client.get(f"/api/{path}")
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert studio.bugs == []


def test_whatever_rows_say_is_text(hostile_studio: Studio) -> None:
    for number, text in enumerate(TEXTS):
        answer = hostile_studio.client.get(f"/api/runs/r0001/rows/{ident('validation', number)}")
        assert answer.headers["content-type"] == "application/json"
        (origin,) = answer.json()["origin"]
        assert origin["inputs"]["text"] == text.replace("\u202e", "[U+202E]").replace(
            "\u200b", "[U+200B]"
        )


def test_long_texts_are_short_in_tables(hostile_studio: Studio) -> None:
    answer = hostile_studio.client.get("/api/runs/r0001/failures", params={"limit": 200})
    assert len(answer.content) < 200_000
    assert short(LONG) == f"{LONG[:280].rstrip()}… (100,000 characters)"


def test_200_labels_are_counted(hostile_studio: Studio) -> None:
    cells = hostile_studio.get("runs/r0001/confusion")["cells"]
    assert len({cell["target"] for cell in cells}) > 90
    assert {cell["answer"] for cell in cells} <= {*LABELS, None}
    names = {
        card["facts"]["name"] for card in hostile_studio.get("runs/r0001/patterns")["patterns"]
    }
    assert HOSTILE in names


def test_what_the_check_had_warned_of_stands_with_the_run_and_its_patterns(
    studio: Studio, hostile_studio: Studio
) -> None:
    warnings = hostile_studio.get("runs/r0001/patterns")["warnings"]
    assert warnings == hostile_studio.get("runs/r0001")["header"]["warnings"]
    assert [one["where"]["file"] for one in warnings] == [f"{HOSTILE}.csv", "rows.csv", "rows.csv"]
    assert warnings[0]["message"] == "pay[U+202E]fdp.exe[U+200B] now"
    assert studio.get("runs/r0001/patterns")["warnings"] == []


def test_answers_hold_what_json_holds() -> None:
    assert encoded({"a": float("nan"), "b": 2**60, "c": {1: (2, None)}, "d": b"\x00\xff"}) == (
        b'{"a":null,"b":"1152921504606846976","c":{"1":[2,null]},"d":"00ff"}'
    )
    assert b"[U+202E]" in encoded(UNSEEN)


@pytest.mark.parametrize(
    ("metric", "value", "kind"),
    [
        ("accuracy", 1.0, "right"),
        ("macro_f1", 0.0, "wrong"),
        ("macro_f1", 2 / 3, "share"),  # Several labels, of which one is wrong.
        ("rouge_l", 1.0, "share"),
        ("bleu", 1.0, "number"),
        ("a metric of the recipe", 1.0, "number"),
        ("accuracy", None, "share"),
    ],
)
def test_a_rows_score_is_told_as_people_read_it(
    metric: str, value: float | None, kind: str
) -> None:
    found = scored({"metric": metric, "value": value})
    assert found == {"metric": metric, "value": value, "kind": kind}
