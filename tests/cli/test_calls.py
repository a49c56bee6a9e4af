"""The ledger as people see it: listed, shown whole, sent again."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine import rows as r
from engine.backends.protocol import Message, Request
from engine.cli.calls.listing import Filters, cost_of, list_calls, show_call
from engine.cli.calls.replay import replay_call
from engine.errors import BackendError, StoreError
from engine.plan.resources import role_model
from engine.report.calls import find_call
from engine.spec.loader import LoadedRecipe, load
from engine.store import Store
from tests.e2e.runs import pada_here
from tests.plan.test_validate import GOOD, write_good
from tests.store.small import AT, call, info, start

pytestmark = pytest.mark.runs

SCHEMA = {
    "type": "object",
    "properties": {"cause": {"type": "string", "maxLength": 20}},
    "required": ["cause"],
    "additionalProperties": False,
}
SCRIPTED = GOOD.replace(
    "teacher: {backend: transformers, model: embedded/smollm2-135m-instruct}",
    "teacher: {backend: scripted, model: t, replies: replies.jsonl}",
)
TRY = {"kind": "rate_limit", "status": 429, "seconds": 0.25, "detail": "too many requests"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedRecipe:
    folder = tmp_path_factory.mktemp("recipe")
    reply = {"match": "Why does row 1 fail?", "reply": {"cause": "typos"}}
    (folder / "replies.jsonl").write_text(json.dumps(reply) + "\n", "utf-8")
    return load(write_good(folder, SCRIPTED))


def request(number: int, model: str) -> Request:
    text = f"Why does row {number} fail?"
    return Request((Message("system", "Reply."), Message("user", text)), SCHEMA, 60, 0.5, model, 7)


def entry(asked: Request, second: int, **changes: object) -> r.Call:
    turns = [message._asdict() for message in asked.messages]
    fields = {
        "id": asked.id, "model": asked.model, "messages": turns, "schema": SCHEMA, "max_tokens": 60,
        "temperature": 0.5, "attempt": 7, "reply": '{"cause": "typos"}', "node": "diagnose0",
        "created": AT + timedelta(seconds=second), **changes,
    }  # fmt: skip
    return replace(call(0), **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, loaded: LoadedRecipe) -> Path:
    folder = tmp_path_factory.mktemp("state")
    model = role_model(loaded.recipe.models.teacher, loaded.base).identity
    one, two = request(1, model), request(2, model)
    corrected = [*(m._asdict() for m in one.messages), {"role": "assistant", "content": "{"},
                 {"role": "user", "content": "That breaks the schema.\x1b[2J"}]  # fmt: skip
    store = Store.open(folder)
    with store.lock_run():
        run = start(store)
        store.record_calls(
            [
                entry(one, 1, reply='{"cause": ', error="invalid_json", detail="it ends too early", final=False),
                entry(one, 2, messages=corrected, cost=0.00123, server="gpt-x/fp_1", cached_tokens=64,
                      reasoning_tokens=5, tries=[TRY]),
                entry(two, 3, error="length", finish_reason="length", prompt_tokens=None, completion_tokens=None),
                entry(request(3, model), 4, role="judge", node="judge0"),
            ]
        )  # fmt: skip
        rows = [r.Diagnosis("d1", "e11", "typos", "always", one.id)]
        store.write_node(run, info("diagnose0", "diagnose", round=0), rows, "c")
        store.link_node(run, "diagnose0", "place/diagnose0", 0, "done")
        store.end_run(run, "done")
    return folder


def listed(state: Path, limit: int = 50, **filters: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    list_calls(state, Filters(**filters), limit, as_json=True, console=console)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def printed(width: int = 80) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=width, color_system=None), stream


def test_calls_are_listed_newest_first_with_what_they_took(state: Path) -> None:
    console, stream = printed()
    list_calls(state, Filters(), 50, console=console)
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert lines[0].split() == [
        "id", "time", "(UTC)", "role", "stage", "model", "method", "tokens", "cost", "seconds", "retries", "error",
    ]  # fmt: skip
    assert [line.split()[3] for line in lines[1:]] == ["judge", "teacher", "teacher", "teacher"]
    assert "unfinished" in lines[1]
    assert "? + ?" in lines[2]
    assert lines[2].endswith("length")
    assert "gpt-x/fp_1" in lines[3]
    assert lines[3].split()[-3:] == ["0.0012", "0.50", "1"]
    assert lines[4].endswith("invalid_json, asked again")


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 4),
        ({"run": "r0001"}, 4),
        ({"run": "r0009"}, 0),
        ({"role": "judge"}, 1),
        ({"stage": "diagnose"}, 3),
        ({"failed": True}, 2),
        ({"error": "length"}, 1),
        ({"error": "rate_limit"}, 1),
        ({"node": "place/diagnose0"}, 3),
        ({"node": "diag"}, 3),
        ({"role": "teacher", "failed": True, "error": "invalid_json"}, 1),
    ],
    ids=str,
)
def test_filters_choose(state: Path, filters: dict[str, Any], count: int) -> None:
    assert len(listed(state, **filters)) == count


def test_the_limit_keeps_the_newest_and_says_so(state: Path) -> None:
    assert [row["role"] for row in listed(state, limit=1)] == ["judge"]
    console, stream = printed()
    list_calls(state, Filters(), 2, console=console)
    assert "the newest 2 are shown" in stream.getvalue()


def test_nothing_found_says_what_there_is(state: Path) -> None:
    console, stream = printed()
    list_calls(state, Filters(stage="diagnosis"), 50, console=console)
    assert "stages: diagnose" in stream.getvalue()
    assert "errors: invalid_json, length" in stream.getvalue()


def test_one_call_is_shown_whole(state: Path, loaded: LoadedRecipe) -> None:
    asked = request(1, role_model(loaded.recipe.models.teacher, loaded.base).identity)
    console, stream = printed()
    show_call(state, asked.id[:12].upper(), console)
    text = stream.getvalue()
    assert "\x1b" not in text
    wanted = [
        f"call {asked.id}", "place/diagnose0", "temperature 0.5, attempt 7",
        "--- system\nReply.", "--- user\nWhy does row 1 fail?", '"maxLength": 20',
        "--- reply 1 of 2: not usable: invalid_json, asked again", "why: it ends too early",
        "sent for reply 2, where it differs:", "That breaks the schema.",
        "--- reply 2 of 2: usable", '{\n  "cause": "typos"\n}',
        "300 prompt tokens (64 cached), 200 completion tokens (5 reasoning)", "cost 0.0012",
        "answered by gpt-x/fp_1", "try 1: rate_limit 429 after 0.25 s: too many requests",
        "what came from it:\n  diagnosis  d1                 e11  (place/diagnose0)",
    ]  # fmt: skip
    places = [text.find(part) for part in wanted]
    assert -1 not in places, wanted[places.index(-1)]
    assert places == sorted(places)
    assert text.count("Why does row 1 fail?") == 1


def test_a_call_without_rows_says_so(state: Path, loaded: LoadedRecipe) -> None:
    asked = request(2, role_model(loaded.recipe.models.teacher, loaded.base).identity)
    console, stream = printed()
    show_call(state, asked.id, console)
    assert "no row came of it" in stream.getvalue()
    assert "cost unknown" in stream.getvalue()
    assert "? prompt tokens" in stream.getvalue()


@pytest.mark.parametrize(
    ("prefix", "message"),
    [("zz", "no call's id begins with 'zz'"), ("", "the ids of 3 calls begin")],
)
def test_unknown_and_ambiguous_ids_name_candidates(state: Path, prefix: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        find_call(state, prefix)
    assert all(row["id"] in caught.value.hint for row in listed(state) if row["role"] == "judge")


def test_a_replay_asks_as_the_node_did_and_says_that_the_reply_is_the_same(
    state: Path, loaded: LoadedRecipe
) -> None:
    before = listed(state)
    asked = request(1, role_model(loaded.recipe.models.teacher, loaded.base).identity)
    console, stream = printed()
    replay_call(state, asked.id[:8], loaded, console)
    assert "the reply is valid and equal to the stored one; nothing was stored" in stream.getvalue()
    assert "note:" not in stream.getvalue()
    assert listed(state) == before


def test_a_replay_of_a_call_that_never_had_a_usable_reply_says_so(
    state: Path, loaded: LoadedRecipe
) -> None:
    asked = request(2, role_model(loaded.recipe.models.teacher, loaded.base).identity)
    console, stream = printed()
    replay_call(state, asked.id, loaded, console)
    assert "valid, where no stored one was usable" in stream.getvalue()


def test_a_replay_with_another_model_says_which(
    state: Path, loaded: LoadedRecipe, tmp_path: Path
) -> None:
    other = load(
        write_good(tmp_path, SCRIPTED.replace(", replies: replies.jsonl", ", fail_every: 1"))
    )
    asked = request(1, role_model(loaded.recipe.models.teacher, loaded.base).identity)
    console, stream = printed()
    replay_call(state, asked.id, other, console)
    assert "note: asked of scripted:t; the call was asked of scripted:t:" in stream.getvalue()
    assert "--- reply: not usable: invalid_json" in stream.getvalue()
    assert "breaks its schema or is no reply" in stream.getvalue()


def test_a_model_that_answers_in_files_cannot_replay(state: Path, tmp_path: Path) -> None:
    judge = "{backend: transformers, model: embedded/smollm2-135m-instruct}"
    text = SCRIPTED.replace(f"judge: {judge}", "judge: {backend: batch, model: m}")
    identity = listed(state, role="judge")[0]["id"]
    with pytest.raises(BackendError, match="answers in files, not at once"):
        replay_call(state, identity, load(write_good(tmp_path, text)))


def test_the_commands_as_typed(state: Path, loaded: LoadedRecipe) -> None:
    there = ("--state", str(state))
    found = pada_here("calls", "--role", "judge", *there)
    assert found.code == 0, found.errors
    identity = listed(state, role="judge")[0]["id"]
    assert found.out.splitlines()[1].startswith(identity[:10])
    missing = pada_here("calls", "show", "zz", *there)
    assert missing.code == 2
    assert identity in missing.errors
    assert "Traceback" not in missing.errors
    asked = request(1, role_model(loaded.recipe.models.teacher, loaded.base).identity).id
    again = pada_here("calls", *there, "replay", asked, "--recipe", str(loaded.path))
    assert again.code == 0, again.errors
    assert "equal to the stored one" in again.out


@pytest.mark.parametrize(
    ("cost", "text"), [(None, "unknown"), (0.0, "0.00"), (0.00123, "0.0012"), (12.5, "12.50")]
)
def test_a_cost_is_never_zero_where_it_is_unknown(cost: float | None, text: str) -> None:
    assert cost_of(cost) == text
