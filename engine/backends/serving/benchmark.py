"""How fast a student answers when it is served: its server started, guidellm sent there, the numbers brought home.

Both work in child processes that cannot outlive this one. The first request goes through the engine's own client: it
warms the server up, and says in the usual words what is wrong with an address, a key or a model's name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.backends import lifetime
from engine.backends.entry import ChatEndpoint
from engine.backends.protocol import Message, Progress, Request
from engine.backends.serving import guidellm, server
from engine.backends.serving.server import Server, Weights
from engine.errors import BackendError
from engine.turns.tools import in_words

FOLDER = "serving"
"""In the state folder, while a benchmark is at work."""
WARM_UP_PATIENCE = 10.0
"""Seconds that the first request may wait for a server that is busy or failing."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is measured, and how."""

    prompts: tuple[tuple[Message, ...], ...]
    """What the student is asked, in order; each concurrency takes up where the one before ended."""
    requests: int
    """Requests at each concurrency."""
    concurrency: tuple[int, ...]
    max_tokens: int
    address: ChatEndpoint | None
    """None: `weights` are served for it."""
    weights: Weights | None
    server: Server
    state: Path
    """The project's state folder: what lies in it meanwhile goes afterwards."""


class DistributionSummary(NamedTuple):
    """One metric of one level, over the requests that were answered."""

    n: int
    """Requests, or tokens where it is one of tokens."""
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


class Level(NamedTuple):
    """What was seen at one concurrency."""

    concurrency: int
    metrics: Mapping[str, DistributionSummary]
    errors: Mapping[str, int]
    """What went wrong, and with how many requests."""


class BenchmarkResult(NamedTuple):
    """What a benchmark measured."""

    server: str
    """What answered: `transformers serve 5.23.0`, or an address."""
    levels: tuple[Level, ...]


def measure(job: Job, progress: Progress) -> BenchmarkResult:
    """Measure; `progress` is called with the number of requests just finished.

    Raises:
        BackendError: no server, one that does not start, refuses the first request or answers none of the others,
            or guidellm failed.
    """
    guidellm.require()
    with (
        _folder(job.state.resolve() / FOLDER) as folder,
        _endpoint(job, folder) as (name, address),
    ):
        _warm_up(job, address)
        levels = tuple(_levels(job, address, folder, progress))
        if not any(level.metrics for level in levels):
            errors = (error for level in levels for error in level.errors)
            raise BackendError(
                f"the benchmark got no answer from {name}: {next(errors, 'no reason is known')}",
                server.tail(folder / server.LOG_FILE) or "the server's own log may say more",
            )
        return BenchmarkResult(name, levels)


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    """Make a folder for as long as the block lasts; one that is there is left from a run that was killed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _endpoint(job: Job, folder: Path) -> Iterator[tuple[str, ChatEndpoint]]:
    """Yield what answers, and where; a server that is started for it is ended with the block."""
    if job.address is not None:
        yield job.address.base_url, job.address
        return
    if job.weights is None:
        raise BackendError("there is nothing to measure", "name a benchmark.endpoint")
    with server.serving(job.weights, job.server, folder) as served:
        yield served.name, ChatEndpoint(served.base_url, served.model)


def _warm_up(job: Job, address: ChatEndpoint) -> None:
    """Send the first prompt once; raises BackendError where there is no answer to it."""
    settings = {
        "base_url": address.base_url,
        "api_key": {"env": address.key} if address.key else None,
        "extra": dict(address.extra),
        "concurrency": 1,
        "patience_s": WARM_UP_PATIENCE,
        "timeout_s": 600.0,
    }
    from engine.backends import openai  # its client is much to import, and few recipes measure

    model = openai.BACKEND.open("generator", None, address.model, settings)
    request = Request(job.prompts[0], None, job.max_tokens, 0.0, address.model)
    for group in model.complete_many([request], ()):  # type: ignore[union-attr]
        for done in group:
            if done.error is not None and done.final and done.error != "length":
                raise BackendError(
                    f"{address.base_url} does not answer the first request: {done.error}: {done.detail}",
                    "correct the server or the recipe's benchmark block, then run again",
                )


def _levels(job: Job, address: ChatEndpoint, folder: Path, progress: Progress) -> Iterator[Level]:
    """Yield what guidellm measured, level by level; raises BackendError where it fails."""
    spec, log = folder / "measure.json", folder / "guidellm.log"
    spec.write_text(json.dumps(_spec(job, address)), encoding="utf-8")
    with log.open("wb") as stderr:
        child = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "engine.backends.serving.guidellm"),
                *(str(spec), str(os.getpid())),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,  # guidellm reads a .env from where it stands
            env={k: v for k, v in server.environment().items() if not k.startswith("GUIDELLM")},
            start_new_session=True,  # a group of its own, which is ended as a whole
        )
    try:
        for line in child.stdout or ():
            progress(job.requests)
            yield _level(json.loads(line))
        code = child.wait()
    finally:
        lifetime.end(child, 0)
        if child.stdout is not None:
            child.stdout.close()
    if code:
        end = server.tail(log)
        if key := os.environ.get(address.key or "", "").strip():
            # A traceback may hold the settings that guidellm was given.
            end = end.replace(key, "[key]")
        raise BackendError(f"guidellm failed (exit code {code})", end)


def _level(line: Mapping[str, Any]) -> Level:
    metrics = {name: DistributionSummary(**summary) for name, summary in line["metrics"].items()}
    return Level(line["concurrency"], metrics, line["errors"])


def _spec(job: Job, address: ChatEndpoint) -> dict[str, Any]:
    turns = [
        [{"role": m.role, "content": m.content} for m in in_words(prompt)] for prompt in job.prompts
    ]
    levels = [
        {
            "concurrency": concurrency,
            "prompts": [
                turns[(place * job.requests + i) % len(turns)] for i in range(job.requests)
            ],
        }
        for place, concurrency in enumerate(job.concurrency)
    ]
    return {**address._asdict(), "max_tokens": job.max_tokens, "levels": levels}
