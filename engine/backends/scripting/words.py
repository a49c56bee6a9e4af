"""Texts by their words: how much one shares with another, and the message that a prompt ends with."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from engine.backends.protocol import Message

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """Return a text's words."""
    return _WORD.findall(text)


def last_user_message(messages: Sequence[Message]) -> str:
    """Return what the user said last; empty where no user said anything."""
    users = [message.content for message in messages if message.role == "user"]
    return users[-1] if users else ""


def features(text: str) -> Counter[str]:
    """Return a text's words and, so that inflected words still match, their parts of three letters."""
    words = re.findall(r"[^\W_]+", text.lower())
    parts = (word[at : at + 3] for word in words for at in range(len(word) - 2))
    return Counter([*words, *parts])


def overlap(text: Counter[str], label: Counter[str]) -> float:
    """Return how much of a label is in a text."""
    shared = sum((text & label).values())
    return shared / math.sqrt(sum(label.values()) or 1)
