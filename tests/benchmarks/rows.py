"""The rows that the clients push through the endpoint, and what comes back: the same for all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

SCORE = {"type": "integer", "minimum": 1, "maximum": 5}
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "maxLength": 400},
        "label": {"type": "string", "maxLength": 40},
        "scores": {
            "type": "object",
            "properties": {"adherence": SCORE, "utility": SCORE, "relevance": SCORE},
            "required": ["adherence", "utility", "relevance"],
            "additionalProperties": False,
        },
    },
    "required": ["text", "label", "scores"],
    "additionalProperties": False,
}
_WORDS = ["tide", "river", "signal", "garden", "policy", "market", "winter", "engine", "bridge"]


def prompts(count: int) -> Iterator[str]:
    """Yield `count` prompts of about 450 characters, no two alike."""
    draw = random.Random(7)
    for number in range(count):
        passage = " ".join(draw.choices(_WORDS, k=45))
        yield (
            f"You write training examples.\nTopic: row {number:07d} {draw.choice(_WORDS)}\nPassage: {passage}.\n\n"
            "Write one short answer about the topic, give it a sentiment label and score it."
        )
