"""Chat prompts as tokens: what the model reads before it speaks, where its turn ends, and what it said as text.

Knows the tokenizer alone: prediction and fine-tuning see the same tokens. Turns begin and end where the chat template
says so and nowhere else: what a message or an answer holds of control tokens (`<|im_end|>`) is encoded as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from engine.backends.protocol import Message
from engine.errors import ModelError

_PROBE = "Xq7Zk"
_BRACKETED = re.compile(r"<.+>|\[.+\]").fullmatch


def turn_end(tokenizer: Any) -> int:
    """Return the id of the token that ends an assistant's turn, read from the chat template itself.

    The end-of-sequence token is not always the turn's end, so the template is asked; the former is the answer
    where the template has no token of its own after the assistant's words.

    Raises:
        ModelError: the tokenizer has neither.
    """
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False)
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
        ModelError: the chat template refuses the turns, as those of some models do with a system turn.
    """
    from jinja2 import TemplateError

    inert = _Inert(tokenizer, [message.content for message in messages])
    turns = [{"role": m.role, "content": inert.without(m.content)} for m in messages]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except TemplateError as problem:
        raise ModelError(
            f"the model's chat template refuses a prompt: {problem}",
            "choose a model that takes a system turn",
        ) from problem
    return inert.encode(text)


def encode_text(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Return the tokens of an answer or a label, in which no control token has a meaning."""
    inert = _Inert(tokenizer, [text])
    return inert.encode(inert.without(text))


class _Inert:
    """Control tokens that texts hold: taken out, each for a sign, and put back as the tokens of plain text.

    Only they are encoded on their own: a text without any has the tokens that it always had.
    """

    def __init__(self, tokenizer: Any, texts: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        everything = "".join(texts)
        found = [token for token in _control_tokens(tokenizer) if token in everything]
        free = (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in everything)
        # The longest first: one may begin with another.
        self._signs = dict(zip(sorted(found, key=len, reverse=True), free, strict=False))

    def without(self, text: str) -> str:
        """Return a text with a sign, of no meaning to tokenizer or template, for each control token."""
        for token, sign in self._signs.items():
            text = text.replace(token, sign)
        return text

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text in which signs stand for control tokens."""
        if not self._signs:
            return tuple(self._tokenizer.encode(text, add_special_tokens=False))
        tokens = {sign: self._plain(token) for token, sign in self._signs.items()}
        encoded: list[int] = []
        for part in re.split(f"([{''.join(tokens)}])", text):
            encoded += tokens.get(part) or self._tokenizer.encode(part, add_special_tokens=False)
        return tuple(encoded)

    def _plain(self, token: str) -> list[int]:
        """Return a control token's characters as tokens; cut in two it is none."""
        halves = (token[:1], token[1:])
        return [
            number
            for half in halves
            for number in self._tokenizer.encode(
                half, add_special_tokens=False, split_special_tokens=True
            )
        ]


def _control_tokens(tokenizer: Any) -> list[str]:
    """Return what the tokenizer reads as one token of its own wherever it stands, and what is no word or blank.

    Not every tokenizer calls its marks of turns, tools and thoughts special: what stands in brackets is taken for one.
    """
    added = tokenizer.added_tokens_decoder.values()
    marks = {token.content for token in added if token.special or _BRACKETED(token.content)}
    marks.update(tokenizer.all_special_tokens)
    return sorted(mark for mark in marks if len(mark.strip()) > 1)


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return what a model said as text, without the tokens that only mark turns."""
    text: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text
