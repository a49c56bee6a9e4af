"""Keys and redacted values are nowhere: not in the store, its spool, reports, output, exports, nor on the wire.

Every test that looks for something and must not find it first finds something else in the same places.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.store import rows as stored
from tests.e2e import batch_project
from tests.e2e.batch_project import Pada
from tests.e2e.runs import pada_here, start
from tests.e2e.tiny_project import write_project
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import Script

pytestmark = pytest.mark.long

here = batch_project.pada
"""The fixture that runs `pada` in this process."""

KEY = "sk-privacy-0a1b2c3d4e5f60718293"
VARIABLE = "PADA_PRIVACY_TEST_KEY"
MAIL, NAME, PHONE = "jane.doe@secret.example", "Jane Doe", "555-0147"
HIDDEN = (KEY, MAIL, "secret.example", NAME, NAME.upper(), PHONE)
PRIVACY = """\
privacy:
  redact:
    - {pattern: '[\\w.]+@[\\w.]+', with: "[mail]"}
    - {pattern: "(?i)jane doe", with: "[name]"}
    - {pattern: '\\b\\d{3}-\\d{4}\\b', with: "[phone]"}
"""


def write_people(folder: Path) -> Path:
    """Write the tiny project with people in its rows, and the rules that take them out; return the recipe."""
    recipe = write_project(folder, scripted=True)
    for split in ("train", "validation", "test"):
        path = folder / f"{split}.jsonl"
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for number, row in enumerate(rows):
            if number % 3 == 0:
                row["text"] = f"{NAME.upper()} {row['text']} {MAIL}"
            row |= {"customer": NAME, "note": {"by": [MAIL], PHONE: 1}}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    text = recipe.read_text("utf-8").replace("rounds: 2", "rounds: 1")
    recipe.write_text(text.replace("models:\n", f"{PRIVACY}models:\n"), "utf-8")
    return recipe


def at_server(recipe: Path, url: str) -> Path:
    """Put teacher and judge behind a server; return the recipe."""
    settings = f"base_url: '{url}', api_key: {{env: {VARIABLE}}}, timeout_s: 10, attempts: 8"
    lines = []
    for line in recipe.read_text("utf-8").splitlines():
        role = line.split(":")[0].strip()
        if role in {"teacher", "judge"} and "backend" in line:
            price = ", price: {prompt: 2, completion: 8}" if role == "teacher" else ""
            line = f"  {role}: {{backend: openai, model: {role}-1, pack: small, {settings}{price}}}"
        lines.append(line)
    recipe.write_text("\n".join([*lines, ""]), "utf-8")
    return recipe


def dumped(state: Path) -> str:
    """Return every row of every table and view of a store as text."""
    names = stored(
        state,
        "SELECT table_name AS name FROM duckdb_tables() UNION ALL"
        " SELECT view_name FROM duckdb_views() WHERE NOT internal",
    )
    return "\n".join(repr(stored(state, f'SELECT * FROM "{row["name"]}"')) for row in names)


def found_in(text: str) -> list[str]:
    return [each for each in HIDDEN if each in text or json.dumps(each)[1:-1] in text]


def found_in_files(folder: Path) -> list[tuple[str, str]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        (str(path), each) for path in files for each in HIDDEN if each.encode() in path.read_bytes()
    ]


@dataclass
class Told:
    """All that `pada` said and wrote about one project."""

    state: Path
    recipe: Path
    exports: Path
    output: str = ""
    sent: list[Any] = field(default_factory=list)
    """Bodies of all requests, as the server got them."""
    keys: set[str] = field(default_factory=set)
    after_kill: list[Any] = field(default_factory=list)

    def pada(self, *arguments: str, code: int = 0) -> str:
        """Run `pada`; return what it printed."""
        ended = pada_here(*arguments)
        said = ended.out + ended.errors
        self.output += said
        assert ended.code == code, said
        return ended.out


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("privacy")
    faults = Script(rate=0.25, kinds=("leaks_key", "breaks_schema", "drop", "rate_limit_after"))
    server = Endpoint(Behaviour(script=faults, key=KEY, latency=0.02, retry_after=0.05))
    with server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, KEY)
        recipe = at_server(write_people(folder / "project"), server.url)
        told = Told(folder / "state", recipe, folder / "exports")
        told.exports.mkdir()
        _killed_once(told)
        told.after_kill = found_in_files(told.state)
        _everything(told)
        told.sent = [each.body for each in server.log.asked]
        told.keys = {each.headers.get("authorization", "") for each in server.log.asked}
        yield told


def _killed_once(told: Told) -> None:
    """Leave a spool behind, as it lies there in the middle of a run."""
    process = start("run", str(told.recipe), "--state", str(told.state))
    assert process.stdout is not None
    for line in process.stdout:
        told.output += line
        if line.startswith("seed-0/round-0/decide"):
            break
    time.sleep(0.4)
    process.send_signal(signal.SIGKILL)
    out, errors = process.communicate(timeout=60)
    told.output += out + errors


def _everything(told: Told) -> None:
    there = ("--state", str(told.state))
    recipe = str(told.recipe)
    told.pada("validate", recipe)
    told.pada("plan", recipe, *there)
    told.pada("run", recipe, *there)
    told.pada("report", *there, "--out", str(told.exports / "report.html"))
    everything = "SELECT * FROM llm_call"
    (told.exports / "calls.csv").write_text(told.pada("sql", everything, "--csv", *there), "utf-8")
    told.pada("sql", "SELECT * FROM example", "--json", *there)
    told.pada("sql", everything, "--parquet", str(told.exports / "calls.parquet"), *there)
    listed = told.pada("calls", "--json", "--limit", "1000", *there)
    call = json.loads(listed.splitlines()[0])["id"]
    told.pada("calls", "--failed", *there)
    told.pada("calls", "show", call, *there)
    told.pada("calls", "replay", call, "--recipe", recipe, *there)
    told.pada("calls", "show", "nothing", *there, code=2)


def test_rows_reach_the_store_redacted_and_nothing_else_of_them(told: Told) -> None:
    text = dumped(told.state)
    assert all(mark in text for mark in ("[mail]", "[name]", "[phone]"))
    assert found_in(text) == []
    counted = stored(
        told.state,
        "SELECT count(*) AS n FROM \"drop\" WHERE stage = 'load' AND reason = 'redacted'",
    )
    assert counted == [{"n": 80}]


def test_no_file_of_the_state_folder_holds_a_key_or_a_redacted_value(told: Told) -> None:
    assert told.after_kill == []
    assert found_in_files(told.state) == []
    reports = list((told.state / "reports").iterdir())
    assert any(b"[mail]" in path.read_bytes() for path in reports)


def test_exports_and_everything_printed_are_clean(told: Told) -> None:
    assert "[mail]" in (told.exports / "calls.csv").read_text("utf-8")
    assert found_in_files(told.exports) == []
    assert "[name]" in told.output
    assert found_in(told.output) == []


def test_the_server_got_the_key_and_no_redacted_value(told: Told) -> None:
    assert told.keys == {f"Bearer {KEY}"}
    sent = json.dumps(told.sent, ensure_ascii=False)
    assert "[mail]" in sent
    assert found_in(sent) == []


def test_a_server_that_repeats_the_key_was_met_and_its_answers_are_kept_without_it(
    told: Told,
) -> None:
    tries = stored(
        told.state, "SELECT count(*) AS n FROM llm_call WHERE tries::VARCHAR LIKE '%500%'"
    )
    assert tries[0]["n"] > 0


def test_the_plan_says_what_goes_where_and_what_is_redacted(told: Told) -> None:
    assert "3 patterns of privacy.redact, which change 80 of 80 rows" in told.output
    assert "teacher: teacher-1 (openai) → 127.0.0.1:" in told.output
    assert f"with the key in {VARIABLE}" in told.output
    assert (
        "diagnose  failed validation rows (text), their kind, the student's answers" in told.output
    )


def test_money_is_known_for_the_teacher_and_unknown_for_the_judge(told: Told) -> None:
    spend = stored(
        told.state,
        "SELECT role, sum(cost) AS cost, sum(unpriced) AS unpriced FROM spend GROUP BY role",
    )
    found = {row["role"]: row for row in spend}
    assert found["teacher"]["cost"] > 0
    assert found["judge"]["cost"] is None
    assert " and unknown for the judge (no price)" in told.output
    assert "Used: LLM calls" in told.output


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the recipe; the key is there."""
    monkeypatch.setenv(VARIABLE, KEY)
    return write_people(tmp_path / "project")


@pytest.mark.parametrize("fault", ["unauthorized", "leaks_key"])
def test_a_run_that_ends_because_of_the_key_does_not_say_it(
    fault: str, tmp_path: Path, small: Path, here: Pada
) -> None:
    with Endpoint(Behaviour(script=Script(always=fault), retry_after=0.05)) as server:
        recipe = at_server(small, server.url)
        text = recipe.read_text("utf-8").replace("attempts: 8", "attempts: 2, patience_s: 1")
        recipe.write_text(text, "utf-8")
        code, said = here("run", recipe, "--state", tmp_path / "state")
        assert code == 2, said
        assert {each.headers.get("authorization") for each in server.log.asked} == {f"Bearer {KEY}"}
    if fault == "unauthorized":
        assert VARIABLE in said
    assert found_in(said) == []
    ended = stored(tmp_path / "state", "SELECT status, note FROM run")
    assert ended[0]["status"] == "failed"
    assert ended[0]["note"]
    assert found_in(dumped(tmp_path / "state")) == []
    assert found_in_files(tmp_path / "state") == []


@pytest.mark.parametrize("written", [f"api_key: {KEY}", f"api_key: {{env: {KEY}}}"])
@pytest.mark.parametrize("verb", ["validate", "plan", "run"])
def test_a_key_written_into_the_recipe_is_refused_and_not_repeated(
    verb: str, written: str, tmp_path: Path, small: Path, here: Pada
) -> None:
    recipe = at_server(small, "http://127.0.0.1:1/v1")
    text = recipe.read_text("utf-8").replace(f"api_key: {{env: {VARIABLE}}}", written)
    recipe.write_text(text, "utf-8")
    state = () if verb == "validate" else ("--state", tmp_path / "state")
    code, said = here(verb, recipe, *state)
    assert code == 2
    assert "NAME_OF_THE_VARIABLE" in said
    assert found_in(said) == []
    assert not (tmp_path / "state").exists()
