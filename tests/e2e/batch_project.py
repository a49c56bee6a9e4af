"""A project whose teacher and judge are a person with a file: `pada` run in this process, without any model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.backends import BACKENDS
from engine.backends.entry import ModelRef
from engine.backends.files.requests import BatchRequest, read_asked
from engine.backends.protocol import Request
from engine.backends.scripted import ScriptedGenerator, ScriptedSettings
from tests.e2e import tiny_project
from tests.e2e.runs import pada_here

MODEL = "oracle"
SCRIPTS = {"teacher": "replies.jsonl", "judge": "verdicts.jsonl"}
Pada = Callable[..., tuple[int, str]]


def write(folder: Path, *, seeds: str = "[0, 1]", rounds: int = 2) -> Path:
    """Write the project; return its recipe, in which teacher and judge are scripted."""
    recipe = tiny_project.write_project(folder, scripted=True)
    lines = []
    for line in recipe.read_text("utf-8").splitlines():
        role = line.split(":")[0].strip()
        if role in SCRIPTS and "backend" in line:
            line = f"  {role}: {{backend: scripted, model: {MODEL}, replies: {SCRIPTS[role]}}}"
        lines.append(line)
    text = "\n".join([*lines, f"seeds: {seeds}", ""])
    recipe.write_text(text.replace("rounds: 2", f"rounds: {rounds}"), "utf-8")
    return recipe


def with_batch(
    recipe: Path, roles: Iterable[str] = ("teacher", "judge"), settings: str = ""
) -> Path:
    """Write the same recipe with some roles on the backend `batch` beside it."""
    text = recipe.read_text("utf-8")
    for role in roles:
        scripted = f"{{backend: scripted, model: {MODEL}, replies: {SCRIPTS[role]}}}"
        assert scripted in text
        text = text.replace(scripted, f"{{backend: batch, model: {MODEL}, pack: small{settings}}}")
    path = recipe.with_name("batch.yaml")
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def pada() -> Pada:
    """Run `pada` in this process; returns its exit code and all it said."""

    def call(*arguments: object) -> tuple[int, str]:
        ended = pada_here(*arguments)
        return ended.code, ended.out + ended.errors

    return call


class Person:
    """Answers request files as the scripted backend would, if it were asked the same."""

    def __init__(self, folder: Path) -> None:
        """Take the recipe's folder, where the scripts are."""
        self._folder = folder
        self.asked: list[BatchRequest] = []

    def reply(self, ask: BatchRequest) -> str:
        """Return the scripted reply to a request: it depends on the request's id, which names the model."""
        name = SCRIPTS[ask.role]
        identity = BACKENDS["scripted"].identity(MODEL, self._folder, {"replies": name})
        asked = ask.request
        request = Request(
            asked.messages,
            asked.schema,
            asked.max_tokens,
            asked.temperature,
            identity,
            asked.attempt,
        )
        script = ScriptedGenerator(ModelRef(MODEL, self._folder), ScriptedSettings(replies=name))
        [[done]] = script.complete_many([request], frozenset())
        assert done.value is not None
        return done.text

    def answer(self, file: Path, results: Path) -> Path:
        """Write the results of a request file, as a batch service does."""
        written = {line["custom_id"]: line for line in read_lines(file)}
        asked = read_asked(file)
        assert list(written) == [ask.custom_id for ask in asked]
        self.asked += asked
        return write_lines(results, [served(ask.custom_id, self.reply(ask)) for ask in asked])


def served(custom_id: str, text: str, **changes: Any) -> dict[str, Any]:
    """Return a line of results with a reply; `changes` replace parts of its choice."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    body = {
        "id": "chatcmpl-1",
        "model": "oracle-2026",
        "choices": [{**choice, **changes}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    response = {"status_code": 200, "request_id": "req-1", "body": body}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def write_lines(file: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """Write objects as a JSONL file."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file
