"""What a stage gets from the run: one `NodeContext` per node, behind `engine.stages.protocol.Context`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from engine.backends.protocol import (
    Completion,
    Progress,
    Request,
    Student,
    TrainingJob,
    TrainingResult,
)
from engine.errors import ModelError
from engine.plan.graph import Node
from engine.rows import Example
from engine.run.progress import Reporter
from engine.run.session import Session
from engine.run.student_calls import StudentInCalls
from engine.spec.prompts import Prompt
from engine.stages.quality.leak_guard import LeakGuard
from engine.system import stopping
from engine.tasks import TaskKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

T = TypeVar("T")


class Asks(Protocol):
    """What a node asks: of the ledger, or of the replies that came along with the work."""

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        """Return the completions in the order of `requests`; raises Pending when any is missing."""
        ...

    def remembered(self, what: str, make: Callable[[], T]) -> T:
        """Return what the node keeps from one call of its stage to the next, made at the first."""
        ...


class NodeContext:
    """Binds one node to a run's models, replies and progress."""

    def __init__(
        self,
        node: Node,
        prompts: Mapping[str, Prompt],
        session: Session,
        asks: Asks,
        reporter: Reporter,
        state: Path,
    ) -> None:
        """Take the node, and what nodes share."""
        self.node, self.seed, self.round, self.attempt = (
            node.id,
            node.seed,
            node.round,
            node.attempt,
        )
        self.state = state
        self._label, self._prompts = node.name, prompts
        self._session, self._asks, self._reporter = session, asks, reporter

    def prompt(self, name: str) -> Prompt:
        """Return a prompt that the plan resolved and hashed."""
        return self._prompts[name]

    def model(self, role: str) -> str:
        """Return the identity of the model behind a role."""
        return self._session.model(role).identity

    def model_path(self, role: str) -> Path:
        """Return the folder of a local model; raises ModelError for one that lies elsewhere."""
        model = self._session.model(role)
        if model.path is None:
            raise ModelError(
                f"the {role} '{model.name}' is not on this machine", "run: pada models fetch"
            )
        return model.path

    def request(
        self,
        role: str,
        prompt: Prompt,
        variables: Mapping[str, Any],
        schema: Mapping[str, Any],
        temperature: float = 0.0,
    ) -> Request:
        """Build one request to a role's model."""
        return self._session.model(role).request(prompt, variables, schema, temperature)

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        """Return the completions in the order of `requests`; raises Pending when any is missing."""
        return self._asks.ask(role, requests)

    def remembered(self, what: str, make: Callable[[], T]) -> T:
        """Return what the node keeps from one call of its stage to the next, made at the first."""
        return self._asks.remembered(what, make)

    def embed(self, texts: Sequence[str], *, keep: bool = True) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), dimensions)."""
        return self._session.embed(texts, keep=keep)

    def leak_guard(
        self, kind: TaskKind, examples: Sequence[Example], ngram: int, quantile: float
    ) -> LeakGuard:
        """Return the guard over the evaluation rows among `examples`; one per run and setting."""
        return self._session.leak_guard(kind, examples, ngram, quantile)

    def student(self) -> Student:
        """Return the student, loaded at first use, or the calls by which one behind a server is asked."""
        return self._session.student() or StudentInCalls(self)

    def train(self, job: TrainingJob) -> TrainingResult:
        """Fine-tune the student, in the way of its backend; raises ModelError."""
        # It is told to end in its own way, by which its checkpoint is kept.
        return self._session.trainer()(job, self._reporter.open(self._label, job.steps))

    def progress(self, what: str, total: int) -> Progress:
        """Open a progress line for this node."""
        advance = self._reporter.open(self._label, total)

        def finished(items: int) -> None:
            stopping.check()
            advance(items)

        return finished

    def warn(self, text: str) -> None:
        """Tell the user something that does not stop the run."""
        self._reporter.warn(text)
