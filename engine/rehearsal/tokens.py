"""How many tokens a prompt has: by a tokenizer on this machine, else by the length of its text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import ModelError, boundary
from engine.plan.resources import RoleModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHARACTERS_PER_TOKEN = 4
"""Of English text, about."""
FILE = "tokenizer.json"
_HINT = "the model's folder must hold the tokenizer that belongs to it"


class Count(NamedTuple):
    """A number of tokens, without the marks between turns."""

    tokens: int
    how: str
    """By what they were counted, in words."""
    exact: bool
    """Whether the model's own tokenizer counted them."""


def count_tokens(texts: Sequence[str], asked: RoleModel, student: RoleModel) -> Count:
    """Count the tokens of texts by the asked model's tokenizer, else by the student's, else by their characters."""
    for model, how, exact in (
        (asked, "its own tokenizer", True),
        (student, "the student's", False),
    ):
        tokenizer = _tokenizer(model.path)
        if tokenizer is not None:
            tokens = sum(
                len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts
            )
            return Count(tokens, how, exact)
    characters = sum(map(len, texts))
    how = f"an estimate, {CHARACTERS_PER_TOKEN} characters a token"
    return Count(-(-characters // CHARACTERS_PER_TOKEN), how, False)


@lru_cache(maxsize=2)
def _tokenizer(folder: Path | None) -> Tokenizer | None:
    if folder is None or not (folder / FILE).is_file():
        return None
    from tokenizers import Tokenizer

    with boundary(lambda reason: ModelError(f"cannot load {folder / FILE}: {reason}", _HINT)):
        return Tokenizer.from_file(str(folder / FILE))
