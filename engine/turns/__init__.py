"""Turns of conversations as one text, and tools as models take them; knows no model, no task and no row."""

from engine.turns.transcript import (
    SETTING,
    Message,
    Role,
    escaped,
    for_readers,
    is_transcript,
    spoken,
    transcript,
    turns_in,
    unescaped,
)

__all__ = [
    "SETTING",
    "Message",
    "Role",
    "escaped",
    "for_readers",
    "is_transcript",
    "spoken",
    "transcript",
    "turns_in",
    "unescaped",
]
