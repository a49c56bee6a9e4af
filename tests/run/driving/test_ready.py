"""Which nodes may be worked on, and in which order."""

from __future__ import annotations

from engine.identity import Params
from engine.plan.graph import Node, Plan
from engine.run.driving.ready import Ready


def node(name: str, *sources: str) -> Node:
    return Node(name, "score", Params(), {}, f"id of {name}", {s: s for s in sources})


PLAN = Plan(
    [
        node("load"), node("a/train", "load"), node("a/predict", "a/train", "load"), node("b/train", "load"),
        node("b/predict", "b/train"), node("track", "a/predict", "b/predict", "load"),
    ]
)  # fmt: skip


def freed(ready: Ready) -> list[str]:
    found = []
    while (one := ready.freed()) is not None:
        found.append(one.name)
    return found


def test_a_node_is_free_once_when_all_that_it_reads_is_settled() -> None:
    ready, nodes = Ready(PLAN), PLAN.nodes
    assert freed(ready) == ["load"]
    ready.settle(nodes["load"])
    assert freed(ready) == ["a/train", "b/train"]
    ready.settle(nodes["b/train"])
    ready.settle(nodes["b/predict"])
    assert freed(ready) == ["b/predict"]
    ready.settle(nodes["a/train"])
    ready.settle(nodes["a/predict"])
    assert freed(ready) == ["a/predict", "track"]


def test_the_plan_s_first_node_goes_first_whatever_came_first() -> None:
    ready, nodes = Ready(PLAN), PLAN.nodes
    ready.push(nodes["track"], "driver")
    ready.push(nodes["b/train"], "slot")
    ready.push(nodes["a/train"], "slot")
    assert ready.pop(["alone"]) is None
    assert ready.pop(["driver"]) == (nodes["track"], "driver")
    ready.push(nodes["track"], "driver")
    assert [ready.pop(["driver", "slot"]) for _ in range(4)] == [
        (nodes["a/train"], "slot"),
        (nodes["b/train"], "slot"),
        (nodes["track"], "driver"),
        None,
    ]
