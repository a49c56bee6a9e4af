"""execute: runs a plan. Skips what is committed, gathers what is pending, commits each node last.

A stage that lacks replies says so (`Pending`); its requests are sent, together with those of other nodes that are
ready, the replies go to the ledger as they arrive, and the stages are called again. Killed at any moment, the
next run goes on from there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from engine.backends import BACKENDS
from engine.errors import InternalError, Interrupted, StoreError
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources
from engine.rows import Decision, Example, Model
from engine.run.batches import Batch
from engine.run.budget import BudgetTracker
from engine.run.content import content_hash
from engine.run.context import NodeContext
from engine.run.dispatcher import BudgetReached, Dispatcher
from engine.run.ledger import Ledger
from engine.run.origins import Origins
from engine.run.repeated import Recorded
from engine.run.session import Session
from engine.run.watching import Watched
from engine.spec.recipe import Budget
from engine.stages import STAGES
from engine.stages.load import ReadRows
from engine.stages.outputs import Output, Trained
from engine.stages.protocol import Account, Pending
from engine.stages.wiring import assemble
from engine.store import NodeInfo, Store, now
from engine.system.log_file import about, hide

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    status: str
    """done | stopped | waiting"""
    note: str
    run: str = ""
    """Id of the run in the store."""
    computed: int = 0
    """Nodes that this run computed itself."""
    cached: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)
    """What ended the loop, per seed."""
    batches: list[Batch] = field(default_factory=list)
    """Request files whose results the run waits for."""


class Execution:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        resources: Resources,
        budget: Budget,
        store: Store,
        run: str,
        reporter: Watched,
        recorded: Recorded | None = None,
    ) -> None:
        """Take what to run and where its rows go; `run` is an id from `store.start_run`."""
        self._plan, self._resources = plan, resources
        self._store, self._run, self._reporter = store, run, reporter
        self._tracker = BudgetTracker(budget, store.spent(node.id for node in plan.nodes.values()))
        reporter.planned(
            plan, budget.model_dump(), lambda: (self._tracker.spent, self._tracker.in_flight)
        )
        self._ledger = Ledger(store, run, self._tracker)
        self._session = Session(resources.models, reporter, self._texts, recorded)
        self._dispatcher = Dispatcher(
            resources.models, self._session, self._ledger, self._tracker, reporter
        )
        self._outputs: dict[str, Output] = {}
        self._settled: set[str] = set()
        """Nodes that are done, were done, or are skipped."""
        self._skipped: set[str] = set()
        self._waiting: set[str] = set()
        """Nodes that wait for replies, or for a node that does."""
        self._later: set[str] = set()
        """Those of them whose replies come after the run."""
        self._began: dict[str, tuple[datetime, float]] = {}
        self.outcome = Outcome("done", "", run)

    def run(self) -> Outcome:
        """Work through the plan; raises Interrupted on Ctrl-C, and EngineError when it cannot go on."""
        finished = self._present(self._store.finished([n.id for n in self._plan.nodes.values()]))
        self._preload(finished)
        try:
            self._pass(finished)
            while self._dispatcher.holds:
                self._dispatcher.send()
                self._pass(finished)
            self.outcome.batches, note = self._dispatcher.write_batch(self._store.state, self._run)
            if self.outcome.batches:
                self.outcome.status, self.outcome.note = "waiting", note
        except (KeyboardInterrupt, Interrupted) as stopped:
            # What was under way says where it left off: that is for the log, and not for whoever stopped it.
            if str(stopped):
                _log.info("%s", stopped)
            raise Interrupted(
                "stopped; everything finished is kept", "run the same command again to go on"
            ) from None
        except BudgetReached as reached:
            self.outcome.status, self.outcome.note = "stopped", str(reached)
        return self.outcome

    def close(self) -> None:
        """End what was started for it."""
        self._session.close()

    def reached(self) -> list[Node]:
        """Return the nodes whose rows are the run's: done in it, or taken over."""
        names = self._settled - self._skipped
        return [node for node in self._plan.nodes.values() if node.name in names]

    def tell_end(self, note: str) -> None:
        """Tell those who look from outside how it ended, and what it waits for."""
        waits = [
            {"file": str(batch.file), "requests": batch.requests} for batch in self.outcome.batches
        ]
        self._reporter.ended(self.outcome.status, note, waits)

    def _pass(self, finished: Mapping[str, object]) -> None:
        """Work on every node that nothing holds up, in the plan's order."""
        self._waiting = set(self._later)
        for position, node in enumerate(self._plan.nodes.values()):
            if node.name in self._settled or node.name in self._later:
                continue
            if self._blocked(node):
                self._waiting.add(node.name)
                continue
            status = self._reach(node, finished)
            if status == "waiting":
                self._waiting.add(node.name)
                self._reporter.node(node.name, "waiting")
                continue
            self._settled.add(node.name)
            self._reporter.node(node.name, status)
            if status == "skipped":
                self._skipped.add(node.name)
            else:
                self._store.link_node(self._run, node.id, node.name, position, status)

    def _reach(self, node: Node, finished: Mapping[str, object]) -> str:
        """Take a node as far as it goes now: skipped | cached | done | waiting."""
        if self._is_skipped(node):
            self.outcome.skipped += 1
            return "skipped"
        if node.id in finished:
            self.outcome.cached += 1
            return "cached"
        self._check_minutes()
        with about(stage=node.name):
            return "done" if self._work(node) else "waiting"

    def _present(self, finished: Mapping[str, object]) -> dict[str, object]:
        """Leave out students whose adapter was removed (`pada clean`) and is needed again.

        The same job trained again gives the same weights, so what was made from them stays valid.
        """
        present = dict(finished)
        for node in self._plan.nodes.values():
            if not issubclass(STAGES[node.stage].output, Trained) or node.id not in present:
                continue
            users = self._plan.consumers(node.name)
            needed = any(u.id not in present and not self._goes_on(u, present) for u in users)
            models = self._output(node.name).of(Model)
            if needed and not all((self._store.state / model.path).is_dir() for model in models):
                del present[node.id]
                del self._outputs[node.name]
        return present

    def _preload(self, finished: Mapping[str, object]) -> None:
        """Read the rows that unfinished nodes need now, while the store is surely free."""
        for node in self._plan.nodes.values():
            if node.id not in finished:
                for source in node.sources:
                    if self._plan.nodes[source].id in finished:
                        self._output(source)

    def _output(self, name: str) -> Output:
        if name not in self._outputs:
            node = self._plan.nodes[name]
            rows = self._store.load_output(node.id)
            self._outputs[name] = STAGES[node.stage].output(tuple(rows))
        return self._outputs[name]

    def _texts(self) -> list[str]:
        """Return the texts of all examples: they are embedded first and once, in this order."""
        params = self._plan.nodes["load"].params
        assert isinstance(params, ReadRows)
        text_of = params.task.text_of
        return [text_of(example.inputs) for example in self._output("load").of(Example)]

    def _blocked(self, node: Node) -> bool:
        """Return whether a node needs one that waits for replies."""
        return any(source in self._waiting for source in node.sources)

    def _is_skipped(self, node: Node) -> bool:
        if any(
            source in self._skipped for source in (*node.inputs.values(), *node.only_if_continuing)
        ):
            return True
        for deciding in node.only_if_continuing:
            for decision in self._output(deciding).of(Decision):
                if not decision.go_on:
                    note = f"{deciding.rsplit('/', 1)[0]}: {decision.reason}"
                    if note not in self.outcome.notes:
                        self.outcome.notes.append(note)
                    return True
        return self._goes_on(node, self._settled)

    def _goes_on(self, node: Node, known: Container[str]) -> bool:
        """Return whether a node is for the end of a loop that goes round again.

        `known` holds the names or fingerprints of the nodes whose decision can be read.
        """
        ends = [name for name in node.only_if_final if name not in self._skipped]
        nodes = [self._plan.nodes[name] for name in ends]
        if not ends or not all(n.name in known or n.id in known for n in nodes):
            return False
        return all(d.go_on for name in ends for d in self._output(name).of(Decision))

    def _work(self, node: Node) -> bool:
        """Call the node's stage until it has all its replies, then commit its rows and the node, in this order.

        Returns False for a node that must wait for replies.
        """
        started, clock = self._began.setdefault(node.name, (now(), time.monotonic()))
        self._reporter.node(node.name, "running")
        self._session.enter(node.name)
        context = NodeContext(
            node,
            self._resources.prompts,
            self._session,
            self._ledger,
            self._reporter,
            self._store.state,
        )
        stage = STAGES[node.stage]
        outputs = {edge: self._output(source) for edge, source in self._read(node).items()}
        inputs = assemble(stage.inputs, outputs)
        while True:
            try:
                output = stage.run(node.params, inputs, context)
            except Pending as pending:
                when = self._dispatcher.now(node, pending)
                if when == "after the run":
                    self._later.add(node.name)
                if when != "now":
                    return False
            else:
                break
        check_accounts(node.name, stage.accounts(node.params, inputs, output))
        info = NodeInfo(
            id=node.id,
            name=node.name,
            stage=node.stage,
            seed=node.seed,
            round=node.round,
            attempt=node.attempt,
            identity=node.identity,
            started=started,
            ended=now(),
        )
        self._store.write_node(self._run, info, output.rows, content_hash(output))
        self._outputs[node.name] = output
        self._session.leave(node.name)
        del self._began[node.name]
        if not self._began:
            # Nodes that wait together may share replies that are not usable: those are held for all of them.
            self._ledger.forget()
        self.outcome.computed += 1
        seconds = time.monotonic() - clock
        made = output.made
        with about(rows=made, seconds=round(seconds, 1)):
            self._reporter.say(f"{node.name:<28} {made:>6,} rows {seconds:>8.1f} s")
        return True

    def _read(self, node: Node) -> Mapping[str, str]:
        """Return edge -> the node that it is read from."""
        if node.returns is None:
            return node.inputs
        (decision,) = self._output(node.returns.decided).of(Decision)
        return node.inputs_at(decision.best_round if decision.rolled_back else None)

    def _check_minutes(self) -> None:
        if self._tracker.over_time():
            raise BudgetReached(self._tracker.exhausted)


def check_accounts(node: str, accounts: Iterable[Account]) -> None:
    """Check that nothing vanished: everything that entered a node was passed on or dropped.

    Raises:
        InternalError: it does not add up.
    """
    for what, came, kept, dropped in accounts:
        if came != kept + dropped:
            raise InternalError(
                f"{node}: {came} {what} came in, but {kept} are handed on and {dropped} dropped"
            )


def execute(
    plan: Plan,
    resources: Resources,
    budget: Budget,
    store: Store,
    run: str,
    reporter: Watched,
    origins: Origins,
    recorded: Recorded | None = None,
) -> Outcome:
    """Run a plan, and note in the store how it ended and where its patterns were first seen, whatever happens.

    With `recorded` replies no model is asked in calls.
    """
    for model in resources.models.values():
        backend = BACKENDS[model.backend]
        hide(backend.secrets(backend.parse(model.settings)))
    with about(run=run):
        execution = Execution(plan, resources, budget, store, run, reporter, recorded)
        try:
            return _executed(execution, store, run, origins)
        finally:
            execution.close()


def _executed(execution: Execution, store: Store, run: str, origins: Origins) -> Outcome:
    try:
        outcome = execution.run()
    except BaseException as error:
        status = "interrupted" if isinstance(error, Interrupted) else "failed"
        note = error.message if isinstance(error, Interrupted) else str(error)
        # A full disk cannot take these notes either; what went wrong first is what the user must see.
        with suppress(StoreError):
            store.end_run(run, status, note or type(error).__name__)
        _log.info("run %s", status)
        with suppress(StoreError):
            origins.record(execution.reached())
        raise
    origins.record(execution.reached())
    note = outcome.note or "; ".join(outcome.notes)
    store.end_run(run, outcome.status, note)
    execution.tell_end(note)
    counts = {"computed": outcome.computed, "cached": outcome.cached, "skipped": outcome.skipped}
    _log.info("run %s", outcome.status, extra={"fields": {"note": note, **counts}})
    return outcome
