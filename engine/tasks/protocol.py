"""What a task kind must say: how the student is asked, how its answer is read, what a well-formed row is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from engine.backends.protocol import Message, Progress, Student


class Answer(NamedTuple):
    """One answer of the student, read from what it said."""

    text: str
    answer: str | None
    status: str
    """ok | unparsable | backend_failed"""
    confidence: float | None
    how: str


class TaskKind(Protocol):
    """One kind of task; implementations are stateless and live in one file each."""

    name: str
    version: int
    """Bumped when the same student would be given other answers."""
    prompt: str
    """Default prompt, a name under `prompts/`."""
    labelled: bool
    """Whether targets come from a fixed set of labels."""

    def answer(
        self,
        student: Student,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Ask the student and read its answers, in the order of `prompts`."""
        ...

    def malformed(
        self, inputs: Mapping[str, str], target: str, labels: Sequence[str]
    ) -> str | None:
        """Return why a generated row is not a row of this task; None when it is one."""
        ...
