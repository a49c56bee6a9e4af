"""execute: runs a plan. Skips what is committed, gathers what is pending, commits each node last.

A stage that lacks replies says so (`Pending`); its requests are sent, together with those of other nodes that are
ready, the replies go to the ledger as they arrive, and the stages are called again. What needs the student's weights
is handed to an executor, servers are asked in threads, and the driver does the rest meanwhile. Killed at any moment,
the next run goes on from there.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.backends import BACKENDS
from engine.backends.protocol import Completion
from engine.backends.training.finetune import GRACE_SECONDS
from engine.errors import InternalError, Interrupted, StoreError
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources
from engine.run.asking.asked import Asked
from engine.run.asking.node import NodeAsks
from engine.run.batches import Batch
from engine.run.budget import BudgetTracker
from engine.run.content import content_hash
from engine.run.context import NodeContext
from engine.run.dispatcher import BudgetReached, Dispatcher
from engine.run.driving.ready import Place, Ready
from engine.run.driving.so_far import SoFar
from engine.run.driving.talking import Answered, Talk, Talked, Waiting, beside
from engine.run.executors import Began, Lacks, Shared, Work, Worked, open_executor
from engine.run.ledger import Ledger
from engine.run.origins import Origins
from engine.run.repeated import Recorded
from engine.run.session import Session
from engine.run.watching import Watched
from engine.spec.recipe import Budget, Recipe
from engine.stages import STAGES
from engine.stages.outputs import Output
from engine.stages.protocol import Account, Pending
from engine.stages.wiring import assemble
from engine.store import NodeInfo, Store, now
from engine.system import stopping
from engine.system.log_file import about, hide
from engine.system.signals import was_interrupted

_log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that a run which cannot go on waits for replies that are under way, and for threads to end."""


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
    """One run of one plan: the driver, which alone has the store, the ledger and the budget."""

    def __init__(
        self,
        plan: Plan,
        resources: Resources,
        recipe: Recipe,
        store: Store,
        run: str,
        reporter: Watched,
        recorded: Recorded | None = None,
    ) -> None:
        """Take what to run, where its rows go, and where work is done; `run` is an id from `store.start_run`."""
        self._plan, self._resources = plan, resources
        self._store, self._run, self._reporter = store, run, reporter
        # Replies that cost nothing now are not held against what the recipe allows.
        budget = Budget() if recorded else recipe.budget
        self._tracker = BudgetTracker(budget, store.spent(node.id for node in plan.nodes.values()))
        reporter.planned(
            plan, budget.model_dump(), lambda: (self._tracker.spent, self._tracker.in_flight)
        )
        self._ledger = Ledger(store, run, self._tracker)
        self._so_far = SoFar(plan, store)
        self._session = Session(resources.models, reporter, self._so_far.texts, recorded)
        self._dispatcher = Dispatcher(
            resources.models, self._session, self._ledger, self._tracker, reporter
        )
        self._happened: queue.SimpleQueue[Any] = queue.SimpleQueue()
        """What others have done: what they post is taken by the driver, one after the other."""
        self._stop = stopping.Stop()
        shared = Shared(resources.prompts, resources.models, store.state.absolute())
        self._executor = open_executor(
            recipe.executor, shared, reporter, self._happened.put, self._stop
        )
        self._ready = Ready(plan)
        self._finished: Mapping[str, object] = {}
        self._began: dict[str, tuple[datetime, float]] = {}
        self._ledger.forget_all()
        self._asks: dict[str, NodeAsks] = {}
        """What nodes that have begun ask for."""
        self._replies: dict[str, dict[str, Completion]] = {}
        """Of nodes that are worked on elsewhere: the replies that go with them."""
        self._places: dict[str, str] = {}
        self._away: set[str] = set()
        """Nodes that an executor works on."""
        self._talks: dict[Talk, threading.Thread] = {}
        """Conversations that go on beside."""
        self.outcome = Outcome("done", "", run)

    def run(self) -> Outcome:
        """Work through the plan; raises Interrupted on Ctrl-C, and EngineError when it cannot go on."""
        self._finished = self._so_far.present(
            self._store.finished([n.id for n in self._plan.nodes.values()])
        )
        self._so_far.preload(self._finished)
        try:
            try:
                self._work_through()
            except Interrupted:
                raise
            except BudgetReached:
                self._bring_home(None)
                raise
            except Exception as error:
                if was_interrupted(error):
                    raise Interrupted(str(error)) from error
                self._bring_home(PATIENCE)
                raise
            finally:
                self._leave()
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
        self.outcome.notes = self._so_far.notes
        return self.outcome

    def close(self) -> None:
        """End what was started for it."""
        self._session.close()
        self._ledger.forget_all()

    def _work_through(self) -> None:
        """Do what can be done, and wait for others only where nothing can."""
        while True:
            while not self._happened.empty():
                self._take(self._happened.get())
            self._settle_known()
            if self._go_on():
                continue
            if not (self._away or self._talks):
                return
            self._take(self._happened.get())

    def _settle_known(self) -> None:
        """Settle what is skipped or was done before, and let the other nodes that nothing holds up be worked on."""
        while (node := self._ready.freed()) is not None:
            if self._so_far.is_skipped(node):
                self.outcome.skipped += 1
                self._so_far.skipped.add(node.name)
                self._settle(node, "skipped")
            elif node.id in self._finished:
                self.outcome.cached += 1
                self._settle(node, "cached")
            else:
                self._ready.push(node, self._place_of(node))

    def _place_of(self, node: Node) -> Place:
        stage = STAGES[node.stage]
        if stage.alone:
            return "alone"
        here = BACKENDS[self._resources.models["student"].backend].student is not None
        return "slot" if here and "student" in stage.asks else "driver"

    def _settle(self, node: Node, status: str) -> None:
        self._so_far.settled.add(node.name)
        self._reporter.node(node.name, status)
        if status != "skipped":
            position = self._ready.position[node.name]
            self._store.link_node(self._run, node.id, node.name, position, status)
        self._ready.settle(node)

    def _go_on(self) -> bool:
        """Begin or do the next thing that there is room for; return whether there was one."""
        if self._ready.first(["alone"]) is not None and self._executor.beside:
            # What it measures must not be disturbed: nothing begins any more, and then it goes first.
            if self._away or self._talks:
                return False
            return self._work_on(self._ready.pop(["alone"]))
        if (talk := self._dispatcher.next(first=True)) is not None:
            self._converse(talk)
            return True
        places: list[Place] = ["driver"] if self._executor.beside else ["driver", "alone"]
        if len(self._away) < self._executor.slots:
            # What goes on beside begins before the driver works itself.
            slot = self._ready.pop(["slot"] if self._executor.beside else [*places, "slot"])
            if slot is not None:
                return self._work_on(slot)
        if self._work_on(self._ready.pop(places)):
            return True
        # Only now: what nodes that are ready ask is sent together.
        if (talk := self._dispatcher.next()) is not None:
            self._converse(talk)
            return True
        return False

    def _work_on(self, found: tuple[Node, Place] | None) -> bool:
        """Take a node as far as it goes now; return whether there is one."""
        if found is None:
            return False
        node, _ = found
        if self._tracker.over_time():
            raise BudgetReached(self._tracker.exhausted)
        with about(stage=node.name):
            asks = self._asks.setdefault(node.name, NodeAsks(node.id, self._ledger))
            if self._is_for_here(asks):
                self._answer_here(node, asks.last)
                return True
            self._began.setdefault(node.name, (now(), time.monotonic()))
            self._reporter.node(node.name, "running")
            # Not where it waited: a node of the driver's waits for a slot while its model is to answer on this machine.
            if self._place_of(node) == "slot":
                self._away.add(node.name)
                self._executor.submit(
                    Work(
                        node,
                        STAGES[node.stage],
                        self._so_far.sources(node),
                        self._replies.get(node.name, {}),
                    )
                )
            else:
                self._work(node)
        return True

    def _is_for_here(self, asks: NodeAsks) -> bool:
        """Return whether a node waits for a model on this machine."""
        if not asks.asked or not self._dispatcher.is_local(asks.last.role):
            return False
        return bool(self._ledger.lacks(asks.last))

    def _take(self, what: Any) -> None:
        """Go on by what has happened; raises what went wrong elsewhere."""
        match what:
            case Began(name, where):
                self._places[name] = where
                self._reporter.node(name, "running", where)
            case Worked(name, result):
                self._away.discard(name)
                if isinstance(result, BaseException):
                    raise result
                self._worked(self._plan.nodes[name], result)
            case Answered(talk, requests):
                self._again(self._dispatcher.answered(talk, requests))
            case Talked(talk, error):
                if (thread := self._talks.pop(talk, None)) is not None:
                    thread.join()
                if error is not None:
                    raise error
                self._again(self._dispatcher.ended(talk))

    def _worked(self, node: Node, result: Output | Lacks) -> None:
        with about(stage=node.name):
            if isinstance(result, Lacks):
                self._asks[node.name].put_down(result.role, result.requests)
                self._wait(node)
            else:
                self._commit(node, result)

    def _converse(self, talk: Talk) -> None:
        """Have a conversation with a server: beside other work, or now, where one thing is done at a time."""
        ask = self._dispatcher.asking(talk, self._happened.put)
        if self._executor.beside:
            self._talks[talk] = beside(talk, ask, self._stop, self._happened.put)
            return
        ask()
        self._happened.put(Talked(talk))

    def _answer_here(self, node: Node, asked: Asked) -> None:
        """Have a model on this machine answer one node's requests, while nothing else needs the machine."""
        talk = self._dispatcher.talk(asked.role, [Waiting(node, asked)])
        self._dispatcher.asking(talk, self._happened.put)()
        self._happened.put(Talked(talk))

    def _wait(self, node: Node) -> None:
        """Let a node wait for the replies to what it asked last, where they are not there.

        A seed beside may have asked the same meanwhile.
        """
        asked = self._asks[node.name].last
        when = self._dispatcher.when(node, asked) if self._ledger.lacks(asked) else "now"
        if when == "now":
            self._again([node])
            return
        self._reporter.node(node.name, "waiting")
        if when == "in its turn":
            self._ready.push(node, "slot")

    def _again(self, nodes: Iterable[Node]) -> None:
        """Let nodes go on whose requests are answered."""
        for node in nodes:
            place = self._place_of(node)
            if place == "slot":
                replies = {done.request: done for done in self._asks[node.name].last.completions()}
                self._replies.setdefault(node.name, {}).update(replies)
            self._ready.push(node, place)

    def _bring_home(self, patience: float | None) -> None:
        """Send nothing more, and keep what comes of what was sent: it is paid."""
        self._tracker.halt("the run ends")
        until = None if patience is None else time.monotonic() + patience
        for thread in self._talks.values():
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _leave(self) -> None:
        """End what goes on beside: nothing of it is waited for any more."""
        under_way = bool(self._away)
        self._executor.close(GRACE_SECONDS if under_way else PATIENCE)
        if self._talks:
            self._stop.tell()
            with suppress(KeyboardInterrupt):
                for thread in self._talks.values():
                    thread.join(PATIENCE)

    def reached(self) -> list[Node]:
        """Return the nodes whose rows are the run's: done in it, or taken over."""
        return self._so_far.reached

    def tell_end(self, note: str) -> None:
        """Tell those who look from outside how it ended, and what it waits for."""
        waits = [
            {"file": str(batch.file), "requests": batch.requests} for batch in self.outcome.batches
        ]
        self._reporter.ended(self.outcome.status, note, waits)

    def _work(self, node: Node) -> None:
        """Call a node's stage, and commit its rows where it has all its replies."""
        self._session.enter(node.name)
        asks = self._asks[node.name]
        asks.begin()
        context = NodeContext(
            node,
            self._resources.prompts,
            self._session,
            asks,
            self._reporter,
            self._store.state,
        )
        stage = STAGES[node.stage]
        try:
            output = stage.run(
                node.params, assemble(stage.inputs, self._so_far.sources(node)), context
            )
        except Pending:
            self._wait(node)
            return
        self._commit(node, output)
        self._session.leave(node.name)

    def _commit(self, node: Node, output: Output) -> None:
        """Write a node's rows and the node, in this order, and let others follow."""
        stage = STAGES[node.stage]
        inputs = assemble(stage.inputs, self._so_far.sources(node))
        check_accounts(node.name, stage.accounts(node.params, inputs, output))
        asks = self._asks.pop(node.name)
        if self._replies.pop(node.name, None):
            asks.take(asks.last)
        started, clock = self._began.pop(node.name)
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
        self._so_far.outputs[node.name] = output
        self._forget_replies(asks)
        self.outcome.computed += 1
        seconds = time.monotonic() - clock
        where = self._places.pop(node.name, "")
        made = output.made
        with about(rows=made, seconds=round(seconds, 1)):
            place = f"  on {where}" if where else ""
            self._reporter.say(f"{node.name:<28} {made:>6,} rows {seconds:>8.1f} s{place}")
        self._settle(node, "done")

    def _forget_replies(self, asks: NodeAsks) -> None:
        if not self._began:
            # Nodes that wait together may share replies that are not usable: those are held for all of them.
            self._ledger.forget_all()
        elif asks.asked:
            self._ledger.forget(asks.asked)


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
    recipe: Recipe,
    store: Store,
    run: str,
    reporter: Watched,
    origins: Origins,
    recorded: Recorded | None = None,
) -> Outcome:
    """Run a plan, and note in the store how it ended and where its patterns were first seen, whatever happens.

    With `recorded` replies no model is asked in calls. The recipe says what may be spent, and where work is done.

    Raises:
        EngineError: the run cannot go on, or work cannot be done where it says.
    """
    for model in resources.models.values():
        backend = BACKENDS[model.backend]
        hide(backend.secrets(backend.parse(model.settings)))
    with about(run=run):
        execution = Execution(plan, resources, recipe, store, run, reporter, recorded)
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
