"""Work on many files at once: in processes, as many as there are cores, each of which goes on to the next file.

They start as forks of one process that has loaded the engine and nothing else, so they are there in no time, and what a
library leaves behind in one (a crash, too) is no matter of the others.
"""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from engine import gate
from engine.system.platforms import usable_cpus

T = TypeVar("T")
R = TypeVar("R")
PREPARED = "engine.site.prepared"
"""The module with which the processes begin."""
_FEW = 4
"""Items for which another process is started: it takes as long to begin as a few of them to be done."""


def processes_for(count: int, jobs: int | None) -> int:
    """Return the processes that work on so many items: as many as were asked for, or what the machine has cores for."""
    return min(jobs or usable_cpus(), max(1, -(-count // _FEW)))


def for_each(
    work: Callable[[T], R],
    items: Sequence[T],
    crashed: Callable[[T], R],
    jobs: int | None = None,
    allowed: Sequence[Path] = (),
) -> list[R]:
    """Return what a function makes of each item, in their order.

    Args:
        work: The function; it and what it takes and returns go from process to process.
        items: What it is called with.
        crashed: What stands for an item over which the process ends, such as by a library's segmentation fault.
        jobs: Processes at most; as many as there are cores when left out. With one everything is done here.
        allowed: What the user let recipes read besides.
    """
    processes = processes_for(len(items), jobs)
    if processes == 1:
        return [work(item) for item in items]
    done: dict[int, R] = {}
    with _pool(processes, allowed) as pool:
        futures = [pool.submit(work, item) for item in items]
        _collect(futures, done)
    # Where one ended its process, those that others worked on went with it. Which it was is seen one after the other.
    rest = [number for number in range(len(items)) if number not in done]
    while rest:
        with _pool(1, allowed) as pool:
            while rest and _collect([pool.submit(work, items[rest[0]])], alone := dict[int, R]()):
                done[rest.pop(0)] = alone[0]
        if rest:
            number = rest.pop(0)
            done[number] = crashed(items[number])
    return [done[number] for number in range(len(items))]


def _collect(futures: Sequence[Future[R]], done: dict[int, R]) -> bool:
    """Note what is done, and return whether all is; raises what the work raises, and then waits for nothing more."""
    try:
        for number, future in enumerate(futures):
            with suppress(BrokenProcessPool):
                done[number] = future.result()
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return len(done) == len(futures)


def _pool(processes: int, allowed: Sequence[Path]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PREPARED])
    return ProcessPoolExecutor(processes, context, partial(_begin, tuple(allowed)))


def _begin(allowed: Sequence[Path]) -> None:
    """Make a process one that says nothing of its own and ends with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    gate.allow(*allowed)
