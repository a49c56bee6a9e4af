"""Which executor a recipe asks for."""

from __future__ import annotations

from engine.run.executors.cluster import Cluster
from engine.run.executors.here import Beside, InTurn
from engine.run.executors.performing import Shared
from engine.run.executors.processes import Processes
from engine.run.executors.protocol import Executor, Post
from engine.run.progress import Reporter
from engine.spec.recipe import Executor as Spec
from engine.system import stopping


def open_executor(
    spec: Spec, shared: Shared, reporter: Reporter, post: Post, stop: stopping.Stop
) -> Executor:
    """Return what a recipe asks for; nothing is started before the first work.

    Args:
        spec: The recipe's block.
        shared: What all work needs.
        reporter: Who watches.
        post: Takes what happens.
        stop: What tells work in threads of this process to end.

    Raises:
        EngineError: it cannot be had here.
    """
    if spec.kind == "serial":
        return InTurn(shared, reporter, post)
    if spec.kind == "ray":
        return Cluster(spec, shared, reporter, post)
    if spec.apart:
        slots = spec.slots or spec.gpus or 1
        return Processes(shared, reporter, post, slots, spec.threads, spec.gpus)
    return Beside(shared, reporter, post, stop)
