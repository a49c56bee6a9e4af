"""Classification: the answer is one of the labels, the one the student finds most likely; or several of them.

Every label is scored as the assistant's whole turn (its tokens and the end of turn), so no reply needs parsing
and a label is never cut short. This is the likelihood scoring of language-model evaluation harnesses, over
the label set of the recipe. A student behind a server tells no likelihoods, and several labels are not one of a
few answers: then what the student writes is read, and counts as a label only when it is one, apart from case and
the punctuation around it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from engine.backends.protocol import Progress, Student, Written
from engine.tasks.protocol import (
    GENERATION,
    LIKELIHOOD,
    Answer,
    Asked,
    PlainRows,
    Reference,
    Task,
    TaskParams,
    empty_input,
    plain,
)

SPARE = 8
"""Tokens beyond one per character of the longest answer, for what stands around it."""
MOST = 5
"""Labels of one row for which tokens are given."""
NONE = "none"
"""What the student says for a row without any label."""
_AROUND = " \t\r\n.,;:!\"'`*()[]"


class Params(TaskParams):
    """Parameters of `classification`."""

    many: bool = False
    """Whether a row has any number of labels: the target is a list, or a text with commas between them."""
    answer: Literal["likelihood", "generation"] = "likelihood"
    """How one label is found: the likeliest, or what the student writes. Several labels are always written."""


class Classification(PlainRows):
    """One label per row from a fixed set, or any number of them."""

    name = "classification"
    version = 2
    prompt = "tasks/classification.md"
    labelled = True
    params: type[TaskParams] = Params
    metrics: tuple[str, ...] = ("accuracy", "macro_f1")
    failure = "accuracy < 1"

    def nested(self, params: Any, target: str) -> frozenset[str]:
        """Return the target where it may be a list of labels."""
        return frozenset({target} if params.many else ())

    def reference(self, inputs: Mapping[str, str], value: Any, params: Any) -> Reference:
        """Return the label as it is; of several labels their canonical form, a JSON list in order."""
        if not params.many:
            label = plain("the target", value)
            return Reference(label, (label,))
        named = value if isinstance(value, list | tuple) else _listed(plain("the target", value))
        labels = [plain("a label", label).strip() for label in named]
        if apart := next((label for label in labels if "," in label), None):
            raise ValueError(f"the label '{apart}' has a comma in it, which parts labels")
        found = canonical(labels)
        return Reference(found, (found,))

    def labels_in(self, target: str, params: Any) -> Sequence[str]:
        """Return the target, or the labels in the JSON list that it is where a row has several."""
        labels: list[str] = json.loads(target) if params.many else [target]
        return labels

    def completion(self, inputs: Mapping[str, str], target: str, params: Any) -> str:
        """Return the label, or the labels with commas between them."""
        return (", ".join(json.loads(target)) or NONE) if params.many else target

    def answer(
        self,
        student: Student,
        asked: Sequence[Asked],
        task: Task,
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return for each row the most likely label, with its probability among all, or what was written."""
        prompts = [each.prompt for each in asked]
        if student.likelihoods and task.params.answer == "likelihood" and not task.params.many:
            chosen = student.choose(prompts, task.labels, adapter, progress)
            return [Answer(c.label, c.label, "ok", c.probability, LIKELIHOOD) for c in chosen]
        longest = max(map(len, task.labels)) * (MOST if task.params.many else 1)
        said = student.write(prompts, longest + SPARE, adapter, progress)
        known = _said_as(task.labels)
        return [_read(turn, known, task.params.many) for turn in said]

    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row is unusable: an empty input, or a target that is no label."""
        if why := empty_input(inputs):
            return why
        named = _canonical_list(target) if task.params.many else [target]
        if named is None:
            return "the target is not a list of labels"
        strange = [label for label in named if label not in task.labels]
        return f"'{strange[0]}' is not one of the {len(task.labels)} labels" if strange else None

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of one label, or of a list of them."""
        label = {"enum": list(task.labels)}
        if not task.params.many:
            return label
        return {"type": "array", "items": label, "minItems": 0, "maxItems": MOST}


def canonical(labels: Any) -> str:
    """Return labels as answers and targets hold them: a JSON list, each once, in order."""
    return json.dumps(sorted({label for label in labels if label}), ensure_ascii=False)


def _canonical_list(target: str) -> list[Any] | None:
    """Return the labels of a target in its canonical form; None for a text that is none."""
    try:
        labels = json.loads(target)
    except ValueError:
        return None
    return labels if isinstance(labels, list) else None


def _listed(text: str) -> list[Any]:
    """Return the labels of a text: a JSON list of them, or commas between them."""
    if not text.lstrip().startswith("["):
        return text.split(",")
    try:
        return list(json.loads(text))
    except ValueError:
        raise ValueError(f"the target '{text[:60]}' begins like a JSON list and is none") from None


def _said_as(labels: Sequence[str]) -> dict[str, str]:
    """Return what each label may be said as: as it is, or else without case and what stands around it."""
    bare = {_bare(label): label for label in reversed(labels) if _bare(label)}
    return bare | {label: label for label in labels}


def _read(said: Written, known: Mapping[str, str], many: bool) -> Answer:
    if said.failure:
        return Answer(said.text, None, "backend_failed", None, GENERATION)
    parts = said.text.split(",") if many else [said.text]
    found = [known.get(part.strip()) or known.get(_bare(part)) for part in parts]
    labels = [label for label in found if label is not None]
    if many and not labels and _bare(said.text) == NONE:
        return Answer(said.text, "[]", "ok", None, GENERATION)
    if len(labels) < len(parts):
        return Answer(said.text, None, "unparsable", None, GENERATION)
    return Answer(said.text, canonical(labels) if many else labels[0], "ok", None, GENERATION)


def _bare(text: str) -> str:
    return text.strip(_AROUND).casefold()
