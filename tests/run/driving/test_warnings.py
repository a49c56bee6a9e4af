"""What a run says of a model once: a reasoning model whose thinking is cut, and what to set."""

from __future__ import annotations

import pytest

from engine.backends.protocol import Completion, Message, Request
from engine.backends.replies import completion, read
from engine.run.driving.talking import Warnings
from engine.run.progress import Callback, Event

REQUEST = Request((Message("user", "Why?"),), {"type": "object"}, 8500, 0.0, "model")


def cut(*, limited: bool = False) -> Completion:
    reply = read(REQUEST, "", 8500, 8000, limited)
    return completion(REQUEST, reply, method="json_schema", finish="length")


@pytest.mark.parametrize("role", ["teacher", "judge"])
def test_a_model_that_is_cut_in_its_thinking_is_told_once_with_the_setting_of_its_role(
    role: str,
) -> None:
    said: list[Event] = []
    warnings = Warnings(Callback(said.append))
    warnings.of(role, [cut()])
    warnings.of(role, [cut(), cut()])
    (event,) = said
    assert event.text.startswith(
        f"a reply of the {role} was cut after max_tokens (8500) in the model's thinking, 8000 of them hidden reasoning:"
        f" raise models.{role}.thinking_tokens (`pada sql"
    )


def test_where_no_more_tokens_can_be_asked_for_none_are_advised() -> None:
    said: list[Event] = []
    Warnings(Callback(said.append)).of("teacher", [cut(limited=True)])
    assert "raise" not in said[0].text.partition("(`pada sql")[0]
