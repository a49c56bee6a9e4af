"""explain: what a plan would do, as text or as a Mermaid graph. Reads nothing; takes what is finished as values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

from engine.identity import defaults
from engine.plan.graph import UNFETCHED, Node, Plan

AFTER_DOWNLOAD = "not known before its weights are downloaded"
"""Why a node is pending whose fingerprint is not known yet: weights that it rests on are not on this machine."""
State = Literal["cached", "pending", "changed"]


class NodeState(NamedTuple):
    """The state of one node, and why it is not cached."""

    node: Node
    state: State
    because: str


def states(
    plan: Plan, finished: Collection[str], last: Mapping[str, Mapping[str, Any]]
) -> list[NodeState]:
    """Return the state of every node, in plan order.

    Args:
        plan: The plan.
        finished: Fingerprints of finished nodes.
        last: Node name -> the identity of the latest finished node of that name.
    """
    node_states: dict[str, NodeState] = {}
    for node in plan.nodes.values():
        if node.id in finished:
            node_states[node.name] = NodeState(node, "cached", "")
            continue
        if _unfetched(node) or any(
            node_states[source].because == AFTER_DOWNLOAD for source in node.inputs.values()
        ):
            node_states[node.name] = NodeState(node, "pending", AFTER_DOWNLOAD)
            continue
        last_identity = last.get(node.name)
        if last_identity is None:
            node_states[node.name] = NodeState(
                node, "pending", "if the loop ends here" if node.only_if_final else ""
            )
        else:
            node_states[node.name] = NodeState(node, "changed", _because(node, last_identity))
    return list(node_states.values())


def _unfetched(node: Node) -> bool:
    """Return whether weights that decide a node's rows are not on this machine yet."""
    return any(str(model[0]).startswith(UNFETCHED) for model in node.identity["models"].values())


def _because(node: Node, before: Mapping[str, Any]) -> str:
    """Say what differs, the cause before its consequence: inputs are named only when nothing else differs."""
    changes = []
    for key in ("version", "params", "prompts", "models", "seed"):
        known = defaults(node.params) if key == "params" else {}
        changes.extend(_differences(key, node.identity[key], before.get(key), known))
    if changes:
        return "; ".join(changes[:3]) + (f"; {len(changes) - 3} more" if len(changes) > 3 else "")
    if ("returns" in before) != (node.returns is not None):
        return "loop.regressions: rounds may be rolled back, or no longer"
    edges = [
        node.inputs[edge]
        for edge, fingerprint in node.identity["inputs"].items()
        if before.get("inputs", {}).get(edge) != fingerprint
    ]
    if node.returns is not None and before["returns"] != node.identity["returns"]:
        edges.append(node.returns.decided)
    return (
        f"input changed: {', '.join(edges[:3])}" if edges else "made by another version of the plan"
    )


def _differences(path: str, now: Any, before: Any, known: Any) -> list[str]:
    """Say what differs between two parts of identities; `known` has the values of fields that they leave out."""
    if now == before:
        return []
    left_out = known if isinstance(known, Mapping) else {}
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        return [
            change
            for key in dict.fromkeys([*before, *now])
            for default in [left_out.get(key)]
            for change in _differences(
                # No recipe has a key of this name: the settings of a thing are its own.
                path if key == "settings" else f"{path}.{key}",
                now.get(key, default),
                before.get(key, default),
                default,
            )
        ]
    shown = path.removeprefix("params.")
    if (counted := _counted(now, before)) is not None:
        return [f"{shown}: {counted}"]
    parts, earlier = _by_name(now), _by_name(before)
    if parts and earlier:
        changes = [f"{shown}: {name} is new" for name in parts if name not in earlier]
        changes += [f"{shown}: {name} is gone" for name in earlier if name not in parts]
        for name in (name for name in parts if name in earlier):
            changes += _differences(
                f"{path}.{name}", parts[name], earlier[name], left_out.get(name)
            )
        return changes or [f"{shown}: another order"]
    return [f"{shown}: {_brief(before)} -> {_brief(now)}"]


def _counted(now: Any, before: Any) -> str | None:
    """Say how many items of a list are new, gone or changed that have ids and no names; None of another value."""
    items, earlier = (
        {str(item["id"]): item for item in value if isinstance(item, Mapping) and "id" in item}
        if isinstance(value, list)
        else None
        for value in (now, before)
    )
    if items is None or earlier is None or not (items or earlier):
        return None
    if len(items) != len(now) or len(earlier) != len(before) or _by_name(now) or _by_name(before):
        return None
    counts = {
        "new": len(items.keys() - earlier.keys()),
        "gone": len(earlier.keys() - items.keys()),
        "changed": sum(items[one] != earlier[one] for one in items.keys() & earlier.keys()),
    }
    return (
        ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "another order"
    )


def _by_name(value: Any) -> dict[str, Any]:
    """Return the items of a list by their names; nothing where they have none."""
    items = value if isinstance(value, list) else []
    if not all(isinstance(item, Mapping) and "name" in item for item in items):
        return {}
    return {str(item["name"]): item for item in items}


def _brief(value: Any) -> str:
    # 4 and 4.0 are one value: whether a recipe or a default wrote the point says nothing.
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else text[:21] + "..."


def mermaid(node_states: list[NodeState]) -> str:
    """Return the graph in Mermaid's flowchart language, coloured by state."""
    names = {state.node.name: f"n{index}" for index, state in enumerate(node_states)}
    lines = ["flowchart TD"]
    for node, state, _ in node_states:
        lines.append(f'  {names[node.name]}["{node.name}"]:::{state}')
    for node, _, _ in node_states:
        lines.extend(f"  {names[source]} --> {names[node.name]}" for source in node.inputs.values())
        lines.extend(
            f"  {names[source]} -. if continuing .-> {names[node.name]}"
            for source in node.only_if_continuing
        )
        lines.extend(
            f"  {names[source]} -. if final .-> {names[node.name]}" for source in node.only_if_final
        )
    lines += [
        "  classDef cached fill:#d9ead3,stroke:#38761d,color:#000",
        "  classDef pending fill:#fff2cc,stroke:#bf9000,color:#000",
        "  classDef changed fill:#fce5cd,stroke:#b45f06,color:#000",
    ]
    return "\n".join(lines)
