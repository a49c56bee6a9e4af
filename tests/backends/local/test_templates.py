"""Chat templates of other shapes: what is said stands in the prompt, or the model is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2
import pytest

from engine.backends.local.chat import rendered
from engine.backends.protocol import Message
from engine.errors import ModelError

_TURN = "<|im_start|>{{ m['role'] }}\n{{ text }}<|im_end|>\n"
USUAL = f"{{% for m in messages %}}{{% set text = m['content'] %}}{_TURN}{{% endfor %}}"
TEMPLATES = {
    # As of models that see pictures: it goes through parts, and finds none in a text.
    "over parts": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for part in m['content'] %}"
        "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    ),
    "no system role": (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + USUAL
    ),
    "system dropped": USUAL.replace("in messages", "in messages if m['role'] != 'system'"),
    "trimmed": USUAL.replace("m['content']", "m['content'] | trim"),
}
MERGED = {"no system role", "system dropped"}
TURNS = (Message("system", " Be kind. "), Message("user", "It's <b>bold</b>,\n'quoted'"))


def template(source: str) -> Any:
    def refuse(why: str) -> None:
        raise jinja2.TemplateError(why)

    compiled = jinja2.Environment().from_string(source)
    return lambda turns: compiled.render(messages=turns, raise_exception=refuse)


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_said_stands_in_the_prompt(name: str) -> None:
    text = rendered(template(TEMPLATES[name]), TURNS)
    assert TURNS[0].content.strip() in text
    assert TURNS[1].content in text
    assert ("<|im_start|>system" not in text) == (name in MERGED)


def test_a_usual_template_gets_what_it_always_got() -> None:
    plain = [{"role": turn.role, "content": turn.content} for turn in TURNS]
    assert rendered(template(USUAL), TURNS) == template(USUAL)(plain)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ raise_exception('not me') }}", "refuses a prompt: not me"),
        ("{% for m in messages %}<|im_start|>{{ m['role'] }}{% endfor %}", "leaves out what a turn says"),
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", "leaves out what a turn says"),
    ],
)  # fmt: skip
def test_a_template_that_loses_what_is_said_is_refused(source: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        rendered(template(source), TURNS)


def test_a_template_that_knows_no_parts_does_not_write_them_out() -> None:
    def of_texts_only(turns: Sequence[Any]) -> str:
        said = "".join(str(turn["content"]) for turn in turns)
        return said if "'text'" in said else ""

    with pytest.raises(ModelError, match="leaves out"):
        rendered(of_texts_only, (Message("user", "Hi"),))


def test_thoughts_of_earlier_turns_may_be_left_out() -> None:
    source = USUAL.replace("m['content']", "m['content'].split('</think>')[-1]")
    turns = (*TURNS, Message("assistant", "<think>hm</think>yes"), Message("user", "Again."))
    assert "Again." in rendered(template(source), turns)
