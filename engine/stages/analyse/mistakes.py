"""How the teacher is shown what the student got wrong, and what it got right: the same words for every kind of task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.rows import Example, Failure, Prediction
from engine.stages.blocks import cut, row_block, shown_row
from engine.stages.task_view import TaskView
from engine.wording import words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

UNREADABLE = "unreadable"
"""What stands for an answer that could not be read."""
UNKNOWN = "not known; a user rejected the student's answer"
"""What stands for the right answer of a logged row without one."""
_NOTHING = "(nothing)"
_LONGEST_SAID = 2000
"""Characters of a student's answer that a prompt shows."""
_OMISSIONS = ("[…]", "[...]", "…", "...")


def label_text(task: TaskView, target: str | None) -> str:
    """Return a target or answer in words, where targets are labels: several of them with commas between."""
    if target is None:
        return UNREADABLE
    return ", ".join(task.entry.labels_in(target, task.settings)) or "none"


def labels_of(task: TaskView, failures: Sequence[Failure]) -> list[str]:
    """Return the labels that some failures are about, right and wrong ones; none where targets are no labels."""
    if not task.labelled:
        return []
    named = [text for f in failures for text in (f.target, f.answer) if text]
    return [label for text in named for label in task.entry.labels_in(text, task.settings)]


def right_of(task: TaskView, example: Example) -> dict[str, str]:
    """Return what is right for a row, under what it is called: its answer, and others that are right too."""
    if not example.target:
        return {"right answer": UNKNOWN}
    target = label_text(task, example.target) if task.labelled else example.target
    others = [text for text in example.references if not task.labelled and text not in target]
    return {"right answer": target, **({"also right": "; ".join(others)} if others else {})}


def success(task: TaskView, example: Example, prediction: Prediction) -> dict[str, str]:
    """Return a row that the student gets right as prompts name its parts."""
    right = right_of(task, example)
    said = prediction.text.strip()
    if not task.labelled and said != right["right answer"]:
        right["the student's whole answer"] = cut(said, _LONGEST_SAID)
    return {"block": row_block(example.inputs), "answers": _answers(right)}


def answered(task: TaskView, example: Example) -> dict[str, str]:
    """Return a training row as prompts name its parts."""
    return {"block": row_block(example.inputs), "answers": _answers(right_of(task, example))}


def _answers(texts: Mapping[str, str]) -> str:
    """Return texts by what they are between tags; one of several lines begins on a line of its own."""
    apart = {name: f"\n{text}" if "\n" in text else text for name, text in texts.items()}
    return row_block(apart, "data")


def mistake(
    task: TaskView,
    number: int,
    failure: Failure,
    example: Example,
    prediction: Prediction | None,
    scores: Mapping[str, float | None],
) -> dict[str, Any]:
    """Return one failure as prompts name its parts.

    Args:
        task: The task.
        number: Its number in the call, from 1.
        failure: The failure.
        example: Its row.
        prediction: What the student said; None where it is not available.
        scores: Metric -> value; None could not be scored.
    """
    text = prediction.text if prediction is not None else failure.answer or ""
    said = cut(text, _LONGEST_SAID) if text.strip() else _NOTHING
    read = UNREADABLE if failure.answer is None else failure.answer
    if task.labelled:
        read = label_text(task, failure.answer)
    right = right_of(task, example)
    answer = {"the student's whole answer": said}
    if failure.answer is None:
        answer["read from it"] = "nothing: it is unreadable as an answer to this task"
    elif read != said.strip():
        answer["read from it"] = read
    confidence = prediction.confidence if prediction is not None else None
    return {
        "id": f"f{number}",
        "row": shown_row(example.inputs),
        "block": row_block(example.inputs),
        "answers": _answers({**right, **answer}),
        "right": right["right answer"],
        "said": said,
        "read": read,
        "scores": _scores(scores),
        "confidence": "" if confidence is None else f"{confidence:.0%}",
    }


def _scores(scores: Mapping[str, float | None]) -> str:
    """Return scores in words; nothing where they say no more than that the row is failed."""
    if all(value == 0 for value in scores.values()) or (
        len(scores) == 1 and not any(scores.values())
    ):
        return ""
    return ", ".join(f"{name} {_score(value)}" for name, value in sorted(scores.items()))


def _score(value: float | None) -> str:
    return "could not be computed" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def nearest_pairs(
    failed: npt.NDArray[np.float32], passed: npt.NDArray[np.float32], most: int
) -> list[int]:
    """Return the places of the passed rows that are nearest to some failed ones, at most so many, nearest first.

    Each failed row brings its nearest before one brings a second.

    Args:
        failed: Unit-length embeddings, shape (failed rows, dimensions).
        passed: The same of passed rows.
        most: Most places.
    """
    import numpy as np

    if not most or not len(failed) or not len(passed):
        return []
    similarities = failed @ passed.T
    chosen: list[int] = []
    while len(chosen) < min(most, len(passed)):
        turn = similarities.copy()
        turn[:, chosen] = -np.inf
        for _ in range(min(most - len(chosen), len(failed), len(passed) - len(chosen))):
            row, place = np.unravel_index(int(turn.argmax()), turn.shape)
            chosen.append(int(place))
            turn[row, :] = -np.inf
            turn[:, place] = -np.inf
    return chosen


def is_quoted(quote: str, texts: Sequence[str]) -> bool:
    """Return whether a quote stands in one of some texts, but for case, spaces and punctuation.

    Where something is left out of a quote, each of its parts must stand there.
    """
    for mark in _OMISSIONS:
        quote = quote.replace(mark, "\n…\n")
    parts = [part.strip() for part in quote.split("\n…\n") if part.strip()]
    return bool(parts) and any(all(_stands_in(part, text) for part in parts) for text in texts)


def _stands_in(part: str, text: str) -> bool:
    spaced = " ".join(part.casefold().split())
    # Not every script parts its words, so characters count first.
    if spaced in " ".join(text.casefold().split()):
        return True
    plain = words(part)
    return bool(plain) and f" {' '.join(plain)} " in f" {' '.join(words(text))} "
