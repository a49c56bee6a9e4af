"""The critical path: the longest chain of a plan, and the work of all its nodes."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.identity import Params
from engine.plan.duration.critical import Critical, critical_path
from engine.plan.graph import Node, Plan, Return


def _node(name: str, *inputs: str, returns: Return | None = None) -> Node:
    edges = {f"edge {i}": source for i, source in enumerate(inputs)}
    return Node(name, "stage", Params(), {}, name, edges, returns=returns)


DIAMOND = Plan(
    [
        _node("load"),
        _node("untuned", "load"),
        _node("train", "load"),
        _node("predict", "train"),
        _node("report", "untuned", "predict"),
    ]
)


def test_the_longest_chain_is_the_path() -> None:
    seconds = {"load": 1.0, "untuned": 5.0, "train": 30.0, "predict": 4.0, "report": 0.5}
    path = ("load", "train", "predict", "report")
    assert critical_path(DIAMOND, seconds) == Critical(path, 35.5, 40.5)
    assert critical_path(DIAMOND, {**seconds, "untuned": 35.0}).path == (
        "load",
        "untuned",
        "report",
    )


def test_what_is_finished_takes_nothing_and_is_not_on_the_path() -> None:
    found = critical_path(DIAMOND, {"untuned": 5.0, "predict": 4.0, "report": 0.5})
    assert found == Critical(("untuned", "report"), 5.5, 9.5)
    assert critical_path(DIAMOND, {}) == Critical((), 0.0, 0.0)
    assert critical_path(Plan([]), {}) == Critical((), 0.0, 0.0)


def test_a_rolled_back_round_is_waited_for() -> None:
    returns = Return("decide", {"score": {0: "first"}})
    nodes = [_node("first"), _node("decide"), _node("draw", returns=returns)]
    found = critical_path(Plan(nodes), {"first": 3.0, "decide": 2.0, "draw": 1.0})
    assert found == Critical(("first", "draw"), 4.0, 6.0)


@pytest.mark.parametrize("seconds", [{"nobody": 1.0}, {"load": -1.0}, {"load": float("nan")}])
def test_seconds_that_mean_nothing_are_refused(seconds: Mapping[str, float]) -> None:
    with pytest.raises(ValueError, match=r"no node|cannot take"):
        critical_path(DIAMOND, seconds)


def _chains(plan: Plan, name: str) -> list[tuple[str, ...]]:
    """Return every chain that ends at a node."""
    sources = plan.nodes[name].sources
    return [(name,)] + [(*chain, name) for source in sources for chain in _chains(plan, source)]


@given(some.data())
def test_no_chain_is_longer(data: some.DataObject) -> None:
    names = [f"n{i}" for i in range(data.draw(some.integers(1, 7)))]
    nodes = [
        _node(name, *data.draw(some.lists(some.sampled_from(names[:i] or [name]), unique=True)))
        if i
        else _node(name)
        for i, name in enumerate(names)
    ]
    plan = Plan(nodes)
    seconds = {name: float(data.draw(some.integers(0, 9))) for name in names}
    found = critical_path(plan, seconds)
    lengths = [sum(seconds[n] for n in chain) for name in names for chain in _chains(plan, name)]
    assert found.length == max(lengths)
    assert sum(seconds[name] for name in found.path) == found.length
    assert all(a in plan.nodes[b].sources for a, b in zip(found.path, found.path[1:], strict=False))
