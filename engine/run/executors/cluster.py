"""Work on a Ray cluster: each piece is a task with the CPUs and graphics cards that it needs; rows go by reference.

A task whose worker or machine dies is done again elsewhere, by Ray. The driver keeps store, ledger and budget; where it
dies, Ray ends what it had begun, and the next `pada run` goes on from what is committed.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import threading
import time
from typing import Any

from engine.errors import EngineError, Interrupted, RunError, reason_of
from engine.run.executors.arrow import decoded, encoded
from engine.run.executors.checking import connected, package_paths, places
from engine.run.executors.hearing import Hearing
from engine.run.executors.messages import Failure, Told
from engine.run.executors.performing import Shared
from engine.run.executors.protocol import Began, Lacks, Post, Work, Worked
from engine.run.executors.tasks import THREADS, Relay, Sent, perform
from engine.run.progress import Reporter
from engine.spec.recipe import Executor as Spec
from engine.stages.outputs import Output

AGAIN = 4
"""How often a task may begin; Ray itself would begin one for ever that takes more memory than there is."""
_LOOK = 0.3
"""Seconds between two looks at what tasks report."""


class Cluster:
    """A Ray cluster's machines, as slots."""

    beside = True

    def __init__(self, spec: Spec, shared: Shared, reporter: Reporter, post: Post) -> None:
        """Connect; see `checking.check_cluster` for what is raised where that cannot be."""
        self._ray: Any = connected(spec)
        self.slots = places(self._ray, spec)
        self._reporter, self._post = reporter, post
        ray = self._ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._mark = secrets.token_hex(8)
        variables = {
            "PYTHONPATH": package_paths(),
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_WAIT_POLICY": "PASSIVE",
            THREADS: str(spec.threads or os.environ.get("OMP_NUM_THREADS", "")),
        }
        environment = {"env_vars": variables}
        # On this machine, so that it is there for as long as the driver is.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._relay = (
            ray.remote(Relay)
            .options(num_cpus=0, runtime_env=environment, scheduling_strategy=here)
            .remote()
        )
        self._task = ray.remote(perform).options(
            num_cpus=spec.threads or 1,
            num_gpus=1 if spec.gpus else 0,
            max_retries=AGAIN - 1,
            runtime_env=environment,
        )
        self._shared = ray.put(shared)
        self._rows: dict[str, tuple[Output, Any]] = {}
        """Id -> rows, and the reference to them."""
        self._under_way: dict[Any, str] = {}
        """Reference to a result -> its node."""
        self._begun: dict[str, int] = {}
        self._hearing: dict[str, Hearing] = {}
        self._new: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="ray", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Begin a task."""
        self._new.put(work)

    def close(self, patience: float = 0.0) -> None:
        """Have tasks end as by Ctrl-C, wait for them, and leave the cluster; a second Ctrl-C does not wait."""
        self._closing = True
        with contextlib.suppress(KeyboardInterrupt):
            references = list(self._under_way)
            for reference in references:
                self._ray.cancel(reference)
            if references:
                self._ray.wait(references, num_returns=len(references), timeout=patience)
        self._new.put(None)
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join(10)
        self._ray.shutdown()

    def _watch(self) -> None:
        """Begin tasks, hand on what they report, and post what comes of them."""
        while True:
            with contextlib.suppress(queue.Empty):
                work = (
                    self._new.get(timeout=_LOOK) if not self._under_way else self._new.get_nowait()
                )
                if work is None:
                    return
                self._begin(work)
                continue
            try:
                self._look()
            except self._ray.exceptions.RayError as error:
                if self._closing:
                    return
                self._fail_all(_lost("the cluster", error))

    def _begin(self, work: Work) -> None:
        try:
            sources = {edge: self._reference(output) for edge, output in work.sources.items()}
            tables = [self._rows[identity][1] for identity in sorted(set(sources.values()))]
            sent = Sent(work.bare(), work.stage.name, sources, work.replies, self._mark)
            reference = self._task.remote(self._shared, sent, tables, self._relay)
        except BaseException as error:
            self._post(Worked(work.node.name, error))
            return
        name = work.node.name
        self._hearing[name] = Hearing(self._reporter)
        self._begun[name] = 0
        self._under_way[reference] = name

    def _reference(self, output: Output) -> str:
        """Return the id under which an output's rows are in the cluster; they are put there once."""
        identity = f"{self._mark}-{id(output)}"
        if identity not in self._rows:
            # The output is held too: as long as it is, nothing else has its id.
            self._rows[identity] = (output, self._ray.put(encoded(output)))
        return identity

    def _look(self) -> None:
        if not self._under_way:
            return
        done, _ = self._ray.wait(list(self._under_way), num_returns=1, timeout=_LOOK)
        for name, told in self._ray.get(self._relay.take.remote()):
            self._hear(name, told)
        for reference in done:
            name = self._under_way.pop(reference, "")
            self._post(Worked(name, self._result(name, reference)))
            self._hearing.pop(name).forget()

    def _hear(self, name: str, told: Told | str) -> None:
        hearing = self._hearing.get(name)
        if hearing is None:
            return
        if isinstance(told, Told):
            hearing.take(told)
            return
        self._begun[name] += 1
        hearing.forget()
        if self._begun[name] > 1:
            self._reporter.warn(f"{name}: its worker has died; the work is done again on {told}")
        self._post(Began(name, told))
        if self._begun[name] > AGAIN:
            reference = next(one for one, node in self._under_way.items() if node == name)
            self._ray.cancel(reference, force=True)

    def _result(self, name: str, reference: Any) -> Output | Lacks | BaseException:
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.TaskCancelledError:
            return Interrupted("stopped") if self._closing else _again_and_again(name)
        except self._ray.exceptions.RayError as error:
            return _lost(name, error)
        if isinstance(result, Failure):
            return result.error
        return result if isinstance(result, Lacks) else decoded(result)

    def _fail_all(self, error: EngineError) -> None:
        names, self._under_way = list(self._under_way.values()), {}
        for name in names:
            self._post(Worked(name, error))
        time.sleep(_LOOK)


def _lost(name: str, error: BaseException) -> EngineError:
    return RunError(
        f"{name}: Ray could not bring it to an end: {reason_of(error)}",
        "see that the cluster's machines are up (`ray status`); the same command goes on from what is finished",
    )


def _again_and_again(name: str) -> EngineError:
    return RunError(
        f"{name}: its worker died {AGAIN} times: most likely its machine ran out of memory",
        "lower executor.slots or the batch size, or choose a smaller student",
    )
