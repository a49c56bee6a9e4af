"""Chat prompts as tokens: what the model reads before it speaks, where its turn ends, and what it said as text.

Knows the tokenizer alone: prediction and fine-tuning see the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.backends.protocol import Message
from engine.errors import ModelError

_PROBE = "Xq7Zk"


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

    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except TemplateError as problem:
        raise ModelError(
            f"the model's chat template refuses a prompt: {problem}",
            "choose a model that takes a system turn",
        ) from problem
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return what a model said as text, without the tokens that only mark turns."""
    text: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text
