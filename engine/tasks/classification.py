"""Classification: the answer is one of the labels, the one the student finds most likely; or several of them.

Every label is scored as the assistant's whole turn (its tokens and the end of turn), so no reply needs parsing
and a label is never cut short. This is the likelihood scoring of language-model evaluation harnesses, over
the label set of the recipe. A student behind a server tells no likelihoods, and several labels are not one of a
few answers: then what the student writes is read, and counts as a label only when it is one, apart from case and
the punctuation around it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from engine import json_text
from engine.tasks.protocol import Options, Reference, Task, TaskKind, TaskParams, plain

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


class Classification(TaskKind):
    """One label per row from a fixed set, or any number of them."""

    name = "classification"
    version = 2
    sentence = "A text gets one label of a fixed set."
    prompt = "tasks/classification.md"
    params = Params
    labelled = True
    metrics = ("accuracy", "macro_f1")
    failure = "accuracy < 1"
    agreement = "accuracy"

    def nested(self, params: Params, target: str) -> frozenset[str]:
        """Return the target where it may be a list of labels."""
        return frozenset({target} if params.many else ())

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the label as it is; of several labels their canonical form, a JSON list in order."""
        if not params.many:
            label = plain("the target", value)
            return Reference(label, (label,))
        named = value if isinstance(value, list | tuple) else _split(plain("the target", value))
        labels = [plain("a label", label).strip() for label in named]
        if apart := next((label for label in labels if "," in label), None):
            raise ValueError(f"the label '{apart}' has a comma in it, which parts labels")
        target = canonical(labels)
        return Reference(target, (target,))

    def told(self, params: Params) -> str:
        """Return that it is one label, or any number of them."""
        return "A text gets any number of labels of a fixed set." if params.many else self.sentence

    def labels_in(self, target: str, params: Params) -> Sequence[str]:
        """Return the target, or the labels in the JSON list that it is where a row has several."""
        labels: list[str] = json.loads(target) if params.many else [target]
        return labels

    def relabelled(self, target: str, names: Mapping[str, str], params: Params) -> str:
        """Return the label as `names` has it, or the list of labels."""
        labels = [names.get(label, label) for label in self.labels_in(target, params)]
        return canonical(labels) if params.many else labels[0]

    def answer_form(self, task: Task) -> str:
        """Return that it is a label, or a list of them."""
        return (
            "a list of labels, possibly empty" if task.params.many else "exactly one of the labels"
        )

    def completion(self, inputs: Mapping[str, str], target: str, params: Params) -> str:
        """Return the label, or the labels with commas between them."""
        return ", ".join(self.labels_in(target, params)) or NONE if params.many else target

    def options(self, inputs: Mapping[str, str], task: Task) -> Options | None:
        """Return the labels, where a row has one and it is not written."""
        if task.params.many or task.params.answer == "generation":
            return None
        return Options({label: label for label in task.labels})

    def max_tokens(self, inputs: Mapping[str, str], task: Task) -> int:
        """Return one token per character of the longest label, or of as many labels as a row may have."""
        return max(map(len, task.labels)) * (MOST if task.params.many else 1) + SPARE

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the label that was written, or several; None where anything else was, too."""
        labels = _spellings(task.labels)
        parts = text.split(",") if task.params.many else [text]
        named = [labels.get(part.strip()) or labels.get(_bare(part)) for part in parts]
        known = [label for label in named if label is not None]
        if task.params.many and not known and _bare(text) == NONE:
            return canonical([])
        if len(known) < len(parts):
            return None
        return canonical(known) if task.params.many else known[0]

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row does not fit the task: its target, or a part of it, is no label."""
        named = _listed(target) if task.params.many else [target]
        if named is None:
            return "the target is not a list of labels"
        strange = [label for label in named if label not in task.labels]
        return f"'{strange[0]}' is not one of the {len(task.labels)} labels" if strange else None

    def as_written(self, target: str, params: Params) -> Any:
        """Return the label, or the list of labels."""
        return json.loads(target) if params.many else target

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of one label, or of a list of them."""
        label = {"enum": list(task.labels)}
        if not task.params.many:
            return label
        return {"type": "array", "items": label, "minItems": 0, "maxItems": MOST}

    def chosen(self, params: Params) -> bool:
        """Return whether a row has one label."""
        return not params.many

    def blind_answer(self, value: Any, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the label, or several in their canonical form."""
        return canonical(value) if task.params.many else str(value)


def canonical(labels: Iterable[str]) -> str:
    """Return labels as answers and targets hold them: a JSON list, each once, in order."""
    return json.dumps(sorted({label for label in labels if label}), ensure_ascii=False)


def _listed(target: str) -> list[Any] | None:
    """Return the labels in a target that should be a list of them; None for a text that is no list."""
    try:
        labels = json.loads(target)
    except ValueError:
        return None
    return labels if isinstance(labels, list) else None


def _split(text: str) -> list[Any]:
    """Return the labels of a text: a JSON list of them, or commas between them."""
    if not text.lstrip().startswith("["):
        return text.split(",")
    try:
        return list(json_text.parse(text))
    except ValueError:
        raise ValueError(f"the target '{text[:60]}' begins like a JSON list and is none") from None


@lru_cache(maxsize=8)
def _spellings(labels: tuple[str, ...]) -> Mapping[str, str]:
    """Return what each label may be written as: as it is, or else without case and surrounding characters."""
    bare = {_bare(label): label for label in reversed(labels) if _bare(label)}
    return bare | {label: label for label in labels}


def _bare(text: str) -> str:
    return text.strip(_AROUND).casefold()
