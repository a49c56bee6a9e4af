"""Edges between nodes: checked against the types of a stage's inputs, and put together again when it runs.

Edges are flat names: `load`, `earlier.0`, `attempts.1.generate`; the number is the round or attempt.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from engine.stages.outputs import Bundle, Output
from engine.stages.protocol import Inputs

Wire = str | Mapping[int, str] | Mapping[int, Mapping[str, str]]
"""The node behind an input; for a tuple, those by number; for a tuple of bundles, their fields by number."""

_HINTS: dict[type, Mapping[str, Any]] = {}
"""The types of the fields of each dataclass that was asked for: evaluating them takes most of what a plan takes."""

I = TypeVar("I", bound=Inputs)  # noqa: E741


class Slot(NamedTuple):
    """One field of a stage's inputs."""

    kind: type[Output] | type[Bundle]
    many: bool
    needed: bool


def slots(inputs: type[Inputs]) -> Mapping[str, Slot]:
    """Return the fields of a stage's inputs; raises TypeError for a field that no edge can fill."""
    hints = _hints(inputs)
    return {one.name: _slot(inputs, one.name, hints[one.name]) for one in fields(inputs)}


def _hints(kind: type) -> Mapping[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind)
    return _HINTS[kind]


def _slot(inputs: type[Inputs], name: str, hint: Any) -> Slot:
    if get_origin(hint) is tuple and get_args(hint)[1:] == (Ellipsis,):
        element = get_args(hint)[0]
        if isinstance(element, type) and issubclass(element, Output | Bundle):
            return Slot(element, True, False)
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [option for option in options if option is not type(None)]
    if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], Output):
        return Slot(kinds[0], False, len(options) == 1)
    raise TypeError(f"{inputs.__name__}.{name}: {hint} is no output, nor a tuple of them")


def _bundled(bundle: type[Bundle]) -> Mapping[str, type[Output]]:
    hints = _hints(bundle)
    return {one.name: hints[one.name] for one in fields(bundle) if one.name != "number"}


def flatten(
    name: str, inputs: type[Inputs], wires: Mapping[str, Wire], outputs: Mapping[str, type[Output]]
) -> dict[str, str]:
    """Return edge -> node, each checked against the type of its field.

    Args:
        name: The node that reads, for messages.
        inputs: The type of its inputs.
        wires: Field -> the nodes behind it.
        outputs: Node -> what it hands on.

    Raises:
        TypeError: a field that does not exist, one that is missing, or a node whose output does not fit; both ends
            are named.
    """
    known = slots(inputs)
    if unknown := sorted(wires.keys() - known.keys()):
        raise TypeError(
            f"{name} has no input '{unknown[0]}' for {_nodes(wires[unknown[0]])}; it has: {', '.join(known)}"
        )
    if missing := [field for field, slot in known.items() if slot.needed and field not in wires]:
        raise TypeError(f"{name}.{missing[0]} needs a {known[missing[0]].kind.__name__}")
    edges = {}
    for field, wire in wires.items():
        for edge, node, kind in _ends(name, field, known[field], wire):
            if node not in outputs:
                raise TypeError(f"{name}.{edge}: there is no node '{node}' before it")
            if not issubclass(outputs[node], kind):
                raise TypeError(
                    f"{name}.{edge} takes a {kind.__name__}, but {node} gives a {outputs[node].__name__}"
                )
            edges[edge] = node
    return edges


def _ends(name: str, field: str, slot: Slot, wire: Wire) -> Iterator[tuple[str, str, type[Output]]]:
    """Yield (edge, node, the output that fits there)."""
    if isinstance(wire, str):
        if slot.many or not issubclass(slot.kind, Output):
            raise TypeError(f"{name}.{field} takes nodes by number, not the one node {wire}")
        yield field, wire, slot.kind
        return
    if not slot.many:
        raise TypeError(f"{name}.{field} takes one node, not several: {_nodes(wire)}")
    for number, ends in wire.items():
        if issubclass(slot.kind, Output):
            if not isinstance(ends, str):
                raise TypeError(
                    f"{name}.{field}.{number} takes one node, not several: {_nodes(ends)}"
                )
            yield f"{field}.{number}", ends, slot.kind
            continue
        parts = _bundled(slot.kind)
        if isinstance(ends, str) or ends.keys() != parts.keys():
            raise TypeError(
                f"{name}.{field}.{number} takes {' and '.join(parts)}, not {_nodes(ends)}"
            )
        for part, node in ends.items():
            yield f"{field}.{number}.{part}", node, parts[part]


def _nodes(wire: Wire | Mapping[str, str]) -> str:
    """Return the nodes behind an input, for messages: those of a bundle with the part that each is for."""
    if isinstance(wire, str):
        return wire
    ends = [
        f"{key}: {_nodes(end)}" if isinstance(key, str) else _nodes(end)
        for key, end in wire.items()
    ]
    return ", ".join(ends) or "none"


def assemble(inputs: type[I], outputs: Mapping[str, Output]) -> I:
    """Return a stage's inputs, from edge -> output of the node behind it."""
    values: dict[str, Any] = {}
    for field, slot in slots(inputs).items():
        if not slot.many:
            if field in outputs:
                values[field] = outputs[field]
            continue
        numbered: dict[int, dict[str, Output]] = {}
        for edge, output in outputs.items():
            first, _, rest = edge.partition(".")
            if first == field:
                number, _, part = rest.partition(".")
                numbered.setdefault(int(number), {})[part] = output
        if issubclass(slot.kind, Bundle):
            kind: Any = slot.kind
            values[field] = tuple(kind(number, **parts) for number, parts in numbered.items())
        else:
            values[field] = tuple(parts[""] for parts in numbered.values())
    return inputs(**values)
