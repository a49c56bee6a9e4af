"""What a stage is: a re-runnable function of (parameters, inputs, replies so far), with what others need to know of it.

A stage asks for LLM replies through `Context.ask`. Where replies are missing, `ask` raises `Pending`; the run
gathers the pending requests of every node that is ready, sends them, and calls the stages again from the top.
So a stage has no side effect before its last `ask`, and the same inputs always lead to the same requests. Requests are
built one by one and replies read one by one: neither is ever held together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from engine.backends.entry import Role
from engine.backends.protocol import (
    Completion,
    Progress,
    Request,
    Student,
    TrainingJob,
    TrainingResult,
)
from engine.identity import Params
from engine.rows import Example
from engine.spec.prompts import Prompt
from engine.stages.forecast import Forecast, Situation
from engine.stages.outputs import Output
from engine.stages.quality.leak_guard import LeakGuard
from engine.tasks import TaskKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

P = TypeVar("P", bound=Params)
I = TypeVar("I", bound="Inputs")  # noqa: E741
O = TypeVar("O", bound=Output)  # noqa: E741
T = TypeVar("T")


class Pending(Exception):
    """Replies are missing: the requests of one role that a stage needs before it can go on."""

    def __init__(self, role: str, requests: Collection[Request]) -> None:
        """Take the role that must answer and all its requests, in order and once each (answered ones too)."""
        super().__init__(f"{len(requests)} requests to the {role}")
        self.role = role
        self.requests = requests


@dataclass(frozen=True)
class Inputs:
    """Base of every stage's inputs: each field is the output of another node, or a tuple of them.

    A field's type says what fits: an output class of `engine.stages.outputs`, the same `| None` for an input that may
    be missing, `tuple[X, ...]` for one per earlier round or attempt, where X is an output class or a `Bundle`.
    """


class Context(Protocol):
    """What the run offers a stage."""

    @property
    def node(self) -> str:
        """The node's fingerprint."""
        ...

    @property
    def seed(self) -> int:
        """The loop's seed."""
        ...

    @property
    def round(self) -> int:
        """The round, -1 for the untuned student."""
        ...

    @property
    def attempt(self) -> int:
        """The generation attempt, from 1; 0 where there is none."""
        ...

    @property
    def state(self) -> Path:
        """The project's state folder (`.pada`): models live under `state / "models"`."""
        ...

    def prompt(self, name: str) -> Prompt:
        """Return a prompt that the plan resolved and hashed."""
        ...

    def model(self, role: str) -> str:
        """Return the identity of the model behind a role."""
        ...

    def model_path(self, role: str) -> Path:
        """Return the folder of a local model."""
        ...

    def request(
        self,
        role: str,
        prompt: Prompt,
        variables: Mapping[str, Any],
        schema: Mapping[str, Any],
        temperature: float = 0.0,
    ) -> Request:
        """Build one request; its token limit follows from the schema's bounds."""
        ...

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions in the order of `requests`, read as they are taken.

        `requests` is gone through at once, and only the first time that the node asks this: when its stage is called
        again, what it asks first, second and so on is known, and is not built again. So whatever is needed to read
        replies must not come about while requests are built; see `remembered`.

        Raises:
            Pending: any is missing.
        """
        ...

    def remembered(self, what: str, make: Callable[[], T]) -> T:
        """Return what the node keeps from one call of its stage to the next, made at the first: the same object.

        For what requests show while they are built. It is small, and lives as long as this process works on the node.
        """
        ...

    def embed(self, texts: Sequence[str], *, keep: bool = True) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), dimensions).

        The node is given those that are kept again without computing them; not to keep them is for texts that are too
        many for memory.
        """
        ...

    def leak_guard(
        self, kind: TaskKind, examples: Sequence[Example], ngram: int, quantile: float
    ) -> LeakGuard:
        """Return the guard over the evaluation rows among `examples`; one per run and setting."""
        ...

    def student(self) -> Student:
        """Return the student, loaded at first use."""
        ...

    def train(self, job: TrainingJob) -> TrainingResult:
        """Fine-tune in a child process that cannot outlive this one."""
        ...

    def progress(self, what: str, total: int) -> Progress:
        """Open a progress line; call what it returns with the number of items just finished."""
        ...

    def warn(self, text: str) -> None:
        """Tell the user something that does not stop the run."""
        ...


ALWAYS = "*"
"""Key of what goes along with every prompt of a stage, whatever variables it uses (`Stage.sends`)."""


class Account(NamedTuple):
    """A count that must add up: of what came in, all is either handed on or dropped."""

    what: str
    came: int
    kept: int
    dropped: int = 0


def _nothing(params: Any) -> Mapping[str, str]:
    return {}


def _no_forecast(params: Any, situation: Situation) -> Forecast | None:
    return None


def _no_accounts(params: Any, inputs: Any, output: Any) -> Iterable[Account]:
    return ()


@dataclass(frozen=True, slots=True)
class Stage(Generic[P, I, O]):
    """A kind of work. `version` is bumped when the same inputs would give other rows."""

    name: str
    version: int
    params: type[P]
    inputs: type[I]
    output: type[O]
    run: Callable[[P, I, Context], O]
    description: str
    """What it does, in a sentence for people."""
    asks: tuple[Role, ...] = ()
    """Roles it may use: their models' identities are part of the fingerprint."""
    prompts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Prompts it renders -> the variables each is given."""
    replies: tuple[str, ...] = ()
    """Schemas of the replies to them, by name."""
    sends: Callable[[P], Mapping[str, str]] = _nothing
    """Prompt variable -> what of the user's data it carries, for the privacy table; empty for the recipe's own words.

    The text under ALWAYS goes along in any case. `{inputs}` and `{target}` stand for the task's columns, and
    `{candidates}` for what candidates are: generated rows, rows of the pool, or both.
    """
    embeds: str = ""
    """What of the user's data it gives to the embedder, in the same words."""
    skips: Callable[[P], frozenset[str]] = field(default=lambda params: frozenset())
    """Roles of `asks` that these parameters leave out."""
    unused: Callable[[P], frozenset[str]] = field(default=lambda params: frozenset())
    """Prompts of `prompts` that these parameters leave out: they are no part of the fingerprint."""
    expect: Callable[[P, Situation], Forecast | None] = _no_forecast
    """What it will ask a model for; None where it asks none."""
    essential: bool = False
    """Whether the loop has nothing to go on with when all replies fail; else the stage has a fallback."""
    alone: bool = False
    """Whether nothing else of the run may go on meanwhile: it measures how fast something is."""
    accounts: Callable[[P, I, O], Iterable[Account]] = _no_accounts
    """What must add up between its inputs and its output; a broken one is an error of the engine."""

    @property
    def writer(self) -> Literal["teacher", "judge"]:
        """Whose pack its prompts and schemas are of."""
        return "judge" if "judge" in self.asks else "teacher"
