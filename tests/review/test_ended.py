"""What the next run would redo: what follows from verdicts is told apart from what was to be done anyway."""

from __future__ import annotations

from engine.identity import Params
from engine.plan.explain import NodeState, State
from engine.plan.graph import Node
from engine.review import redone


def state(name: str, kind: State, because: str = "", *before: str) -> NodeState:
    stage = name.rsplit("/", 1)[-1]
    inputs = {f"from-{number}": source for number, source in enumerate(before)}
    return NodeState(Node(name, stage, Params(), {}, name, inputs), kind, because)


def test_what_follows_from_verdicts_comes_first() -> None:
    found = redone(
        [
            state("load", "cached"),
            state("other/train", "changed", "params: 1 -> 2", "load"),
            state("other/predict", "changed", "input changed: other/train", "other/train"),
            state("round-0/select", "changed", "version: 1 -> 2; reviews: 2 new", "load"),
            state("round-1/train", "changed", "input changed: round-0/select", "round-0/select"),
            state("round-2/train", "pending", "", "round-1/train"),
        ]
    )
    assert found.nodes == 6
    assert found.follow == 2
    assert [one.node.name for one in found.open] == [
        "round-0/select", "round-1/train", "other/train", "round-2/train", "other/predict",
    ]  # fmt: skip


def test_mended_rows_are_a_reason_and_steps_that_never_ran_are_none() -> None:
    found = redone(
        [state("mend", "pending"), state("train", "changed", "input changed: mend", "mend")]
    )
    assert (found.follow, found.open[0].because) == (2, "reviews of training rows")
    found = redone([state("train", "pending"), state("predict", "pending", "", "train")])
    assert (found.follow, len(found.open)) == (0, 2)
