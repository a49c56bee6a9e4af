"""Rows of a small task and the batches that tests put before the gates."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.rows import Candidate, Example
from engine.spec.recipe import Neighbours, Quality, Similarity
from engine.stages.quality import GATES, Batch, GateResult, SeedRule, apply_gates
from engine.stages.quality.leak_guard import Embed, LeakGuards
from engine.tasks import TASKS, Task

TRAIN = {
    "late_delivery": [
        "where is my box, it should have been here by noon",
        "my parcel has not arrived yet",
        "the delivery is two days late",
        "still waiting for yesterday's order",
        "the courier never showed up this morning",
        "how much longer do I have to wait for my dinner",
        "nothing came today although you promised it",
    ],
    "damaged_item": [
        "the avocado in my box was brown and soft",
        "the milk bottle arrived broken",
        "two eggs were cracked when I opened the box",
        "the salad was rotten",
        "my bread came squashed flat",
        "the yoghurt had leaked all over the vegetables",
        "half of the strawberries had mould on them",
    ],
    "cancel_subscription": [
        "please cancel my subscription",
        "I want to stop my weekly box",
        "end my contract from next month",
        "I no longer want to get deliveries",
        "how do I quit the service",
        "no more boxes for me after this one",
        "take me off your list of customers",
    ],
}
EVALUATION = {
    "late_delivery": ["I waited the whole afternoon and nobody rang the bell with my dinner"],
    "damaged_item": ["the tomatoes were mouldy on one side"],
    "cancel_subscription": ["I would like to finish my membership today please"],
}
KEEPS, CHANGES = "paraphrase", "contrast_pair"
"""An operator whose rows keep their seed row's label, and one whose rows have another."""


BY_WORDS = Quality(similarity=Similarity(low_quantile=0.9), neighbours=Neighbours(quantile=0.5))
"""Strict quantiles, for embeddings of words: what training rows of one label share there is little."""


def train_row(text: str, target: str = "x") -> Example:
    return Example(f"train {text}", "train", {"text": text}, target, {}, "f", 1)


def evaluation_row(text: str, target: str = "x") -> Example:
    return Example(f"validation {text}", "validation", {"text": text}, target, {}, "f", 1)


def small_task() -> list[Example]:
    """Return training and evaluation rows with three labels."""
    rows = [train_row(text, label) for label, texts in TRAIN.items() for text in texts]
    return rows + [
        evaluation_row(text, label) for label, texts in EVALUATION.items() for text in texts
    ]


def candidate(text: str, target: str, parent: str, operator: str = KEEPS) -> Candidate:
    """Return a row that an operator wrote from the training row with the text `parent`."""
    return Candidate(
        text, f"train {parent}", "p", "s", operator, 1, {"text": text}, target, "", "", ""
    )


def judged(
    candidates: Sequence[Candidate],
    examples: Sequence[Example],
    embed: Embed,
    *,
    kind: str = "classification",
    params: Mapping[str, Any] | None = None,
    labels: Sequence[str] | None = None,
    accepted: Sequence[tuple[str, str]] = (),
    only: Sequence[str] = tuple(GATES),
    quality: Quality | None = None,
    modes: Mapping[str, Any] | None = None,
    seed_rules: Sequence[SeedRule] = (),
    many: bool = False,
) -> list[GateResult]:
    """Return what the gates named by `only` say of candidates, with the settings of `quality`.

    The task's labels are the training rows' targets, where they are not given; a gate without a mode rejects.
    """
    train = [e for e in examples if e.split == "train"]
    task_kind, guards = TASKS[kind], LeakGuards(embed)
    if labels is None:
        labels = sorted({e.target for e in train}) if task_kind.labelled else []
    batch = Batch(
        candidates=candidates,
        kind=task_kind,
        task=Task(tuple(labels), task_kind.params.model_validate(params or {})),
        train=train,
        accepted=[({"text": text}, target) for text, target in accepted],
        embed=embed,
        leak_guard=lambda ngram, quantile: guards.get(task_kind, examples, ngram, quantile),
        seed_rules=seed_rules or [SeedRule(name=KEEPS, keeps=True)],
        many=many,
    )
    quality = quality or Quality()
    return apply_gates(
        batch,
        [
            (gate, gate.settings(quality), gate.mode({}, modes or {}))
            for name, gate in GATES.items()
            if name in only
        ],
    )
