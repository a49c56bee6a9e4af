"""Doing a piece of work, in whatever process: the student is loaded at first use and stays for the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from engine import gate, sandbox
from engine.backends.protocol import Completion, Request
from engine.plan.resources import RoleModel
from engine.run.context import NodeContext
from engine.run.executors.protocol import Lacks, Work
from engine.run.progress import Reporter
from engine.run.session import Session
from engine.spec.prompts import Prompt
from engine.stages.outputs import Output
from engine.stages.protocol import Pending
from engine.stages.wiring import assemble
from engine.system.log_file import about

T = TypeVar("T")


@dataclass(frozen=True)
class Shared:
    """What all work of a run needs."""

    prompts: Mapping[str, Prompt]
    models: Mapping[str, RoleModel]
    state: Path
    """The project's state folder, absolute."""
    limits: sandbox.Limits = field(default_factory=sandbox.current)
    """What one step of the recipe may take."""
    granted: gate.Granted = field(default_factory=gate.granted)
    """What the recipe may read, as far as the user said so to this process."""

    def hold(self) -> None:
        """Let limits and grants hold in this process, too."""
        sandbox.use(self.limits)
        gate.grant(self.granted)


class Given:
    """The replies that came along with work, held in memory: no stage of the engine that is handed on asks anybody.

    Who uses them is written down by the driver.
    """

    def __init__(self, replies: Mapping[str, Completion]) -> None:
        """Take the replies by request."""
        self._replies = replies
        self._held: dict[str, Any] = {}

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        """Return the replies that came along; raises Pending where one did not."""
        asked = list(requests)
        if any(request.id not in self._replies for request in asked):
            raise Pending(role, list({request.id: request for request in asked}.values()))
        return (self._replies[request.id] for request in asked)

    def remembered(self, what: str, make: Callable[[], T]) -> T:
        """Return what is made now: all requests are built at each call of the stage."""
        if what not in self._held:
            self._held[what] = make()
        kept: T = self._held[what]
        return kept


class Performer:
    """Does work, one piece at a time."""

    def __init__(self, shared: Shared, reporter: Reporter) -> None:
        """Take what all work needs, and who watches; nothing is loaded yet."""
        self._shared, self._reporter = shared, reporter
        # No work of the kind that is carried embeds anything: whatever does is the driver's own.
        self._session = Session(shared.models, reporter, lambda: [])

    def perform(self, work: Work, reporter: Reporter | None = None) -> Output | Lacks:
        """Return a node's rows, or what it must know before; raises what its stage raises.

        Where `reporter` is given it watches this work alone.
        """
        context = NodeContext(
            work.node,
            self._shared.prompts,
            self._session,
            Given(work.replies),
            reporter or self._reporter,
            self._shared.state,
        )
        with about(stage=work.node.name):
            try:
                output: Output = work.stage.run(
                    work.node.params, assemble(work.stage.inputs, work.sources), context
                )
            except Pending as pending:
                return Lacks(pending.role, tuple(pending.requests))
        return output

    def close(self) -> None:
        """End what was started to answer for the student; it is started again where it is needed."""
        self._session.close()
