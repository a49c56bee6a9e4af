"""execute: runs a plan. Skips what is committed, gathers what is pending, commits each node last.

A stage that lacks replies says so (`Pending`); its requests are sent, the replies go to the ledger as they
arrive, and the stage is called again. Killed at any moment, the next run goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from engine.backends.protocol import Ask, Completion, Deferred
from engine.errors import Interrupted, RunError, StoreError
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources
from engine.rows import Decision, Example, Model
from engine.run.batches import Batch, put_down
from engine.run.content import content_hash
from engine.run.context import NodeContext
from engine.run.ledger import Ledger
from engine.run.live import Live
from engine.run.progress import Reporter
from engine.run.purse import Purse
from engine.run.session import Session
from engine.spec.recipe import Budget
from engine.stages import STAGES
from engine.stages.guard import text_of
from engine.stages.protocol import Inputs, Output, Pending
from engine.store import NodeInfo, Store, now

NEEDED = 5
"""Requests of one kind that must all fail before the run gives up."""


class BudgetReached(Exception):
    """The next request would pass the recipe's budget."""


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    status: str
    """done | stopped | waiting"""
    note: str
    worked: int = 0
    """Nodes that this run worked out itself; the others were there."""
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
        reporter: Reporter,
    ) -> None:
        """Take what to run and where its rows go; `run` is an id from `store.start_run`."""
        self._plan, self._resources = plan, resources
        self._store, self._run, self._reporter = store, run, reporter
        self._purse = Purse(budget, store.spent(node.id for node in plan.nodes.values()))
        self._ledger = Ledger(store, run, self._purse)
        self._session = Session(resources.models, reporter, self._texts)
        self._outputs: dict[str, Output] = {}
        self._skipped: set[str] = set()
        self._waiting: set[str] = set()
        self._told: set[str] = set()
        self._deferred: dict[Deferred, dict[str, Ask]] = {}
        self.outcome = Outcome("done", "")

    def run(self) -> Outcome:
        """Work through the plan; raises Interrupted on Ctrl-C, and EngineError when it cannot go on."""
        finished = self._present(self._store.finished([n.id for n in self._plan.nodes.values()]))
        self._preload(finished)
        try:
            for position, node in enumerate(self._plan.nodes.values()):
                if self._blocked(node):
                    self._waiting.add(node.name)
                    continue
                if self._is_skipped(node):
                    self._skipped.add(node.name)
                    self.outcome.skipped += 1
                    continue
                if node.id in finished:
                    self.outcome.cached += 1
                    status = "cached"
                else:
                    self._check_minutes()
                    if not self._work(node):
                        continue
                    status = "done"
                self._store.link_node(self._run, node.id, node.name, position, status)
            self._put_down()
        except KeyboardInterrupt:
            raise Interrupted(
                "stopped; everything finished is kept", "run the same command again to go on"
            ) from None
        except BudgetReached as reached:
            self.outcome.status, self.outcome.note = "stopped", str(reached)
        return self.outcome

    def _present(self, finished: Mapping[str, object]) -> dict[str, object]:
        """Leave out trainings whose adapter was removed (`pada clean`) and is needed again.

        The same job trained again gives the same weights, so what was made from them stays valid.
        """
        present = dict(finished)
        for node in self._plan.nodes.values():
            if node.stage != "train" or node.id not in present:
                continue
            needed = any(user.id not in present for user in self._plan.consumers(node.name))
            models = self._output(node.name).of(Model)
            if needed and not all((self._store.state / model.path).is_dir() for model in models):
                del present[node.id]
                del self._outputs[node.name]
        return present

    def _preload(self, finished: Mapping[str, object]) -> None:
        """Read the rows that unfinished nodes need now, while the store is surely free."""
        for node in self._plan.nodes.values():
            if node.id not in finished:
                for source in (*node.inputs.values(), *node.gates):
                    if self._plan.nodes[source].id in finished:
                        self._output(source)

    def _output(self, name: str) -> Output:
        if name not in self._outputs:
            self._outputs[name] = Output(tuple(self._store.load_output(self._plan.nodes[name].id)))
        return self._outputs[name]

    def _texts(self) -> list[str]:
        """Return the texts of all examples: they are embedded first and once, in this order."""
        return [text_of(example) for example in self._output("load").of(Example)]

    def _blocked(self, node: Node) -> bool:
        """Return whether a node needs one that waits for replies."""
        return any(source in self._waiting for source in (*node.inputs.values(), *node.gates))

    def _put_down(self) -> None:
        """Write the deferred requests of all nodes down, where nobody was asked yet; the run then waits."""
        if not self._deferred:
            return
        count = sum(map(len, self._deferred.values()))
        batches = put_down(self._deferred, self._store.state, self._run, self._purse.permit)
        left = count - sum(batch.requests for batch in batches)
        if not batches:
            raise BudgetReached(f"{self._purse.exhausted}; {left:,} calls are left")
        self.outcome.batches = batches
        self.outcome.status = "waiting"
        self.outcome.note = f"{count - left:,} requests wait for their results"
        if left:
            self.outcome.note += f"; {left:,} more were not written: {self._purse.exhausted}"

    def _is_skipped(self, node: Node) -> bool:
        if any(source in self._skipped for source in (*node.inputs.values(), *node.gates)):
            return True
        for gate in node.gates:
            for decision in self._output(gate).of(Decision):
                if not decision.go_on:
                    note = f"{gate.rsplit('/', 1)[0]}: {decision.reason}"
                    if note not in self.outcome.notes:
                        self.outcome.notes.append(note)
                    return True
        return False

    def _work(self, node: Node) -> bool:
        """Call the node's stage until it has all its replies, then commit its rows and the node, in this order.

        Returns False for a node that must wait for replies which come after the run.
        """
        started, clock = now(), time.monotonic()
        self._session.forget()
        self._ledger.forget()
        context = NodeContext(
            node,
            self._resources.prompts,
            self._session,
            self._ledger,
            self._reporter,
            self._store.state,
        )
        inputs = Inputs({edge: self._output(source) for edge, source in node.inputs.items()})
        params = {**node.identity["params"], **node.settings}
        while True:
            try:
                output = STAGES[node.stage].function(params, inputs, context)
            except Pending as pending:
                if not self._send(node, pending):
                    self._waiting.add(node.name)
                    return False
            else:
                break
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
        self.outcome.worked += 1
        seconds = time.monotonic() - clock
        self._reporter.say(f"{node.name:<28} {len(output.rows):>6,} rows {seconds:>8.1f} s")
        return True

    def _send(self, node: Node, pending: Pending) -> bool:
        """Send the requests that have no reply yet; False when the replies will come after the run.

        Each group of replies is durable before the next is awaited.
        """
        deferred = self._session.deferred(pending.role)
        if deferred is not None:
            return self._defer(node, pending, deferred)
        known = self._ledger.known(pending.requests)
        generator = self._session.generator(pending.role)
        advance = self._reporter.open(f"{node.name} ({pending.role})", len(pending.requests))
        advance(len(known))
        live = Live()
        for group in self._ledger.ask(
            generator, node.id, pending.role, pending.requests, frozenset(known)
        ):
            self._ledger.keep(group)
            live.add(group)
            advance.note = live.line(self._purse.under_way)
            advance(sum(done.final for done in group))
            self._tell_way(pending.role, group[0].method)
        self._purse.home()
        known = self._ledger.known(pending.requests)
        left = len(pending.requests) - len(known)
        if left and self._purse.exhausted:
            raise BudgetReached(
                f"{self._purse.exhausted}; {left:,} of {len(pending.requests):,} calls of {node.name} are left"
            )
        if left:
            raise RunError(
                f"{node.name}: the {pending.role} left {left} of {len(pending.requests)} requests unanswered"
            )
        self._fail_if_all_failed(node, pending.role, [known[r.id] for r in pending.requests])
        return True

    def _tell_way(self, role: str, method: str) -> None:
        """Say once that a server does not take schemas: what it says is asked for in words and validated."""
        if method in {"json_object", "prompt"} and role not in self._told:
            self._told.add(role)
            self._reporter.warn(
                f"the server of the {role} does not enforce JSON schemas: they are told it in words ({method}), "
                "every reply is validated, wrong ones are sent back"
            )

    def _defer(self, node: Node, pending: Pending, deferred: Deferred) -> bool:
        """Remember requests for the file that is written at the end; True when none is left to ask."""
        known = self._ledger.known(pending.requests)
        missing = [r for r in pending.requests if r.id not in known]
        failures = self._ledger.failures(missing)
        asks = [Ask(node.id, pending.role, r, tuple(failures.get(r.id, ()))) for r in missing]
        waiting = {ask.request.id: ask for ask in asks if ask.number < deferred.attempts}
        self._ledger.keep(
            replace(ask.failed[-1], final=True) for ask in asks if ask.number >= deferred.attempts
        )
        if waiting:
            held = self._deferred.setdefault(deferred, {})
            for identity, ask in waiting.items():
                # Two seeds often ask the same: one request answers both.
                held.setdefault(identity, ask)
            self._reporter.say(
                f"{node.name:<28} waits for {len(waiting):,} replies of the {pending.role}"
            )
            return False
        known = self._ledger.known(pending.requests)
        self._fail_if_all_failed(node, pending.role, [known[r.id] for r in pending.requests])
        return True

    def _fail_if_all_failed(self, node: Node, role: str, completions: Sequence[Completion]) -> None:
        failed = [c for c in completions if c.value is None]
        if len(failed) < len(completions) or not failed:
            return
        # Names, strategies and verdicts have a fallback, and few replies may fail by chance: the run goes on.
        if node.stage in {"diagnose", "generate"} and len(completions) >= NEEDED:
            raise RunError(_unusable(node, role, failed), f"the first one: {_first(failed)}")
        self._reporter.warn(f"{_unusable(node, role, failed)}; the first one: {_first(failed)}")

    def _check_minutes(self) -> None:
        if self._purse.over_time():
            raise BudgetReached(self._purse.exhausted)


def _unusable(node: Node, role: str, failed: Sequence[Completion]) -> str:
    kinds = ", ".join(sorted({c.error or "?" for c in failed}))
    return f"{node.name}: none of {len(failed)} replies of the {role} was usable ({kinds})"


def _first(failed: Sequence[Completion]) -> str:
    return f"{failed[0].detail or failed[0].text[:200]!r}; all are in the table llm_call"


def execute(
    plan: Plan, resources: Resources, budget: Budget, store: Store, run: str, reporter: Reporter
) -> Outcome:
    """Run a plan and note in the store how it ended, whatever happens."""
    execution = Execution(plan, resources, budget, store, run, reporter)
    try:
        outcome = execution.run()
    except BaseException as error:
        status = "interrupted" if isinstance(error, Interrupted) else "failed"
        # A full disk cannot take this note either; what went wrong first is what the user must see.
        with suppress(StoreError):
            store.end_run(run, status, str(error) or type(error).__name__)
        raise
    store.end_run(run, outcome.status, outcome.note or "; ".join(outcome.notes))
    return outcome
