"""People review the rows of a run: what they say is kept, checked, and trained on in the next run."""

import csv
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError, RecipeError
from engine.gate import trust_state
from engine.project import Project
from engine.report.facts.reviews import collect_people
from engine.review import Desk, Item, RefusedError, parse_queue, read_reviews, write_items
from engine.review.outcomes import reviews_of
from engine.store import reader
from tests.e2e.balance import assert_balanced
from tests.e2e.runs import Ended, pada_here, rows
from tests.e2e.test_mining import project as mining_project

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = mining_project(
        tmp_path_factory.mktemp("review") / "project", "{label: column, by: [diverse]}"
    )
    # Without an analysis: a run of 17 nodes is enough to review.
    text = recipe.read_text("utf-8").replace("loop: {", "loop: {method: random, ")
    recipe.write_text(text, "utf-8")
    opened(recipe.parent).run()
    return recipe.parent


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    copied = shutil.copytree(made, tmp_path / "project")
    trust_state(copied / "state")
    return copied


def opened(folder: Path) -> Project:
    return Project.open(folder / "recipe.yaml", folder / "state")


def typed(monkeypatch: pytest.MonkeyPatch, folder: Path, lines: str, *arguments: str) -> Ended:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    monkeypatch.setenv("COLUMNS", "80")
    recipe, state = folder / "recipe.yaml", folder / "state"
    return pada_here("review", recipe, "--state", state, *arguments)


def pending(project: Project) -> list[str]:
    return [s.node.name for s in project.again().plan().states if s.state != "cached"]


def other(target: str) -> str:
    return "number" if target == "colour" else "colour"


def test_what_is_said_line_by_line_is_kept_and_trained_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, total = opened(folder).review("anna").items("candidates", 5)
    assert total > 10
    assert {item.state for item in items} == {"trained on"}
    lines = f"""\
a
r w not this
u
reject wrong
l blue
l {other(items[2].target)}
n looks odd
e
an edited row of colour
colour
s
q
"""
    ended = typed(monkeypatch, folder, lines, "--n", "5", "--reviewer", "anna")
    assert ended.code == 0, ended.errors
    assert "'blue' is not one of the 2 labels" in ended.out
    assert "anna: 1 accepted, 1 edited, 1 rejected, 1 relabelled, 1 skipped" in ended.out
    assert "seed-0/round-0/select  changed  reviews: 4 new" in ended.out
    assert "the next run would redo 6 of 17 nodes" in ended.out
    said = rows(folder / "state", "SELECT verdict, reason, note, changes, stands FROM reviews")
    assert [tuple(r.values()) for r in said] == [
        ("accept", "", "", False, True),
        ("reject", "wrong", "not this", True, False),
        ("undo", "", "reject", False, False),
        ("reject", "wrong", "", True, True),
        ("relabel", "", "", True, True),
        ("edit", "", "looks odd", True, True),
    ]
    wrong = mended(folder)
    opened(folder).run()
    assert_balanced(folder / "state")
    assert not pending(opened(folder))
    original = rows(
        folder / "state",
        "SELECT target, label_source, count(*) OVER () AS n FROM training_rows"
        " WHERE round = 0 AND origin = 'original' ORDER BY label_source DESC",
    )
    assert (original[0]["target"], original[0]["label_source"]) == (other(wrong), "person")
    assert original[0]["n"] == 24
    people = rows(
        folder / "state",
        "SELECT inputs, target, verified FROM training_rows"
        " WHERE label_source = 'person' AND made_in IS NOT NULL",
    )
    assert all(row["verified"] for row in people)
    texts = {json.loads(row["inputs"])["text"]: row["target"] for row in people}
    assert texts == {
        items[0].inputs["text"]: items[0].target,
        items[2].inputs["text"]: other(items[2].target),
        "an edited row of colour": "colour",
    }
    assert rows(folder / "state", "SELECT reason FROM rejected_rows WHERE reason = 'person'") == [
        {"reason": "person"}
    ]
    # A row as it was mended can be looked at, and mended, again.
    (then,) = rows(
        folder / "state",
        "SELECT r.example FROM reviewed r JOIN node n ON n.id = r.node WHERE n.stage = 'mend'",
    )
    project = opened(folder)
    desk = project.review("anna")
    desk.change(desk.find([then["example"]])[then["example"]], "suspect", {}, wrong)
    assert pending(project)[0] == "mend"
    ended = typed(monkeypatch, folder, "u\nq\n", "--reviewer", "anna")
    assert "anna: 1 taken back" in ended.out
    assert "the next run would redo nothing" in ended.out


def mended(folder: Path) -> str:
    """Give a training row of the data another label; return the one that it had."""
    project = opened(folder)
    desk = project.review("anna")
    found = rows(folder / "state", "SELECT id FROM example WHERE source = 'train.jsonl' LIMIT 1")[0]
    item = desk.find([found["id"]])[found["id"]]
    desk.change(item, "suspect", {}, other(item.target))
    changed = pending(project)
    assert changed[:2] == ["mend", "seed-0/round-0/train"]
    # The untuned student is not asked again.
    assert not [name for name in changed if name.startswith(("load", "untuned"))]
    return item.target


def test_a_row_that_is_right_and_was_trained_on_makes_nothing_pending(folder: Path) -> None:
    project = opened(folder)
    desk = project.review("anna")
    items, _ = desk.items("candidates", 19)
    desk.accept(items[0], "candidates")
    desk.reject(items[1], "candidates", "wrong")
    plan = {s.node.name: s for s in project.again().plan().states}
    changed = [name for name, state in plan.items() if state.state != "cached"]
    assert changed[0] == "seed-0/round-0/select"
    assert all("round-1" in name for name in changed[1:])
    # A second opinion that is the same changes nothing more.
    project.review("ben").accept(items[0], "candidates")
    again = {s.node.name: s for s in project.again().plan().states}
    assert {n: s.node.id for n, s in again.items()} == {n: s.node.id for n, s in plan.items()}
    desk.undo()
    assert pending(project) == []


def test_what_was_rejected_last_in_a_sitting_is_not_trained_on_in_its_stead(folder: Path) -> None:
    project = opened(folder)
    desk = project.review("anna")
    items, _ = desk.items("candidates", 99)
    trained = next(item for item in items if item.state == "trained on")
    left_out = [item for item in items if item.state == "left out"]
    desk.reject(trained, "candidates", "wrong")
    for item in left_out:
        desk.reject(item, "candidates", "wrong")
    project.again().run()
    assert {i.inputs["text"] for i in left_out}.isdisjoint(
        json.loads(row["inputs"])["text"]
        for row in rows(folder / "state", "SELECT inputs FROM training_rows")
    )
    later = opened(folder)
    desk = later.review("anna")
    kept = next(i for i in desk.items("candidates", 99)[0] if i.state == "trained on")
    desk.accept(kept, "candidates")
    assert pending(later) == []


def test_a_verdict_that_is_said_again_after_its_run_still_holds(folder: Path) -> None:
    project = opened(folder)
    anna = project.review("anna")
    item = anna.items("candidates", 1)[0][0]
    anna.reject(item, "candidates", "wrong")
    project.again().run()
    project = opened(folder)
    anna, ben = project.review("anna"), project.review("ben")
    assert item.example not in {i.example for i in anna.items("candidates", 99)[0]}
    ben.reject(ben.find([item.example])[item.example], "candidates", "wrong")
    anna.undo()
    assert [v.verdict for v in reviews_of(folder / "state", "estimated").candidates(0, 0)] == [
        "reject"
    ]
    assert pending(project) == []


def test_a_candidate_that_repeats_a_training_row_has_verdicts_of_its_own(folder: Path) -> None:
    project = opened(folder)
    desk = project.review("anna")
    known = rows(folder / "state", "SELECT id FROM example WHERE source = 'train.jsonl' LIMIT 1")
    row = desk.find([known[0]["id"]])[known[0]["id"]]
    copied = replace(row, subject="candidate", state="trained on", candidate="c", places=((0, 0),))
    desk.reject(row, "suspect", "wrong")
    desk.accept(copied, "candidates")
    project.review("ben").accept(copied, "candidates")
    assert desk.said([row, copied]).keys() == {row.key, copied.key}
    outcomes = reviews_of(folder / "state", "estimated").outcomes
    assert {(o.subject, o.verdict) for o in outcomes} == {
        ("train", "reject"),
        ("candidate", "accept"),
    }
    assert len(project.review("cleo", resolves=True).others(copied)) == 2


def test_what_may_not_be_trained_on_is_refused_with_its_reason(folder: Path) -> None:
    desk = opened(folder).review("anna")
    item = desk.items("candidates", 1)[0][0]
    test = json.loads((folder / "test.jsonl").read_text("utf-8").splitlines()[0])["text"]
    for inputs, target, why in (
        ({}, "blue", "'blue' is not one of the 2 labels"),
        ({}, item.target, "nothing is changed"),
        ({"text": test}, item.target, "equals an evaluation row"),
        ({"text": " "}, item.target, "text is empty"),
        ({"text": "bell \x07 colour"}, item.target, "control characters"),
        ({"title": "x"}, item.target, "no column 'title'"),
    ):
        with pytest.raises(RefusedError, match=why):
            desk.change(item, "candidates", inputs, target)
    assert rows(folder / "state", "SELECT * FROM review") == []


def say(desk: Desk, items: Sequence[Item], keys: str) -> None:
    desk.record_all(
        [
            desk.review(item, "candidates", "reject", reason="wrong")
            if key == "r"
            else desk.review(item, "candidates", "accept")
            for item, key in zip(items, keys, strict=True)
        ]
    )


def test_two_reviewers_do_not_see_each_other_and_what_they_differ_on_waits(folder: Path) -> None:
    project = opened(folder)
    anna, ben = project.review("anna"), project.review("ben")
    mine, _ = anna.items("candidates", 6)
    say(anna, mine, "rraaaa")
    theirs, _ = ben.items("candidates", 6)
    assert theirs == mine
    assert ben.others(theirs[0]) == []
    say(ben, theirs, "raaaar")
    state = folder / "state"
    with reader(state) as query:
        people = collect_people(query, "r0001", "estimated")
    assert (people.conflicts, people.agreement.units, people.agreement.agreed) == (2, 6, 4)
    assert people.agreement.alpha == pytest.approx(1 - 2 * 2 / (4 * 8 * 2 / 11), abs=1e-6)
    assert people.reviewers == {"anna": 6, "ben": 6}
    assert pending(project)[0] == "seed-0/round-0/select"
    judge = project.review("cleo", resolves=True)
    waiting, count = judge.items("conflicts", 9)
    assert count == 2
    assert [text.split(":")[0] for text in judge.others(waiting[0])] == ["anna", "ben"]
    judge.accept(waiting[0], "conflicts")
    with reader(state) as query:
        assert collect_people(query, "r0001", "estimated").agreement == people.agreement
    third = project.review("dora")
    third.accept(waiting[1], "conflicts")
    outcomes = rows(
        state, "SELECT verdict, count(*) AS n FROM review_outcomes GROUP BY ALL ORDER BY ALL"
    )
    assert outcomes == [{"verdict": "accept", "n": 5}, {"verdict": "reject", "n": 1}]


def test_a_row_can_be_reviewed_in_a_spreadsheet(folder: Path) -> None:
    desk = opened(folder).review("anna")
    items, total = desk.items("candidates", 4)
    file = folder / "rows.csv"
    write_items(file, items, "kind")
    with pytest.raises(EngineError, match="is there already"):
        write_items(file, items, "kind")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    lines[0]["verdict"] = "Accept"
    lines[1] |= {"verdict": "reject", "reason": "wrong", "note": "=1+1"}
    lines[2] |= {"verdict": "change", "new kind": other(items[2].target)}
    _write(file, lines, ";")
    reviews = read_reviews(file, desk, "candidates", "kind")
    assert [review.verdict for review in reviews] == ["accept", "reject", "relabel"]
    desk.record_all(reviews)
    assert read_reviews(file, desk, "candidates", "kind") == []
    ending = Desk(folder / "state", opened(folder).loaded.recipe, "anna", resolves=True)
    assert len(read_reviews(file, ending, "candidates", "kind")) == 3
    assert desk.items("candidates", 19)[1] == total - 3


@pytest.mark.parametrize("name", ["note", "row", "new kind"])
def test_a_column_that_a_file_has_of_itself_is_refused(tmp_path: Path, name: str) -> None:
    item = Item("e", "candidate", {"text": "a", name: "b"}, "colour", "left out")
    with pytest.raises(EngineError, match=f"column '{name}'"):
        write_items(tmp_path / "rows.csv", [item], "kind")
    assert not list(tmp_path.iterdir())


def _write(file: Path, lines: list[dict[str, Any]], between: str = ",") -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]), delimiter=between)
        writer.writeheader()
        writer.writerows(lines)


def test_every_wrong_line_of_a_file_is_told_by_its_number_and_nothing_is_taken(
    folder: Path,
) -> None:
    desk = opened(folder).review("anna")
    one, two, three = (item.example for item in desk.items("candidates", 3)[0])
    lines: list[dict[str, Any]] = [
        {"row": one, "verdict": "accept"},
        {"row": "0123456789abcdef", "verdict": "accept"},
        {"row": two, "verdict": "maybe"},
        {"row": two, "verdict": "reject"},
        {"row": three, "verdict": "change", "new kind": "blue"},
        {"row": three, "new kind": "colour"},
        {"row": one, "verdict": "reject", "reason": "wrong"},
    ]
    file = folder / "rows.jsonl"
    text = "".join(json.dumps(line) + "\n" for line in lines)
    file.write_text(text, "utf-8")
    with pytest.raises(RecipeError) as told:
        read_reviews(file, desk, "candidates", "kind")
    assert [problem.where.line for problem in told.value.problems] == [2, 3, 4, 5, 6, 7]
    assert "another project" in str(told.value)
    file.write_text("{\n" + text, "utf-8")
    with pytest.raises(RecipeError, match="no JSON object"):
        read_reviews(file, desk, "candidates", "kind")


def test_before_there_is_anything_to_review_the_reason_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = typed(monkeypatch, folder, "", "--queue", "suspect", "--reviewer", "anna")
    assert (ended.code, "no label of the data is taken for wrong" in ended.out) == (0, True)
    ended = typed(monkeypatch, folder, "", "--queue", "candidate")
    assert "did you mean 'candidates'" in ended.errors
    ended = typed(monkeypatch, folder, "", "--reviewer", "\x1b[31m")
    assert (ended.code, "is no name for a reviewer" in ended.errors) == (2, True)
    with pytest.raises(EngineError, match="there is no store"):
        Desk(tmp_path / "none", opened(folder).loaded.recipe, "anna")
    assert parse_queue("pool") == "pool"


def test_a_row_on_the_screen_cannot_steer_the_terminal() -> None:
    from rich.cells import cell_len
    from rich.console import Console

    from engine.cli.review.screen import screen
    from engine.review import Item
    from engine.system.plain_text import clean

    text = "\x1b[2J\u202eabc\x07 שלום 👩‍👧 " + "long " * 400
    item = Item("e", "candidate", {"text": text}, "a\nb", "rejected", reason="judge")
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=False)
    shown = screen(item)
    console.print(shown.body)
    assert shown.is_cut
    assert "[U+001B][2J[U+202E]abc[U+0007] שלום 👩‍👧" in out.getvalue()
    assert "more characters: m shows all" in out.getvalue()
    assert not screen(item, whole=True).is_cut
    assert all(cell_len(line) <= 80 for line in out.getvalue().split("\n"))
    assert clean("a\r\nb\rc\u2028d") == "a\nb[U+000D]c[U+2028]d"
