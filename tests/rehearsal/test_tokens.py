"""Tokens of prompts: counted where a tokenizer is at hand, estimated and said to be so where none is."""

from __future__ import annotations

from pathlib import Path

from engine.plan.resources import RoleModel
from engine.rehearsal import Count, count_tokens


def model(path: Path | None) -> RoleModel:
    return RoleModel("openai", "m", "m", path, {})


def tokenizer(folder: Path) -> Path:
    """Write a tokenizer whose tokens are words, and return its folder."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = Whitespace()
    words.save(str(folder / "tokenizer.json"))
    return folder


def test_without_a_tokenizer_it_is_an_estimate_and_says_so(tmp_path: Path) -> None:
    expected = Count(3, "an estimate, 4 characters a token", False)
    assert count_tokens(["12345", "6789"], model(None), model(tmp_path)) == expected


def test_the_models_own_comes_before_the_students(tmp_path: Path) -> None:
    folder = tokenizer(tmp_path)
    texts = ["one two", "three"]
    assert count_tokens(texts, model(folder), model(None)) == Count(3, "its own tokenizer", True)
    assert count_tokens(texts, model(None), model(folder)) == Count(3, "the student's", False)
