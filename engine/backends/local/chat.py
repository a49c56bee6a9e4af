"""Chat prompts as tokens: what the model reads before it speaks, where its turn ends, and what it said as text.

Knows the tokenizer alone: prediction and fine-tuning see the same tokens. Turns begin and end where the chat template
says so and nowhere else: what a message or an answer holds of control tokens (`<|im_end|>`) is encoded as plain text.
A template that takes turns in another shape (lists of parts, no system turn) gets them so; one that loses their text is
refused. Tools, calls and their answers are given to a template that knows them, and to any other in words
(`engine.turns.tools`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from engine.backends.local import chat_templates
from engine.backends.protocol import Message, without_system
from engine.errors import ModelError, reason_of
from engine.turns.calls import spoken_in
from engine.turns.tools import (
    Said,
    has_tools,
    in_assistant_words,
    in_words,
    mapped,
    native,
    texts_in,
)

_PROBE = "Xq7Zk"
_TOLD = (("f", "called"), ("v", "called"), ("t", "answered"))
"""What a template has to write of each call: its name, its argument, its answer."""
_REFUSALS = Exception
"""What templates raise for turns that they do not take, or by a mistake of their own: they come with a model."""
_BRACKETED = re.compile(r"<.+>|\[.+\]").fullmatch


def turn_end(tokenizer: Any) -> int:
    """Return the id of the token that ends an assistant's turn, read from the chat template itself.

    The end-of-sequence token is not always the turn's end, so the template is asked; the former is the answer
    where the template has no token of its own after the assistant's words.

    Raises:
        ModelError: the tokenizer has neither, or the template refuses or loses what is said.
    """
    turns = (Message("user", "?"), Message("assistant", _PROBE))
    text = rendered(_template(tokenizer, prompt=False), turns, all_of=(_PROBE,))
    after = tokenizer.encode(text.rpartition(_PROBE)[2], add_special_tokens=False)
    if after and after[0] in tokenizer.all_special_ids:
        return int(after[0])
    if tokenizer.eos_token_id is None:
        raise ModelError(
            "the model's tokenizer has no token that ends a turn",
            "choose an instruct model: its chat template closes the assistant's turn with a special token",
        )
    return int(tokenizer.eos_token_id)


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> tuple[int, ...]:
    """Return the tokens of a prompt up to the place where the assistant begins to speak.

    Raises:
        ModelError: the chat template refuses the turns, or loses their text; see `rendered`.
    """
    inert = _inert(tokenizer, [text for message in messages for text in texts_in(message)])
    turns = [mapped(message, inert.without) for message in messages]
    return inert.encode(prompt_text(tokenizer, turns), _encode(tokenizer))


def encode_said(tokenizer: Any, messages: Sequence[Message], said: Said) -> tuple[int, ...]:
    """Return the tokens of an assistant's turn behind a prompt, without the token that ends it.

    Calls are written as the chat template writes those of earlier turns; in words where it knows none.

    Raises:
        ModelError: as `encode_prompt`.
    """
    if not said.calls:
        return encode_text(tokenizer, said.text)
    by_template = _said_by_template(tokenizer, messages, said) if knows_tools(tokenizer) else None
    return by_template or encode_text(tokenizer, in_assistant_words(said))


def _said_by_template(
    tokenizer: Any, messages: Sequence[Message], said: Said
) -> tuple[int, ...] | None:
    """Return the tokens of calls as the template writes them; None where it leaves out some of what is said."""
    every = (*messages, *said.turns)
    inert = _inert(tokenizer, [text for turn in every for text in texts_in(turn)])
    turns = [mapped(message, inert.without) for message in messages]
    spoken = [mapped(turn, inert.without) for turn in said.turns]
    try:
        prompt = _with_tools(tokenizer, turns, prompt=True)
        whole = _with_tools(tokenizer, [*turns, *spoken], prompt=False)
    except _REFUSALS:
        return None
    needed = [json.loads(turn.content)["name"] for turn in spoken if turn.role == "call"]
    needed += [turn.content.strip() for turn in spoken if turn.role == "assistant"]
    if not whole.startswith(prompt) or not all(part in whole[len(prompt) :] for part in needed):
        # A template that writes earlier turns otherwise than the last one, or nothing beside a call.
        return None
    tokens, end = inert.encode(whole[len(prompt) :], _encode(tokenizer)), turn_end(tokenizer)
    places = [place for place, token in enumerate(tokens) if token == end]
    return tokens[: places[-1]] if places else tokens


def knows_tools(tokenizer: Any) -> bool:
    """Return whether the chat template writes definitions of tools, calls and their answers, calls so as they are read.

    Whoever learns to call as the template does must be understood: `engine.turns.calls`.
    """
    return _template_knows_tools(tokenizer, str(tokenizer.chat_template))


@lru_cache(maxsize=16)
def _template_knows_tools(tokenizer: Any, template: str) -> bool:
    """Ask the template; `template` is what the answer depends on."""
    parameters = {"type": "object", "properties": {_PROBE: {"type": "string"}}}
    names = ("f_defined", "f_1_called", "f_2_called")
    tools = [
        {"type": "function", "function": {"name": n, "description": "?", "parameters": parameters}}
        for n in names
    ]
    calls = [{"name": name, "arguments": {_PROBE: f"v{name[1:]}"}} for name in names[1:]]
    asked = (Message("tools", json.dumps(tools)), Message("user", "?"))
    turns = (
        *asked,
        # Some templates know one call at a time.
        *(Message("call", json.dumps(call)) for call in calls),
        Message("tool", "t_1_answered"),
        Message("tool", "t_2_answered"),
    )
    try:
        text = _with_tools(tokenizer, turns, prompt=True)
    except _REFUSALS:
        return False
    told = (f"{part}_{n}_{what}" for n in (1, 2) for part, what in _TOLD)
    if "f_defined" not in text or not all(part in text for part in told):
        return False
    one, *_ = written = tuple(map(json.dumps, calls))
    # What it cannot write of several calls, or of a text beside one, is in words: for such rows alone.
    return _is_read(tokenizer, asked, Said("", (one,)), tools) is True and not any(
        _is_read(tokenizer, asked, said, tools) is False
        for said in (Said("", written), Said(_PROBE, (one,)))
    )


def _is_read(
    tokenizer: Any, asked: Sequence[Message], said: Said, tools: Sequence[Mapping[str, Any]]
) -> bool | None:
    """Return whether what the template writes of calls is read as these calls; None where it cannot write them."""
    tokens = _said_by_template(tokenizer, asked, said)
    if tokens is None:
        return None
    read = spoken_in(decode(tokenizer, tokens), tools)
    # Some templates write an empty thought before a call.
    return (
        read is not None
        and said.text in read.text
        and read.calls == tuple(map(json.loads, said.calls))
    )


def _with_tools(tokenizer: Any, turns: Sequence[Message], *, prompt: bool) -> str:
    told = native(turns, parsed=True)
    return chat_templates.written(tokenizer, told.messages, told.tools or None, prompt=prompt)


def prompt_text(tokenizer: Any, turns: Sequence[Message]) -> str:
    """Return the text of a prompt up to the place where the assistant begins to speak; raises ModelError."""
    template = _template(tokenizer, prompt=True)
    if not has_tools(turns) or not knows_tools(tokenizer):
        return rendered(template, turns)

    def written(shaped: list[dict[str, Any]]) -> str:
        # What is said is checked as for any prompt; in which shape tools stand is the template's to say.
        return _with_tools(tokenizer, turns, prompt=True)

    said = [turn.content for turn in turns if turn.role in ("system", "user")]
    return rendered(written, [Message("user", "")], all_of=said)


Template = Callable[[list[dict[str, Any]]], str]
"""From turns to the text of a prompt; raises one of `_REFUSALS` for turns that it does not take."""


def _template(tokenizer: Any, prompt: bool) -> Template:
    def written(turns: list[dict[str, Any]]) -> str:
        return chat_templates.written(tokenizer, turns, prompt=prompt)

    return written


class Shape(NamedTuple):
    """In which shape a chat template takes turns."""

    parts: bool
    """Each turn's text as a list of one part."""
    system: bool
    """System turns as such; else their text at the beginning of the first user's turn."""


def shape_of(tokenizer: Any, messages: Sequence[Message]) -> Shape:
    """Return the shape in which `encode_prompt` hands a prompt to the chat template; raises ModelError as it does."""
    return _fitted(_template(tokenizer, prompt=True), messages, None)[1]


def rendered(
    template: Template, turns: Sequence[Message], all_of: Sequence[str] | None = None
) -> str:
    """Return turns as a chat template writes them, tools in words.

    Some templates go through a list of parts and find nothing in a text; some know no system turn, and refuse it or
    leave it out. Such a template gets parts, or the system's text at the beginning of the user's turn.

    Args:
        template: From turns to text.
        turns: What is said.
        all_of: What must be in the text; all that was not said by the assistant when left out, of whose earlier turns
            templates may drop thoughts.

    Raises:
        ModelError: the template refuses the turns in every shape, or loses their text.
    """
    return _fitted(template, turns, all_of)[0]


def _fitted(
    template: Template, turns: Sequence[Message], all_of: Sequence[str] | None
) -> tuple[str, Shape]:
    turns = in_words(turns) if has_tools(turns) else turns
    if all_of is None:
        all_of = [turn.content for turn in turns if turn.role != "assistant"]
    problem: Exception | None = None
    given = tuple(turns)
    for shape in (_as_text, _as_parts):
        for messages in dict.fromkeys((given, without_system(given))):
            shaped = [shape(message) for message in messages]
            try:
                text = template(shaped)
            except _REFUSALS as refusal:
                problem = problem or refusal
                continue
            # Templates take the blanks around a text away. One that knows no parts may write them out as they are.
            as_they_are = shape is _as_parts and str(shaped[-1]["content"]) in text
            if all(said.strip() in text for said in all_of) and not as_they_are:
                return text, Shape(shape is _as_parts, messages == given)
    if problem is not None:
        raise ModelError(
            f"the model's chat template refuses a prompt: {reason_of(problem)}",
            "choose a model whose template takes turns of a user",
        ) from problem
    raise ModelError(
        "the model's chat template leaves out what a turn says: the model would never see it",
        "choose a model whose chat template takes turns with text, or correct its template",
    )


def _as_text(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": message.content}


def _as_parts(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": [{"type": "text", "text": message.content}]}


def encode_text(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Return the tokens of an answer or a label, in which no control token has a meaning."""
    inert = _inert(tokenizer, [text])
    return inert.encode(inert.without(text), _encode(tokenizer))


Encode = Callable[[str, bool], Sequence[int]]
"""From a text to its tokens; the second says whether control tokens in it have a meaning."""


class Inert:
    """Control tokens that texts hold: taken out, each for a sign, and put back as the tokens of plain text.

    Only they are encoded on their own: a text without any has the tokens that it always had.
    """

    def __init__(self, marks: Iterable[str], texts: Sequence[str]) -> None:
        """Take what has a meaning of its own to the tokenizer, and all texts that may hold some of it."""
        everything = "".join(texts)
        found = [mark for mark in marks if mark in everything]
        free = (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in everything)
        # The longest first: one may begin with another.
        self._signs = dict(zip(sorted(found, key=len, reverse=True), free, strict=False))

    def without(self, text: str) -> str:
        """Return a text with a sign, of no meaning to tokenizer or template, for each control token."""
        for token, sign in self._signs.items():
            text = text.replace(token, sign)
        return text

    def encode(self, text: str, tokens: Encode) -> tuple[int, ...]:
        """Return the tokens of a text in which signs stand for control tokens."""
        if not self._signs:
            return tuple(tokens(text, True))
        # A control token's characters: cut in two it is none.
        plain = {
            sign: [*tokens(token[:1], False), *tokens(token[1:], False)]
            for token, sign in self._signs.items()
        }
        encoded: list[int] = []
        for part in re.split(f"([{''.join(plain)}])", text):
            encoded += plain.get(part) or tokens(part, True)
        return tuple(encoded)


def _inert(tokenizer: Any, texts: Sequence[str]) -> Inert:
    return Inert(control_tokens(tokenizer), texts)


def _encode(tokenizer: Any) -> Encode:
    def tokens(text: str, control: bool) -> Sequence[int]:
        split = {} if control else {"split_special_tokens": True}
        found: list[int] = tokenizer.encode(text, add_special_tokens=False, **split)
        return found

    return tokens


def control_tokens(tokenizer: Any) -> list[str]:
    """Return what the tokenizer reads as one token of its own wherever it stands, and what is no word or blank."""
    added = ((token.content, token.special) for token in tokenizer.added_tokens_decoder.values())
    return marks([*added, *((token, True) for token in tokenizer.all_special_tokens)])


def marks(tokens: Iterable[tuple[str, bool]]) -> list[str]:
    """Return which of a tokenizer's own tokens are marks of turns, tools and thoughts, given whether it says special.

    Not every tokenizer calls all of them so: what stands in brackets is taken for one.
    """
    found = {text for text, special in tokens if special or _BRACKETED(text)}
    return sorted(mark for mark in found if len(mark.strip()) > 1)


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return what a model said as text, without the tokens that only mark turns."""
    text: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text
