"""rate: one call per answer, with that answer's row alone in it."""

from __future__ import annotations

from typing import Any

from engine.backends.protocol import Request
from engine.backends.structured import unbounded
from engine.rows import SPLITS, Example, Prediction, Rating
from engine.stages.evaluate.rate import RatedMetric, RateInputs, RateParams, rate
from engine.stages.outputs import Loaded, Predicted
from tests.plan.fake_resources import reply_schema_of
from tests.stages.scripted_context import ScriptedContext


def _judge(role: str, request: Request) -> Any:
    """Rate with the length of the answer; the answer `bad` gets no usable reply."""
    assert role == "judge"
    answer = request.messages[-1].content.split("<answer>\n")[1].split("\n</answer>")[0]
    return None if answer == "bad" else {"reason": f" {answer} ", "rating": len(answer)}


def _params(*metrics: RatedMetric) -> RateParams:
    schema = reply_schema_of("rating")
    return RateParams(metrics=metrics, schema=schema, description="Be nice.")


def _run(ctx: ScriptedContext, *metrics: RatedMetric) -> list[Rating]:
    examples = [
        Example(f"e{i}", split, {"text": f"row{i}"}, f"gold{i}", {"secret": "s"}, "f", i)
        for i, split in enumerate((SPLITS[0], SPLITS[2], SPLITS[0], SPLITS[0]))
    ]
    predictions = [
        Prediction("e0", "train", "ok", "ok", "ok", None, "generation"),
        Prediction("e1", "test", "what?", None, "unparsable", None, "generation"),
        Prediction("e2", "train", "bad", "bad", "ok", None, "generation"),
        Prediction("e3", "train", "", "", "backend_failed", None, "generation"),
    ]
    inputs = RateInputs(Loaded(tuple(examples)), Predicted(tuple(predictions)))
    return rate(_params(*metrics), inputs, ctx).of(Rating)


TONE = RatedMetric(name="tone", rubric="How friendly it is.", low=1, high=5)
STYLE = RatedMetric(name="style", rubric="How friendly it is.", low=0, high=10)


def test_every_answer_is_rated_once_and_an_unusable_reply_is_no_rating() -> None:
    ctx = ScriptedContext(_judge)
    found = _run(ctx, TONE, STYLE)
    assert [(r.metric, r.example, r.split, r.value, r.reason) for r in found[:3]] == [
        ("tone", "e0", "train", 2, "ok"),
        ("tone", "e1", "test", 5, "what?"),  # nothing could be read from it: what was said is rated
        ("tone", "e2", "train", None, "no rating: schema"),
    ]
    assert [r.metric for r in found[3:]] == ["style"] * 3
    assert [r.call for r in found] == [request.id for request in ctx.asked]


def test_a_call_holds_its_own_row_and_rubric_and_nothing_of_another() -> None:
    ctx = ScriptedContext(_judge)
    _run(ctx, TONE)
    for i, request in enumerate(ctx.asked):
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
    assert rate(_params(TONE), RateInputs(Loaded(), Predicted()), ScriptedContext()).rows == ()
