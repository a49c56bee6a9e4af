"""What a run has so far: the rows of its nodes, and what they decided about those that follow."""

from __future__ import annotations

from collections.abc import Container, Mapping

from engine.plan.graph import Node, Plan
from engine.rows import Decision, Example, Model
from engine.stages import STAGES
from engine.stages.load import ReadRows
from engine.stages.outputs import Output, Trained
from engine.store import Store


class SoFar:
    """The rows of the nodes that are settled; read from the store where an earlier run made them."""

    def __init__(self, plan: Plan, store: Store) -> None:
        """Take the plan and where rows are."""
        self._plan, self._store = plan, store
        self.outputs: dict[str, Output] = {}
        self.settled: set[str] = set()
        """Names of nodes that are done, were done, or are skipped."""
        self.skipped: set[str] = set()
        self._why: dict[str, str] = {}
        """Node that decided -> what ended the loop there."""

    @property
    def notes(self) -> list[str]:
        """What ended the loop, per seed, in the plan's order, whatever came first."""
        return [self._why[name] for name in self._plan.nodes if name in self._why]

    @property
    def reached(self) -> list[Node]:
        """The nodes whose rows are the run's: done in it, or taken over."""
        names = self.settled - self.skipped
        return [node for node in self._plan.nodes.values() if node.name in names]

    def sources(self, node: Node) -> dict[str, Output]:
        """Return edge -> what a node reads there."""
        return {edge: self.output(source) for edge, source in self._read(node).items()}

    def present(self, finished: Mapping[str, object]) -> dict[str, object]:
        """Leave out students whose adapter was removed (`pada clean`) and is needed again.

        The same job trained again gives the same weights, so what was made from them stays valid.
        """
        present = dict(finished)
        for node in self._plan.nodes.values():
            if not issubclass(STAGES[node.stage].output, Trained) or node.id not in present:
                continue
            users = self._plan.consumers(node.name)
            needed = any(u.id not in present and not self.goes_on(u, present) for u in users)
            models = self.output(node.name).of(Model)
            if needed and not all((self._store.state / model.path).is_dir() for model in models):
                del present[node.id]
                del self.outputs[node.name]
        return present

    def preload(self, finished: Mapping[str, object]) -> None:
        """Read the rows that unfinished nodes need now, while the store is surely free."""
        for node in self._plan.nodes.values():
            if node.id not in finished:
                for source in node.sources:
                    if self._plan.nodes[source].id in finished:
                        self.output(source)

    def output(self, name: str) -> Output:
        """Return the rows of a node that is settled."""
        if name not in self.outputs:
            node = self._plan.nodes[name]
            rows = self._store.load_output(node.id)
            self.outputs[name] = STAGES[node.stage].output(tuple(rows))
        return self.outputs[name]

    def texts(self) -> list[str]:
        """Return the texts of all examples: they are embedded first and once, in this order."""
        params = self._plan.nodes["load"].params
        assert isinstance(params, ReadRows)
        text_of = params.task.text_of
        return [text_of(example.inputs) for example in self.output("load").of(Example)]

    def is_skipped(self, node: Node) -> bool:
        """Return whether what came before says that a node is not for this run; its sources are settled."""
        if any(
            source in self.skipped for source in (*node.inputs.values(), *node.only_if_continuing)
        ):
            return True
        for deciding in node.only_if_continuing:
            for decision in self.output(deciding).of(Decision):
                if not decision.go_on:
                    self._why[deciding] = f"{deciding.rsplit('/', 1)[0]}: {decision.reason}"
                    return True
        return self.goes_on(node, self.settled)

    def goes_on(self, node: Node, known: Container[str]) -> bool:
        """Return whether a node is for the end of a loop that goes round again.

        `known` holds the names or fingerprints of the nodes whose decision can be read.
        """
        ends = [name for name in node.only_if_final if name not in self.skipped]
        nodes = [self._plan.nodes[name] for name in ends]
        if not ends or not all(n.name in known or n.id in known for n in nodes):
            return False
        return all(d.go_on for name in ends for d in self.output(name).of(Decision))

    def _read(self, node: Node) -> Mapping[str, str]:
        """Return edge -> the node that it is read from."""
        if node.returns is None:
            return node.inputs
        (decision,) = self.output(node.returns.decided).of(Decision)
        return node.inputs_at(decision.best_round if decision.rolled_back else None)
