"""trial: an operator tried out: the recipe's own teacher writes a few rows, the gates look at them, nothing is stored.

What comes before `generate` is played as in a rehearsal. The teacher and the embedder are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from engine.backends import BACKENDS
from engine.backends.entry import Kind
from engine.backends.protocol import Completion, Embedder, Generator, Request
from engine.errors import EngineError, ModelError
from engine.judging import Gating
from engine.plan.graph import Node
from engine.plan.resources import Resources
from engine.rehearsal.context import RehearsalContext
from engine.rehearsal.rehearse import Play
from engine.rehearsal.replies import none_usable
from engine.rows import Candidate, Drop, Example
from engine.stages.augment.gate import GATE, GateParams
from engine.stages.augment.generate import GENERATE, GenerateParams
from engine.stages.outputs import Loaded

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Tried(NamedTuple):
    """One row that was made."""

    seed: Example
    """The training row that it was made from; the nearest one, where it was made from none."""
    row: Candidate
    gating: Gating
    """What the gates say of it."""
    made_from: bool
    """Whether it was made from `seed`."""


class Trial(NamedTuple):
    """What came of a try."""

    rows: tuple[Tried, ...]
    drops: tuple[Drop, ...]
    """Rows that were asked for and did not come, and why."""
    calls: int
    """That the teacher was asked."""
    cost: float | None
    """Of these, by the recipe's price; None where one is not known."""
    made_up: tuple[str, ...]
    """What stands in for rows that a model would have to bring, in words."""


def attempt(play: Play, count: int) -> Trial:
    """Return `count` rows by the one operator of a plan, each with what the gates say of it.

    Raises:
        EngineError: the plan writes no rows, or its teacher answers later.
        ModelError: a model is not on this machine.
        BackendError: the teacher cannot be asked.
    """
    node = next((n for n in play.plan.nodes.values() if n.stage == GENERATE.name), None)
    if node is None:
        raise EngineError("this recipe writes no rows", "`pada plan` shows what it consists of")
    play.prepare(node)
    assert isinstance(node.params, GenerateParams)
    params = replace(node.params, rows_per_round=count, oversample=1.0, coverage=0.0)
    models = _Models(play.resources)
    context = _Live(play, node, models)
    generated = GENERATE.run(params, play.inputs(node), context)
    # Of the first round and attempt: it reads the rows and what was written, and no more.
    checking = next(
        n
        for n in play.plan.nodes.values()
        if n.stage == GATE.name and node.name in n.inputs.values()
    )
    assert isinstance(checking.params, GateParams)
    play.outputs[node.name] = generated
    gated = GATE.run(checking.params, play.inputs(checking), _Live(play, checking, models))
    seeds = {e.id: e for out in play.outputs.values() if isinstance(out, Loaded) for e in out.train}
    made_from = params.operators[0].operator.made_from
    rows = [
        Tried(seeds[row.parent], row, gating, made_from)
        for row, gating in zip(generated.candidates, gated.gatings, strict=True)
    ]
    costs = [done.cost for done in context.replies]
    return Trial(
        tuple(rows[:count]),
        tuple(generated.drops),
        len(context.replies),
        None if None in costs else sum(cost for cost in costs if cost is not None),
        tuple(play.made_up),
    )


class _Models:
    """The recipe's teacher and embedder, opened when they are first wanted."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @cached_property
    def teacher(self) -> Generator:
        model = self._resources.models["teacher"]
        if BACKENDS[model.backend].deferred:
            raise EngineError(
                f"the teacher's replies come in files (backend {model.backend}), after the command has ended",
                "`pada run` writes the requests; or name another teacher with --var",
            )
        return cast(Generator, self._open("teacher", "generator"))

    @cached_property
    def embedder(self) -> Embedder:
        return cast(Embedder, self._open("embedder", "embedder"))

    def _open(self, role: str, kind: Kind) -> Any:
        model = self._resources.models[role]
        backend = BACKENDS[model.backend]
        if backend.local and model.path is None:
            message = f"the model '{model.name}' ({role}) is not on this machine"
            raise ModelError(message, "run: pada models fetch")
        return backend.open(kind, model.path, model.name, dict(model.settings))


class _Live(RehearsalContext):
    """A rehearsal's context in which the teacher and the embedder are asked."""

    def __init__(self, play: Play, node: Node, models: _Models) -> None:
        super().__init__(node, play.resources, play.state, play.evaluation, none_usable)
        self._models = models
        self.replies: list[Completion] = []

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        """Return the teacher's replies, which are few."""
        asked = list(requests)
        found = {
            done.request: done
            for group in self._models.teacher.complete_many(asked, frozenset())
            for done in group
            if done.final
        }
        self.replies = [found[request.id] for request in asked]
        return iter(self.replies)

    def embed(self, texts: Sequence[str], *, keep: bool = True) -> npt.NDArray[np.float32]:
        """Return the embedder's vectors, shape (len(texts), dimensions)."""
        import numpy as np

        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        return self._models.embedder.embed(texts)
