"""Runs whose teacher and judge answer by file: what is written, what is taken back, and where it ends."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import gate
from engine.backends.files.requests import request_files
from engine.cli.batch import again
from engine.store import Store
from tests.e2e import batch_project
from tests.e2e.batch_project import (
    Pada,
    Person,
    read_lines,
    served,
    with_batch,
    write_lines,
)
from tests.e2e.runs import answered_twice, rows

pytestmark = pytest.mark.runs

pada = batch_project.pada

GUARD = "regexp_replace(guard, 'call \\w+', 'call') AS guard"
COMPARED = {
    "example": "id, split, inputs, target, source, line, seed, round",
    "prediction": "example, answer, seed, round",
    "diagnosis": "id, example, root_cause, scenario, seed, round",
    "pattern": f"name, description, size, {GUARD}, seed, round",
    "strategy": f"text, labels, {GUARD}, seed, round",
    "candidate": "parent, operator, attempt, inputs, target, prompt, seed, round",
    "verdict": "accepted, reason, detail, feedback, adherence, utility, relevance, similarity, seed, round",
    "metric": "split, metric, value, n, seed, round",
    "drop": "stage, reason, detail, seed, round",
    "decision": "go_on, reason, metric, value, best_round, seed, round",
}
"""Columns that do not name a model, a call or a node, which are others by definition."""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The project with scripted teacher and judge, one round, two seeds."""
    return batch_project.write(tmp_path / "project", rounds=1)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out, which takes most of the time of runs as small as these."""
    monkeypatch.setattr("engine.report.files.collect", lambda query, run, **_: None)
    monkeypatch.setattr("engine.report.files.render_html", lambda facts: "")
    monkeypatch.setattr("engine.report.files.render_markdown", lambda facts: "")
    monkeypatch.setattr("engine.cli.running.summary", lambda found, page=None: "")


def waited(pada: Pada, recipe: Path, state: Path) -> Path:
    """Run until the run waits; return the one file that it wrote."""
    before = request_files(state)
    code, said = pada("run", recipe, "--state", state)
    assert code == 75, said
    [new] = [file for file in request_files(state) if file not in before]
    return new


def imported(pada: Pada, state: Path, path: Path, lines: Sequence[Mapping[str, Any]]) -> str:
    code, said = pada("batch", "import", write_lines(path, lines), "--state", state)
    assert code == 0, said
    return said


def ledger(state: Path) -> list[dict[str, Any]]:
    return rows(state, "SELECT id, error, final, method, run FROM llm_call ORDER BY created, id")


@pytest.mark.usefixtures("quick")
def test_the_loop_by_file_ends_with_the_rows_of_the_same_replies_given_at_once(
    recipe: Path, state: Path, tmp_path: Path, pada: Pada
) -> None:
    at_once = tmp_path / "at-once"
    code, said = pada("run", recipe, "--state", at_once)
    assert code == 0, said
    by_file, person = with_batch(recipe), Person(recipe.parent)
    trips: list[list[str]] = []
    while True:
        code, said = pada("run", by_file, "--state", state)
        if code == 0:
            break
        assert code == 75, said
        new = request_files(state)[len(trips) :]
        assert len(new) == 1, "one trip is one file, for both seeds and all their nodes"
        asked = len(person.asked)
        answers = person.answer(new[0], tmp_path / "answers.jsonl")
        code, said = pada("batch", "import", answers, "--state", state)
        assert code == 0, said
        trips.append([ask.node for ask in person.asked[asked:]])
    # However often it waited, it is one run, which did all of it itself and took nothing over.
    [run] = rows(state, "SELECT id, status, resumed > started AS resumed, worked FROM run")
    assert (run["id"], run["status"], run["resumed"]) == ("r0001", "done", True)
    assert run["worked"] > 0
    assert rows(state, "SELECT DISTINCT origin FROM spend") == [{"origin": "new"}]
    assert rows(state, "SELECT DISTINCT origin FROM all_run_rows") == [{"origin": "done"}]
    for table, columns in COMPARED.items():
        sql = f'SELECT {columns} FROM "{table}" ORDER BY ALL'
        assert rows(state, sql) == rows(at_once, sql), table
    assert rows(state, "SELECT count(*) AS n FROM candidate")[0]["n"] > 10
    assert answered_twice(state) == []
    # A trip per kind of question and attempt, however many seeds: neither waits for the other.
    nodes = {n["id"]: n for n in rows(state, "SELECT id, stage, attempt, round, seed FROM node")}
    questions = {(nodes[n]["stage"], nodes[n]["attempt"]) for trip in trips for n in trip}
    assert len(trips) == len(questions)
    assert {"diagnose", "name", "strategy", "generate", "judge"} == {s for s, _ in questions}
    shared = [
        {nodes[n]["seed"] for n in trip} for trip in trips if nodes[trip[0]]["stage"] == "generate"
    ]
    assert shared
    assert all(seeds == {0, 1} for seeds in shared)


def test_a_run_that_waits_says_for_what_and_how_to_go_on(
    recipe: Path, state: Path, pada: Pada
) -> None:
    by_file = with_batch(recipe)
    code, said = pada("run", by_file, "--state", state, "--limit", "30")
    assert code == 75
    [file] = request_files(state)
    lines = read_lines(file)
    assert f"waiting for batch: {len(lines)} requests wait for their results" in said
    assert f"{file}: {len(lines)} requests, written now" in said
    assert f"\n  pada batch import RESULTS --state {state}\n" in said
    assert f"\n  pada run {by_file} --state {state} --limit 30\n" in said
    assert len({line["custom_id"] for line in lines}) == len(lines)
    assert all(line["body"]["response_format"]["type"] == "json_schema" for line in lines)
    assert rows(state, "SELECT status, note FROM run")[0] == {
        "status": "waiting",
        "note": f"{len(lines)} requests wait for their results",
    }
    # Once more, without an answer: nothing is asked twice.
    code, said = pada("run", by_file, "--state", state, "--limit", "30")
    assert code == 75
    assert request_files(state) == [file]
    assert f"{file}: {len(lines)} requests, written before, not written again" in said


def test_a_run_that_waits_for_its_judge_has_decided_nothing(
    state: Path, tmp_path: Path, pada: Pada, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the judge answers by file, so that the first run waits with rows that nobody has decided about."""
    recipe = batch_project.write(tmp_path / "project", seeds="[0]", rounds=1)
    monkeypatch.setattr("engine.report.files.render_html", lambda facts: "")
    code, said = pada("run", with_batch(recipe, ["judge"]), "--state", state, "--limit", "12")
    assert code == 75, said
    [made] = rows(state, "SELECT count(*) AS n FROM candidate")
    assert made["n"]
    assert f"Rows: {made['n']} generated. Nothing was decided yet" in said
    page = (state / "reports" / "r0001.md").read_text("utf-8")
    assert "Nothing was decided yet" in page
    for shown in (said, page):
        assert "previous model is kept" not in shown
        assert "No candidate was accepted" not in shown
        assert "0 rejected" not in shown


@pytest.mark.usefixtures("quick")
def test_replies_come_in_parts_out_of_order_twice_and_wrong(
    recipe: Path, state: Path, tmp_path: Path, pada: Pada
) -> None:
    by_file, person, results = with_batch(recipe), Person(recipe.parent), tmp_path / "r.jsonl"
    first = waited(pada, by_file, state)
    lines = read_lines(person.answer(first, tmp_path / "all.jsonl"))
    cut, wrong, dead, late, better, *rest = (line["custom_id"] for line in lines)
    good = {line["custom_id"]: line for line in lines}
    error = {"code": "batch_expired", "message": "too late"}
    part = [
        *(good[name] for name in reversed(rest)),
        good[rest[0]],
        served(cut, '{"root_cause": "it', finish_reason="length"),
        {"custom_id": wrong, "reply": {"cause": "no such key"}},
        {"custom_id": dead, "response": None, "error": error},
        served(better, "not JSON"),
        good[better],
    ]
    said = imported(pada, state, results, part)
    assert f"{results}: {len(part)} answers" in said
    assert f"taken: {len(rest) + 1}\n" in said
    for kind in ("expired", "length", "schema"):
        assert f"failed, {kind}: 1 (the first:" in said
    assert "answered before, or more than once in the file: 2" in said
    assert f"{len(rest) + 1} of {len(lines)} requests answered, 3 failed, 1 still missing" in said
    before = ledger(state)
    assert Counter(call["error"] for call in before) == {
        None: len(rest) + 1, "length": 1, "schema": 1, "expired": 1,
    }  # fmt: skip
    assert {call["method"] for call in before} == {"batch:json_schema", "batch:hand"}
    assert {call["run"] for call in before} == {"r0001"}
    assert not any(call["final"] for call in before if call["error"])

    said = imported(pada, state, results, part)
    assert "taken: 0\n" in said
    assert ledger(state) == before

    second = waited(pada, by_file, state)
    again = {line["custom_id"]: line["body"] for line in read_lines(second)}
    assert set(again) == {name.replace("-1", "-2") for name in (cut, wrong, dead)}
    asked = {line["custom_id"]: line["body"] for line in read_lines(first)}
    assert again[f"{cut[:-1]}2"]["max_tokens"] == 2 * asked[cut]["max_tokens"]
    assert again[f"{dead[:-1]}2"]["messages"] == asked[dead]["messages"]
    *same, told, wish = again[f"{wrong[:-1]}2"]["messages"]
    assert same == asked[wrong]["messages"]
    assert json.loads(told["content"]) == {"cause": "no such key"}
    assert "'root_cause' is a required property" in wish["content"]
    _, said = pada("batch", "list", "--state", state)
    assert [line.split()[0] for line in said.splitlines() if line.startswith("r0")] == [
        "r0001",
        "r0001",
    ]

    # What the second file asks, and the straggler of the first, in one file; then the wrong one comes right after all.
    answers = read_lines(person.answer(second, tmp_path / "second.jsonl"))
    imported(pada, state, results, [*answers, good[late], good[wrong]])
    calls = ledger(state)
    assert len(calls) == len(before) + 4
    assert answered_twice(state) == []
    code, said = pada("run", by_file, "--state", state)
    assert code == 75
    assert rows(state, "SELECT count(*) AS n FROM node WHERE stage = 'diagnose'") == [{"n": 2}]
    assert rows(state, "SELECT * FROM drop WHERE stage = 'diagnose'") == []


@pytest.mark.usefixtures("quick")
def test_after_its_attempts_a_failure_is_final_and_more_attempts_go_on(
    recipe: Path, state: Path, tmp_path: Path, pada: Pada
) -> None:
    by_file = with_batch(recipe, ["teacher"], ", attempts: 1")
    person, results = Person(recipe.parent), tmp_path / "r.jsonl"
    lines = read_lines(person.answer(waited(pada, by_file, state), results))
    wrong = lines[0]["custom_id"]
    said = imported(
        pada, state, results, [*lines[1:], {"custom_id": wrong, "text": "I do not know"}]
    )
    assert "given up after the last attempt: 1" in said
    assert "run the recipe again to go on" in said
    waited(pada, by_file, state)
    dropped = rows(
        state,
        "SELECT DISTINCT reason FROM drop WHERE stage = 'diagnose'",
    )
    assert dropped == [{"reason": "invalid_json"}]
    [call] = [call for call in ledger(state) if call["error"]]
    assert call["final"]


@pytest.mark.usefixtures("quick")
def test_nothing_usable_at_all_ends_the_run_until_more_attempts_are_allowed(
    recipe: Path, state: Path, tmp_path: Path, pada: Pada
) -> None:
    once = with_batch(recipe, settings=", attempts: 1")
    lines = read_lines(waited(pada, once, state))
    refused = {
        "error": {"message": "Invalid schema for response_format", "type": "invalid_request_error"}
    }
    answers = [
        {"custom_id": line["custom_id"], "response": {"status_code": 400, "body": refused}, "error": None}
        for line in lines
    ]  # fmt: skip
    said = imported(pada, state, tmp_path / "r.jsonl", answers)
    assert f"failed, schema_refused: {len(lines)} (the first:" in said
    assert "Invalid schema for response_format" in said
    code, said = pada("run", once, "--state", state)
    assert code == 2
    assert f"none of {len(lines)} replies of the teacher was usable (schema_refused)" in said
    again = read_lines(waited(pada, with_batch(recipe, settings=", attempts: 2"), state))
    assert [line["custom_id"] for line in again] == [line["custom_id"][:-1] + "2" for line in lines]


@pytest.mark.usefixtures("quick")
def test_results_that_cannot_be_taken_change_nothing(
    recipe: Path, state: Path, tmp_path: Path, pada: Pada
) -> None:
    results = tmp_path / "r.jsonl"
    code, said = pada("batch", "import", results, "--state", state)
    assert code == 2
    assert "there is no store" in said
    file = waited(pada, with_batch(recipe), state)
    good = [json.dumps(line) for line in read_lines(Person(recipe.parent).answer(file, results))]
    stranger = json.dumps({"custom_id": "req-7", "text": "hello"})
    for bad, message in (
        (
            stranger.encode(),
            f"{results}:2: no request has the custom_id 'req-7' (1 of {len(good) + 1} answers",
        ),
        (b'{"custom_id": "re', f"{results}:2: not JSON"),
        (b'{"custom_id": "\xff"}', f"{results}:2: not UTF-8"),
    ):
        results.write_bytes(
            b"\n".join([good[0].encode(), bad, *(text.encode() for text in good[1:])])
        )
        code, said = pada("batch", "import", results, "--state", state)
        assert code == 2
        assert message in said
        assert "nothing was imported" in said
        assert "Traceback" not in said
    code, said = pada("batch", "import", tmp_path / "none.jsonl", "--state", state)
    assert code == 2
    assert "cannot read" in said
    results.write_text("\n".join(good), "utf-8")
    with Store.open(state).lock_run():
        code, said = pada("batch", "import", results, "--state", state)
    assert code == 2
    assert "a run is going on" in said
    assert ledger(state) == []
    assert imported(pada, state, results, list(map(json.loads, good)))
    assert len(ledger(state)) == len(good)


@pytest.mark.usefixtures("quick")
def test_a_budget_holds_for_what_is_written_down(
    recipe: Path, state: Path, tmp_path: Path, pada: Pada
) -> None:
    by_file, person = with_batch(recipe), Person(recipe.parent)
    text = by_file.read_text("utf-8")
    by_file.write_text(text + "budget: {calls: 6}\n", "utf-8")
    code, said = pada("run", by_file, "--state", state)
    assert code == 75
    [file] = request_files(state)
    assert len(read_lines(file)) == 6
    assert "more were not written: the next calls would pass the budget of 6 calls" in said
    code, said = pada("run", by_file, "--state", state)
    assert code == 75
    assert request_files(state) == [file]
    imported(
        pada, state, tmp_path / "r.jsonl", read_lines(person.answer(file, tmp_path / "all.jsonl"))
    )
    code, said = pada("run", by_file, "--state", state)
    assert code == 0
    assert "stopped: the next calls would pass the budget of 6 calls (6 made)" in said
    by_file.write_text(text, "utf-8")
    more = {line["custom_id"] for line in read_lines(waited(pada, by_file, state))}
    assert not more & {line["custom_id"] for line in read_lines(file)}


@pytest.mark.usefixtures("quick")
def test_files_that_cannot_be_written_leave_nothing_behind(
    recipe: Path, state: Path, pada: Pada
) -> None:
    gate.own_state(state)
    (state / "batch").write_text("in the way", "utf-8")
    by_file = with_batch(recipe)
    code, said = pada("run", by_file, "--state", state)
    assert code == 2
    assert "cannot write the requests to" in said
    assert "nothing was asked" in said
    (state / "batch").unlink()
    # What a killed run left half-written is not taken for a file that waits.
    unfinished = state / "batch" / ".r0002.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "requests.asked.jsonl").write_text("{", "utf-8")
    file = waited(pada, by_file, state)
    assert [path.name for path in (state / "batch").iterdir()] == [file.parent.name]
    # A folder that is removed is forgotten: the same is asked again.
    ids = [line["custom_id"] for line in read_lines(file)]
    shutil.rmtree(file.parent)
    assert [line["custom_id"] for line in read_lines(waited(pada, by_file, state))] == ids


def test_the_command_that_goes_on_is_the_one_that_was_given() -> None:
    assert again("r.yaml", ["data=my data"], Path("s"), 30) == [
        "pada", "run", "r.yaml", "--var", "data=my data", "--state", "s", "--limit", "30",
    ]  # fmt: skip
    assert again("r.yaml", [], Path(".pada"), None) == ["pada", "run", "r.yaml"]


def test_a_preview_does_not_wait(recipe: Path, pada: Pada) -> None:
    code, said = pada("preview", with_batch(recipe))
    assert code == 2
    assert "cannot wait for a teacher with the backend 'batch'" in said


@pytest.mark.usefixtures("quick")
def test_list_of_a_store_without_files_says_so(recipe: Path, state: Path, pada: Pada) -> None:
    Store.open(state)
    assert pada("batch", "list", "--state", state) == (0, "no request files\n")
