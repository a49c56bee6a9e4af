"""What a stage knows of an example: the student's prompt for it, and the columns that users' SQL sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.protocol import Message
from engine.rows import Example, Prediction
from engine.spec.prompts import Prompt


def labels_of(params: Mapping[str, Any], examples: Sequence[Example]) -> list[str]:
    """Return the recipe's labels, or those of the training rows in sorted order."""
    declared = params["labels"]
    return (
        list(declared) if declared else sorted({e.target for e in examples if e.split == "train"})
    )


def student_prompt(
    prompt: Prompt, example: Example, labels: Sequence[str], description: str
) -> tuple[Message, ...]:
    """Return the turns that the student sees for an example: the same in training and in evaluation."""
    turns = prompt.render(
        {"row": dict(example.inputs), "labels": list(labels), "description": description}
    )
    return tuple(Message(role, content) for role, content in turns)


def sql_row(
    example: Example, prediction: Prediction, target: str, scores: Mapping[str, float | None]
) -> dict[str, Any]:
    """Return the columns of one prediction for users' SQL: the row's own, `prediction` and the scores.

    A score hides a column of the same name; `pada validate` refuses such a recipe.
    """
    return {
        **example.columns,
        **example.inputs,
        target: example.target,
        "target": example.target,
        "prediction": prediction.answer,
        **scores,
    }
