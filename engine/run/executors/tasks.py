"""What runs on the machines of a Ray cluster: work as tasks, each worker with its student loaded, and what they report.

Nothing here imports Ray but where it runs: the functions are made into tasks by the driver.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.backends.protocol import Completion
from engine.plan.graph import Node
from engine.run.executors.arrow import decoded, encoded
from engine.run.executors.messages import Failure, Telling, Told
from engine.run.executors.performing import Performer, Shared
from engine.run.executors.protocol import Lacks, Work
from engine.run.progress import Callback
from engine.stages import STAGES
from engine.stages.outputs import Output

THREADS = "PADA_WORK_THREADS"
"""Environment variable: the threads of each task; empty for as many as a process would take by itself."""


class Sent(NamedTuple):
    """Work, as a task takes it."""

    node: Node
    stage: str
    sources: Mapping[str, str]
    """Edge -> the id of the rows."""
    replies: Mapping[str, Completion]
    run: str
    """Mark of the run: what a worker keeps is for it."""


class _Kept:
    """What a worker has from the task before."""

    run = ""
    performer: Performer | None = None
    rows: Mapping[str, Output] = {}  # replaced, never changed


def perform(shared: Shared, sent: Sent, tables: Sequence[Any], relay: Any) -> Any:
    """Do work on whatever machine; return an Arrow table of rows, `Lacks` or a `Failure`.

    Args:
        shared: What all work of the run needs.
        sent: The work.
        tables: References to the rows of `sent.sources`, in the order of their ids.
        relay: The actor that takes what is reported.
    """
    name = sent.node.name
    relay.tell.remote(name, place())
    try:
        _set_threads()
        if _Kept.performer is None or _Kept.run != sent.run:
            shared.hold()
            _Kept.run, _Kept.rows = sent.run, {}
            _Kept.performer = Performer(shared, Callback())
        rows = _read(sent, tables)
        sources = {edge: rows[identity] for edge, identity in sent.sources.items()}
        work = Work(sent.node, STAGES[sent.stage], sources, sent.replies)
        result = _Kept.performer.perform(work, Telling(lambda told: relay.tell.remote(name, told)))
    except BaseException as error:
        return Failure.of(error)
    return result if isinstance(result, Lacks) else encoded(result)


def _read(sent: Sent, tables: Sequence[Any]) -> Mapping[str, Output]:
    import ray

    identities = sorted(set(sent.sources.values()))
    new = [
        (identity, table)
        for identity, table in zip(identities, tables, strict=True)
        if identity not in _Kept.rows
    ]
    fetched = ray.get([table for _, table in new])
    found = {
        **_Kept.rows,
        **{i: decoded(table) for (i, _), table in zip(new, fetched, strict=True)},
    }
    _Kept.rows = {identity: found[identity] for identity in identities}
    return _Kept.rows


def _set_threads() -> None:
    """Let libraries that are not loaded yet take the recipe's threads: Ray's own choice is by the CPUs asked for."""
    threads = os.environ.get(THREADS, "")
    if threads:
        os.environ["OMP_NUM_THREADS"] = threads
    else:
        os.environ.pop("OMP_NUM_THREADS", None)


def place() -> str:
    """Return where a task runs, for people: the machine, and which of its Ray nodes."""
    import ray

    return f"{socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:6]})"


class Relay:
    """Takes what tasks report, until the driver comes to hear it."""

    def __init__(self) -> None:
        """Nothing was told."""
        self._told: list[tuple[str, Told | str]] = []

    def tell(self, node: str, told: Told | str) -> None:
        """Take what a node's task reports; a text is where it has begun."""
        self._told.append((node, told))

    def take(self) -> list[tuple[str, Told | str]]:
        """Return what was reported since the last time."""
        told, self._told = self._told, []
        return told


def looker() -> Any:
    """Return what looks around on a machine; it travels by value, so that an engine there need not be this one."""

    def look(file: str, mark: str) -> tuple[str, dict[str, str], str]:
        import contextlib
        import importlib.metadata
        import socket
        import sys
        from pathlib import Path

        found = {"python": ".".join(map(str, sys.version_info[:2]))}
        with contextlib.suppress(ImportError):
            from engine.version import __version__

            found["pada-engine"] = __version__
        for library in ("torch", "transformers", "peft"):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[library] = importlib.metadata.version(library)
        try:
            seen = "" if Path(file).read_text() == mark else "it has another content there"
        except OSError as error:
            seen = error.strerror or str(error)
        return socket.gethostname(), found, seen

    return look
