"""builder: nodes are collected, each fingerprinted over its parameters and its inputs' fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.fingerprint import digest
from engine.plan.graph import Node, Return
from engine.plan.resources import Resources, RoleModel
from engine.rows import UNTUNED
from engine.stages.outputs import Output, Trained
from engine.stages.protocol import I, O, P, Stage
from engine.stages.wiring import Wire, flatten


@dataclass(frozen=True)
class Position:
    """A node's position in the loop."""

    seed: int | None = None
    """The loop's seed; None for what is the same for all seeds."""
    round: int = UNTUNED
    attempt: int = 0
    only_if_continuing: tuple[str, ...] = ()
    only_if_final: tuple[str, ...] = ()
    returns: Return | None = None
    """As of the node; edges that it does not have are left out."""


class Builder:
    """Collects nodes; each new one is fingerprinted over its parameters and its inputs' fingerprints."""

    def __init__(self, resources: Resources, first_seed: int = 0) -> None:
        """Take what decides results besides the recipe; `first_seed` is for nodes that all seeds share."""
        self._resources, self._first_seed = resources, first_seed
        self._outputs: dict[str, type[Output]] = {}
        self.nodes: dict[str, Node] = {}

    def add(
        self,
        name: str,
        stage: Stage[P, I, O],
        params: P,
        wires: Mapping[str, Wire],
        position: Position = Position(),
        prompts: tuple[str, ...] = (),
    ) -> str:
        """Add a node and return its name.

        Args:
            name: Unique in the plan.
            stage: What it does.
            params: Its parameters.
            wires: Field of the stage's inputs -> the nodes behind it.
            position: Where in the loop it stands.
            prompts: Prompts that it renders besides those that its stage always does.

        Raises:
            TypeError: an edge that does not fit; both ends are named.
        """
        if not isinstance(params, stage.params):
            raise TypeError(
                f"{name} takes {stage.params.__name__}, here are {type(params).__name__}"
            )
        inputs = flatten(name, stage.inputs, wires, self._outputs)
        returns = self._returns(name, inputs, position.returns)
        identity = self._identity(stage, params, prompts, inputs, position)
        if returns is not None:
            # What could stand in comes before the decision.
            identity["returns"] = self.nodes[returns.decided].id
        self.nodes[name] = Node(
            name=name,
            stage=stage.name,
            params=params,
            identity=identity,
            id=digest(identity)[:32],
            inputs=inputs,
            only_if_continuing=position.only_if_continuing,
            only_if_final=position.only_if_final,
            seed=self._first_seed if position.seed is None else position.seed,
            round=position.round,
            attempt=position.attempt,
            returns=returns,
        )
        self._outputs[name] = stage.output
        return name

    def _returns(
        self, name: str, inputs: Mapping[str, str], returns: Return | None
    ) -> Return | None:
        """Return those of the stand-ins that a node can read; raises TypeError where one does not fit."""
        if returns is None or not (
            edges := {e: r for e, r in returns.edges.items() if e in inputs}
        ):
            return None
        for edge, rounds in edges.items():
            for other in rounds.values():
                if self._outputs[other] is not self._outputs[inputs[edge]]:
                    raise TypeError(f"{name}.{edge}: {other} cannot stand in for {inputs[edge]}")
        return Return(returns.decided, edges)

    def _identity(
        self,
        stage: Stage[P, I, O],
        params: P,
        prompts: tuple[str, ...],
        inputs: Mapping[str, str],
        position: Position,
    ) -> dict[str, object]:
        models = self._resources.models
        unused = stage.unused(params)
        rendered = dict.fromkeys((*(p for p in stage.prompts if p not in unused), *prompts))
        return {
            "stage": stage.name,
            "version": stage.version,
            "params": params.identity(),
            "prompts": {name: self._resources.prompts[name].digest for name in rendered},
            "models": {
                role: [
                    models[role].identity,
                    models[role].backend,
                    models[role].identity_settings,
                    *([models[role].thinking_tokens] if models[role].thinking_tokens else []),
                    *_served(models[role], stage),
                ]
                for role in stage.asks
            },
            "seed": position.seed,
            "place": [position.round, position.attempt],
            "inputs": {edge: self.nodes[source].id for edge, source in inputs.items()},
        }


def _served(model: RoleModel, stage: Stage[Any, Any, Any]) -> list[str]:
    """Return that vLLM answers, where the recipe says so and not the machine; what trains is the same in any case."""
    told = model.serving is not None and model.serving.serve == "vllm"
    return ["served by vllm"] if told and not issubclass(stage.output, Trained) else []
