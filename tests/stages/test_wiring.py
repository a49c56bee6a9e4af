"""Edges: a wrong one is refused with both of its ends, and what was taken apart is put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rows import Drop
from engine.stages import STAGES, AnyStage
from engine.stages.outputs import (
    Attempt,
    Evaluated,
    Generated,
    Judged,
    Loaded,
    Output,
    Rated,
    Scored,
    SelectedRows,
)
from engine.stages.protocol import Inputs
from engine.stages.wiring import Slot, Wire, assemble, flatten, slots


@dataclass(frozen=True)
class Reading(Inputs):
    """One input of each sort."""

    load: Loaded
    rate: Rated | None = None
    earlier: tuple[SelectedRows, ...] = ()
    attempts: tuple[Attempt, ...] = ()


NODES: Mapping[str, type[Output]] = {
    "load": Loaded,
    "r0/rate": Rated,
    "r0/select": SelectedRows,
    "r0/generate-1": Generated,
    "r0/judge-1": Judged,
}
GENERATED: dict[int, dict[str, str]] = {1: {"generate": "r0/generate-1", "judge": "r0/judge-1"}}


def test_every_sort_of_input_becomes_flat_names_with_round_or_attempt() -> None:
    wires: dict[str, Wire] = {
        "load": "load",
        "rate": "r0/rate",
        "earlier": {0: "r0/select"},
        "attempts": GENERATED,
    }
    assert flatten("reader", Reading, wires, NODES) == {
        "load": "load",
        "rate": "r0/rate",
        "earlier.0": "r0/select",
        "attempts.1.generate": "r0/generate-1",
        "attempts.1.judge": "r0/judge-1",
    }
    assert flatten("reader", Reading, {"load": "load"}, NODES) == {"load": "load"}


@pytest.mark.parametrize(
    ("wires", "message"),
    [
        ({"load": "r0/rate"}, "reader.load takes a Loaded, but r0/rate gives a Rated"),
        ({"load": "lost"}, "reader.load: there is no node 'lost' before it"),
        ({"load": {0: "load"}}, "reader.load takes one node, not several: load"),
        ({"rate": "r0/select"}, "reader.rate takes a Rated, but r0/select gives a SelectedRows"),
        ({"rate": {}}, "reader.rate takes one node, not several: none"),
        ({"earlier": "r0/select"}, "reader.earlier takes nodes by number, not the one node r0/select"),
        ({"earlier": {0: "load"}}, "reader.earlier.0 takes a SelectedRows, but load gives a Loaded"),
        ({"earlier": {3: "r3/select"}}, "reader.earlier.3: there is no node 'r3/select' before it"),
        (
            {"earlier": GENERATED},
            "reader.earlier.1 takes one node, not several: generate: r0/generate-1, judge: r0/judge-1",
        ),
        ({"attempts": {1: "r0/judge-1"}}, "reader.attempts.1 takes generate and judge, not r0/judge-1"),
        (
            {"attempts": {1: {"judge": "r0/judge-1"}}},
            "reader.attempts.1 takes generate and judge, not judge: r0/judge-1",
        ),
        (
            {"attempts": {2: {**GENERATED[1], "rate": "r0/rate"}}},
            "reader.attempts.2 takes generate and judge, "
            "not generate: r0/generate-1, judge: r0/judge-1, rate: r0/rate",
        ),
        (
            {"attempts": {1: {"generate": "r0/judge-1", "judge": "r0/generate-1"}}},
            "reader.attempts.1.generate takes a Generated, but r0/judge-1 gives a Judged",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_wrong_edge_names_both_ends(wires: dict[str, Wire], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        flatten("reader", Reading, {"load": "load", **wires}, NODES)
    assert str(caught.value) == message


def test_an_input_that_is_not_there_or_is_missing_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"^reader has no input 'laod' for r0/rate; it has: load, rate, "
    ):
        flatten("reader", Reading, {"laod": "r0/rate"}, NODES)
    with pytest.raises(TypeError, match=r"^reader\.load needs a Loaded$"):
        flatten("reader", Reading, {"rate": "r0/rate"}, NODES)


@pytest.mark.parametrize(
    "hint",
    [int, Any, Output | int, Loaded | Rated, Evaluated, list[Loaded], tuple[Loaded], tuple[Loaded, Rated],
     tuple[Loaded, Rated, Scored], tuple[()], tuple[str, ...], tuple[Loaded | None, ...], None],
    ids=str,
)  # fmt: skip
def test_a_field_that_no_edge_can_fill_is_refused(hint: Any) -> None:
    class Wrong(Inputs):
        pass

    Wrong.__annotations__ = {"source": hint}
    broken = dataclass(frozen=True)(Wrong)
    with pytest.raises(TypeError, match=r"Wrong\.source: .* is no output"):
        slots(broken)


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda s: s.name)
def test_the_inputs_of_every_stage_can_be_wired(stage: AnyStage) -> None:
    for name, slot in slots(stage.inputs).items():
        assert isinstance(slot, Slot)
        assert slot.kind.__module__.split(".")[-1] == "outputs", name


def _output(kind: type[Output], node: str) -> Output:
    """Return an output that no other node has."""
    return kind((Drop("", node, "duplicate", ""),))


numbers = st.lists(st.integers(-1, 30), unique=True, max_size=5).map(sorted)


@given(rated=st.booleans(), earlier=numbers, attempts=numbers)
def test_assembling_is_the_inverse_of_flattening(
    rated: bool, earlier: list[int], attempts: list[int]
) -> None:
    outputs: dict[str, Output] = {"load": _output(Loaded, "load")}
    wires: dict[str, Wire] = {"load": "load"}
    expected: dict[str, Any] = {"load": outputs["load"]}

    def node(kind: type[Output], name: str) -> str:
        outputs[name] = _output(kind, name)
        return name

    if rated:
        wires["rate"] = node(Rated, "rate")
        expected["rate"] = outputs["rate"]
    selected = {n: node(SelectedRows, f"{n}/select") for n in earlier}
    wires["earlier"] = selected
    expected["earlier"] = tuple(outputs[name] for name in selected.values())
    made = {
        n: {"generate": node(Generated, f"generate-{n}"), "judge": node(Judged, f"judge-{n}")}
        for n in attempts
    }
    wires["attempts"] = made
    expected["attempts"] = tuple(
        Attempt(n, Generated(outputs[m["generate"]].rows), Judged(outputs[m["judge"]].rows))
        for n, m in made.items()
    )
    kinds = {name: type(output) for name, output in outputs.items()}
    edges = flatten("reader", Reading, wires, kinds)
    assembled = assemble(Reading, {edge: outputs[name] for edge, name in edges.items()})
    assert assembled == Reading(**expected)
    assert isinstance(assembled.load, Loaded)
