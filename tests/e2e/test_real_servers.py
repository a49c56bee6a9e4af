"""A recipe and single calls at real servers, over HTTP: `pip install --group servers`, then `pytest -m servers`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from engine import models
from engine.backends import BACKENDS
from engine.backends.protocol import Completion, Generator, Message, Request, Student
from engine.backends.replies import PROBE
from engine.errors import BackendError
from tests.e2e.runs import answered_twice, pada, results, rows
from tests.e2e.tiny_project import write_project
from tests.servers.real import (
    MODEL,
    VLLM,
    VLLM_ENVIRONMENT,
    VLLM_SETTINGS,
    free_port,
    gguf_file,
    need,
    need_vllm,
    serving,
)

pytestmark = pytest.mark.servers

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["glad", "sad", "angry"]},
        "reason": {"type": "string", "minLength": 3, "maxLength": 60},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["mood", "reason", "score"],
    "additionalProperties": False,
}
CHANGES = {
    "  teacher:": "  teacher: MODEL",
    "  judge:": "  judge: MODEL",
    "patterns:": "patterns: {diagnose: 4, cluster: {max_k: 2}}",
    "  rows_per_round:": "  rows_per_round: 3",
    "quality:": "quality:\n  judge: advises",
    "  attempts:": "  attempts: 1",
    "loop:": "loop: {rounds: 1}",
}


def request(text: str, *, temperature: float = 0.0, max_tokens: int = 80) -> Request:
    asked = "Judge the mood of a text. Reply as JSON with the keys mood, reason and score (1 to 5)."
    turns = (Message("system", asked), Message("user", json.dumps({"text": text})))
    return Request(turns, SCHEMA, max_tokens, temperature, "m")


def came(
    url: str, requests: list[Request], model: str, kind: str = "openai", **settings: Any
) -> list[Completion]:
    chosen = {"base_url": url, "timeout_s": 300, **settings}
    backend = cast(Generator, BACKENDS[kind].open("generator", None, model, chosen))
    found = [done for group in backend.complete_many(requests, set()) for done in group]
    return [done for done in found if done.error != PROBE]


def is_valid(done: Completion) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(
        json.loads(done.text)
    ) and done.value == json.loads(done.text)


TEXTS = ["I love this!", "My card was stolen.", "Why is this so slow?", "Größe? 日本 “ja” 🙂"]

# llama-cpp-python's server honours a schema that stands beside `json_object`.


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need("llama_cpp")
    port = free_port()
    command = [
        "llama_cpp.server", "--model", str(gguf_file()), "--model_alias", "smollm2",
        "--n_ctx", "4096", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    log = tmp_path_factory.mktemp("llama") / "server.log"
    with serving(command, port, "/v1/models", log, {}) as url:
        yield url


def test_a_server_with_grammars_is_found_out_and_every_reply_is_checked(llama: str) -> None:
    asked = [request(text, temperature=t) for text in TEXTS for t in (0.0, 0.9)]
    found = came(llama, asked, "smollm2")
    assert {done.request for done in found if done.final} == {each.id for each in asked}
    assert {done.method for done in found} == {"object_schema"}
    usable = [done for done in found if done.error is None]
    assert len(usable) >= 6
    for done in usable:
        assert is_valid(done)
        assert done.usage.prompt_tokens
        assert done.usage.completion_tokens
    # Its grammars know no bounds of numbers, so validation has something to find now and then.
    for done in found:
        assert done.error is None or (done.error, done.detail[:7]) == ("schema", "$.score")


def test_a_seed_makes_a_sampled_reply_come_again(llama: str) -> None:
    asked = [request(text, temperature=1.0) for text in TEXTS[:2]]
    first, again = (
        {d.request: d.text for d in came(llama, asked, "smollm2", structured="object_schema")}
        for _ in range(2)
    )
    assert first == again


def test_a_prompt_beyond_the_servers_context_fails_alone(llama: str) -> None:
    asked = [request("word " * 6000), request(TEXTS[0])]
    found = {d.request: d for d in came(llama, asked, "smollm2", structured="object_schema")}
    assert found[asked[0].id].error == "too_long"
    assert "4096" in found[asked[0].id].detail
    assert found[asked[1].id].error is None


@pytest.mark.parametrize("structured", ["auto", "object_schema"])
def test_a_wrong_path_stops_at_the_first_call(llama: str, structured: str) -> None:
    with pytest.raises(BackendError, match="no chat endpoint at this address") as caught:
        came(llama.removesuffix("/v1"), [request(TEXTS[0])], "smollm2", structured=structured)
    assert "usually in /v1" in caught.value.hint


def test_a_recipe_runs_with_its_teacher_and_judge_at_a_server(llama: str, tmp_path: Path) -> None:
    model = f"{{backend: openai, base_url: {llama}, model: smollm2, context: 4096, timeout_s: 300, pack: small}}"
    assert methods_of_a_run(tmp_path, model) == {"object_schema"}


def test_a_recipe_runs_with_its_teacher_and_judge_in_llama_cpp(tmp_path: Path) -> None:
    need("llama_cpp")
    model = (
        f"{{backend: llamacpp, model: {json.dumps(str(gguf_file()))}, context: 4096, pack: small}}"
    )
    assert methods_of_a_run(tmp_path, model) == {"outlines:llguidance"}


def project(folder: Path, model: str) -> Path:
    """Write the tiny project with a model as teacher and judge; return its recipe."""
    recipe = write_project(folder)
    written = [
        next((new for old, new in CHANGES.items() if line.startswith(old)), line)
        for line in recipe.read_text("utf-8").splitlines()
    ]
    recipe.write_text("\n".join(written).replace("MODEL", model), "utf-8")
    return recipe


def methods_of_a_run(folder: Path, model: str) -> set[str]:
    """Run the tiny project with a model as teacher and judge, twice; return how its replies were made."""
    recipe, state = project(folder, model), folder / "state"
    ran = pada("run", str(recipe), "--state", str(state), timeout=1500)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(ran.stdout)
    calls = rows(
        state,
        "SELECT role, method, error, reply FROM llm_call WHERE error IS DISTINCT FROM 'probe'",
    )
    usable = [call for call in calls if call["error"] is None]
    assert {call["role"] for call in usable} == {"teacher", "judge"}
    assert {call["error"] for call in calls} <= {None, "length", "schema"}
    assert all(json.loads(call["reply"]) for call in usable)
    before = results(state)
    again = pada("run", str(recipe), "--state", str(state))
    assert again.returncode == 0, again.stderr
    assert "0 nodes computed" in again.stdout
    assert results(state) == before
    assert len(rows(state, "SELECT 1 FROM llm_call WHERE error IS DISTINCT FROM 'probe'")) == len(
        calls
    )
    assert answered_twice(state) == []
    return {call["method"] for call in calls}


# `transformers serve` ignores `response_format` without a word.


@pytest.fixture(scope="module")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need("fastapi")
    port = free_port()
    command = [
        "transformers.cli.transformers", "serve", "--device", "cpu",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    log = tmp_path_factory.mktemp("transformers") / "server.log"
    # Its threads spin while they wait, which takes the cores from whatever else runs.
    environment = {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with serving(command, port, "/health", log, environment) as url:
        yield url


@pytest.fixture(scope="module")
def folder() -> str:
    return str(models.fetch(MODEL))


def test_a_server_that_ignores_schemas_is_noticed(transformers: str, folder: str) -> None:
    asked = [request(text) for text in TEXTS[:3]]
    found = came(transformers, asked, folder, corrections=1, concurrency=1)
    assert {done.method for done in found} == {"prompt"}
    final = {done.request: done for done in found if done.final}
    assert set(final) == {each.id for each in asked}
    for done in found:
        assert done.error in {None, "invalid_json", "schema", "length"}
        assert done.text
        assert done.usage.prompt_tokens
        assert done.usage.completion_tokens
        assert done.sent is not None
        assert "JSON Schema" in done.sent[0].content
        if done.error is None:
            assert is_valid(done)


def test_a_way_that_a_server_refuses_is_named(transformers: str, folder: str) -> None:
    with pytest.raises(BackendError, match="refuses the schema of the reply") as caught:
        came(transformers, [request(TEXTS[0])], folder, structured="structured_outputs")
    assert "structured: auto" in caught.value.hint


def test_a_students_answers_are_those_of_the_same_weights_here(
    transformers: str, folder: str, tmp_path: Path
) -> None:
    recipe, state = write_project(tmp_path), tmp_path / "state"
    student = (
        f"{{backend: openai, model: {json.dumps(folder)}, base_url: {transformers}, "
        "timeout_s: 300, concurrency: 1}"
    )
    changes = {
        "  student:": f"  student: {student}",
        "train:": "train: {method: none}",
        "loop:": "loop: {rounds: 0}",
    }
    written = [
        next((new for old, new in changes.items() if line.startswith(old)), line)
        for line in recipe.read_text("utf-8").splitlines()
    ]
    recipe.write_text("\n".join(written), "utf-8")
    ran = pada("run", str(recipe), "--state", str(state), "--limit", "4", timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(ran.stdout)
    there = rows(
        state,
        "SELECT messages, reply, max_tokens, completion_tokens FROM llm_call WHERE role = 'student'",
    )
    assert len(there) == 12
    assert all(call["completion_tokens"] for call in there)
    answers = rows(state, "SELECT answer, status, how FROM prediction")
    assert len(answers) == 12
    assert {(a["status"] == "ok") == (a["answer"] is not None) for a in answers} == {True}
    assert {a["how"] for a in answers} == {"generation"}
    prompts = [
        tuple(Message(turn["role"], turn["content"]) for turn in json.loads(call["messages"]))
        for call in there
    ]
    settings = {"batch_size": 1}
    here = cast(Student, BACKENDS["transformers"].open("student", Path(folder), MODEL, settings))
    said = here.write(prompts, there[0]["max_tokens"], None)
    same = [
        one.text.strip() == call["reply"].strip() for one, call in zip(said, there, strict=True)
    ]
    # Batches and kernels differ, and bfloat16 with them: a close call may fall the other way.
    assert sum(same) >= 9, list(zip(said, there, strict=True))


# vLLM takes a schema in two ways. It brings its own versions of torch and transformers, so these need an
# environment that has it; on a CPU it starts in a minute.


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need_vllm()
    port = free_port()
    command = [
        VLLM, "serve", str(models.fetch(MODEL)), *VLLM_SETTINGS,
        "--enable-prompt-tokens-details", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    with serving(command, port, "/health", log, VLLM_ENVIRONMENT) as url:
        yield url


@pytest.mark.parametrize(
    ("kind", "way"), [("vllm", "structured_outputs"), ("openai", "json_schema")]
)
def test_vllm_honours_schemas_in_both_ways(vllm: str, kind: str, way: str) -> None:
    asked = [request(text, temperature=t) for text in TEXTS for t in (0.0, 0.9)]
    found = came(vllm, asked, "smollm2", kind)
    assert {done.request for done in found} == {each.id for each in asked}
    assert {done.method for done in found} == {way}
    for done in found:
        assert done.error is None, done
        assert is_valid(done)
        assert done.server.startswith("smollm2 vllm-")
        assert done.usage.cached_tokens is not None


def test_a_seed_makes_a_sampled_reply_of_vllm_come_again(vllm: str) -> None:
    # One at a time: in bfloat16 the last digits depend on what the server computes beside it.
    asked = [request(text, temperature=1.0) for text in TEXTS[:2]]
    first, again = (
        {d.request: d.text for d in came(vllm, asked, "smollm2", "vllm", concurrency=1)}
        for _ in range(2)
    )
    assert first == again


def test_vllms_refusals_are_understood(vllm: str) -> None:
    long, cut = request("word " * 1500), request(TEXTS[0], max_tokens=7)
    found = {d.request: d for d in came(vllm, [long, cut], "smollm2", "vllm") if d.final}
    assert found[long.id].error == "too_long"
    assert "1024" in found[long.id].detail
    assert (found[cut.id].error, found[cut.id].usage.completion_tokens) == ("length", 14)
    with pytest.raises(BackendError, match="does not know this model"):
        came(vllm, [request(TEXTS[0])], "another", "vllm")
    with pytest.raises(BackendError, match="no chat endpoint at this address"):
        came(vllm.removesuffix("/v1"), [request(TEXTS[0])], "smollm2", "vllm")


@pytest.mark.parametrize(
    ("kind", "way"), [("vllm", "structured_outputs"), ("openai", "json_schema")]
)
def test_a_recipe_runs_with_its_teacher_and_judge_at_vllm(
    vllm: str, kind: str, way: str, tmp_path: Path
) -> None:
    model = f"{{backend: {kind}, base_url: {vllm}, model: smollm2, context: 1024, timeout_s: 300, pack: small}}"
    assert methods_of_a_run(tmp_path, model) == {way}


def test_vllm_answers_a_batch_file(tmp_path: Path) -> None:
    need_vllm()
    model = "{backend: batch, model: smollm2, structured: structured_outputs, pack: small}"
    recipe, state = project(tmp_path, model), tmp_path / "state"
    assert pada("run", str(recipe), "--state", str(state)).returncode == 75
    [asked], answers = state.glob("batch/*/requests.jsonl"), tmp_path / "results.jsonl"
    command = [
        sys.executable, "-m", VLLM, "run-batch", "-i", str(asked), "-o", str(answers),
        "--model", str(models.fetch(MODEL)), *VLLM_SETTINGS,
    ]  # fmt: skip
    said = subprocess.run(
        command, env={**os.environ, **VLLM_ENVIRONMENT}, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    took = pada("batch", "import", str(answers), "--state", str(state))
    assert "4 of 4 requests answered" in took.stdout, took.stdout + took.stderr
    # It goes on, until it waits for the next replies.
    assert pada("run", str(recipe), "--state", str(state)).returncode == 75
    calls = rows(state, "SELECT method, error, server FROM llm_call")
    assert [(call["method"], call["error"]) for call in calls] == [
        ("batch:structured_outputs", None)
    ] * 4


def test_a_recipe_runs_with_its_teacher_and_judge_in_vllm(tmp_path: Path) -> None:
    need_vllm()
    settings = "context: 1024, enforce_eager: true, gpu_memory_utilization: 0.3"
    model = f"{{backend: vllm_offline, model: {MODEL}, {settings}, pack: small}}"
    assert methods_of_a_run(tmp_path, model) == {"structured_outputs:guidance"}
