"""rate: one call per answer, with that answer's row alone in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.stages.rate import rate

from engine.backends.protocol import Completion, Message, Request
from engine.backends.replies import completion, failed
from engine.backends.structured import Reply, unbounded
from engine.rows import Example, Prediction, Rating
from engine.spec.prompts import Prompt, PromptLibrary
from engine.stages import shapes
from engine.stages.protocol import Inputs, Output


class _Judge:
    """Rates with the length of the answer; the answer `bad` it cannot rate."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def prompt(self, name: str) -> Prompt:
        return PromptLibrary(Path(".")).get(name)

    def request(
        self, role: str, prompt: Prompt, variables: Mapping[str, Any], schema: Mapping[str, Any]
    ) -> Request:
        assert role == "judge"
        turns = tuple(Message(role, text) for role, text in prompt.render(variables))
        return Request(turns, schema, shapes.token_limit(schema), 0.0, "judge")

    def ask(self, role: str, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Completion:
        answer = request.messages[-1].content.split("<answer>\n")[1].split("\n</answer>")[0]
        if answer == "bad":
            return completion(request, failed("length", "cut"), method="scripted")
        value = {"reason": f" {answer} ", "rating": len(answer)}
        return completion(request, Reply(value), method="scripted")


def _run(judge: _Judge, metrics: list[dict[str, Any]]) -> list[Rating]:
    told = [("ok", "ok", "ok"), (None, "what?", "unparsable"), ("bad", "bad", "ok")]
    told.append(("", "", "backend_failed"))
    examples, predictions = [], []
    for i, (answer, text, status) in enumerate(told):
        split = "test" if i == 1 else "train"
        examples.append(
            Example(f"e{i}", split, {"text": f"row{i}"}, f"gold{i}", {"secret": "s"}, "f", i)  # type: ignore[arg-type]
        )
        predictions.append(Prediction(f"e{i}", split, text, answer, status, None, "generation"))  # type: ignore[arg-type]
    params = {"description": "Be nice.", "metrics": metrics, "schema": shapes.base("rating")}
    edges = {"load": Output(tuple(examples)), "predict": Output(tuple(predictions))}
    return rate(params, Inputs(edges), judge).of(Rating)  # type: ignore[arg-type]


TONE = {"name": "tone", "rubric": "How friendly it is.", "scale": [1, 5]}


def test_every_answer_is_rated_once_and_an_unusable_reply_is_no_rating() -> None:
    judge = _Judge()
    found = _run(judge, [TONE, {**TONE, "name": "style", "scale": [0, 10]}])
    assert [(r.metric, r.example, r.split, r.value, r.reason) for r in found[:3]] == [
        ("tone", "e0", "train", 2, "ok"),
        ("tone", "e1", "test", 5, "what?"),  # nothing could be read from it: what was said is rated
        ("tone", "e2", "train", None, "no rating: length"),
    ]
    assert [r.metric for r in found[3:]] == ["style"] * 3
    assert [r.call for r in found] == [request.id for request in judge.asked]


def test_a_call_holds_its_own_row_and_rubric_and_nothing_of_another() -> None:
    judge = _Judge()
    _run(judge, [TONE])
    for i, request in enumerate(judge.asked):
        text = "".join(message.content for message in request.messages)
        assert f"row{i}" in text
        assert f"gold{i}" in text
        assert "How friendly it is." in text
        assert "1 (worst) to 5 (best)" in text
        assert not [j for j in range(4) if j != i and (f"row{j}" in text or f"gold{j}" in text)]
        assert "secret" not in text
        assert request.schema is not None
        assert not unbounded(request.schema)
        assert request.schema["properties"]["rating"]["maximum"] == 5


def test_without_an_answer_nobody_is_asked() -> None:
    judge = _Judge()
    params = {"description": "", "metrics": [TONE], "schema": shapes.base("rating")}
    empty = {"load": Output(()), "predict": Output(())}
    assert rate(params, Inputs(empty), judge).rows == ()  # type: ignore[arg-type]
    assert judge.asked == []
