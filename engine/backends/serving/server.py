"""A server for the student's own weights, started for a benchmark and ended with it.

`transformers serve`, or vLLM where it is installed and there is a GPU: a child process on a free port of loopback,
which cannot outlive this one. What it needs on disk it writes into a folder of the caller's.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from engine.backends import lifetime
from engine.errors import BackendError

Server = Literal["auto", "transformers", "vllm"]
READY_SECONDS = 900.0
"""How long a server may take to load its weights; vLLM compiles for minutes at its first start."""
LOG_FILE = "server.log"
_PATIENCE = 10.0
"""Seconds that a server may take to end by itself."""
_CARD_SHARE, _MACHINE_SHARE = 0.85, 0.4
"""Of the memory that is free, on a graphics card and without one: the run's own models stay where they are."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Which weights are served, and how."""

    model: Path
    """Folder of the base model."""
    adapter: Path | None
    """What a fine-tune left behind: an adapter, or a whole model."""
    dtype: str
    """`bfloat16` or `float32`."""
    device: str
    """As the recipe's student has it: `auto`, `cpu`, `cuda:0`, …"""


class Served(NamedTuple):
    """A server that answers."""

    base_url: str
    model: str
    """Its own name for the model."""
    name: str
    """What it is: `transformers serve 5.23.0`."""


def require(server: Server) -> None:
    """Raise BackendError where what serves is not installed; imports nothing of it."""
    if server == "vllm" and not _is_installed("vllm"):
        raise BackendError("vllm is not installed", "pip install vllm, or write server: auto")
    if server != "vllm" and not all(map(_is_installed, ("fastapi", "uvicorn"))):
        raise BackendError(
            "what `transformers serve` needs is not installed",
            "pip install 'transformers[serving]'",
        )


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextlib.contextmanager
def serving(weights: Weights, server: Server, folder: Path) -> Iterator[Served]:
    """Serve weights while the block lasts.

    Args:
        weights: What to serve.
        server: Which server; `auto` picks one.
        folder: Where its files go.

    Raises:
        BackendError: it does not start, or does not answer in time; the message shows the end of its log.
    """
    kind = _pick(server, weights.device)
    port = _free_port()
    served = folder / "model" if weights.adapter else weights.model
    command = _command(kind, weights, served, port)
    with _started(command, weights, served, folder) as child:
        _await(child, port, folder / LOG_FILE)
        yield Served(f"http://127.0.0.1:{port}/v1", str(served), _name(kind))


def environment() -> dict[str, str]:
    """Return the variables of a child that measures or is measured: no hub, no proxy on the way to loopback."""
    package = str(Path(__file__).resolve().parents[3])
    paths = [package, os.environ.get("PYTHONPATH", "")]
    # Of the two ways in which it is written some take the small letters before the large ones, some the other.
    hosts = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    direct = ",".join(filter(None, [*dict.fromkeys(hosts), "127.0.0.1,localhost,::1"]))
    return {
        # Threads that spin while they wait take the core from the one they wait for.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "DO_NOT_TRACK": "1",
        "no_proxy": direct,
        "NO_PROXY": direct,
    }


class _Command(NamedTuple):
    """A server as a Python module with its arguments."""

    module: str
    arguments: tuple[str, ...]


def _command(kind: str, weights: Weights, served: Path, port: int) -> _Command:
    where = ("--host", "127.0.0.1", "--port", str(port), "--dtype", weights.dtype)
    if kind == "vllm":
        # -1: as long as the memory allows; with what the model could take at most it may not start.
        share = f"{share_of_memory(_CARD_SHARE, _MACHINE_SHARE):.2f}"
        how = ("--gpu-memory-utilization", share, "--max-model-len", "-1")
        return _Command("vllm.entrypoints.cli.main", ("serve", str(served), *how, *where))
    device = ("--device", weights.device)
    return _Command("transformers.cli.transformers", ("serve", str(served), *device, *where))


def share_of_memory(on_card: float, on_machine: float | None = None) -> float:
    """Return the share of a graphics card's memory, or of the machine's where there is no card, that vLLM may take.

    It takes its share at once, used or not, and refuses to start where that much is not free.

    Args:
        on_card: Share of what is free on the card.
        on_machine: Share of what is free on a machine without one; the same when left out.
    """
    free, total = graphics("memory.free"), graphics("memory.total")
    if free.isdigit() and total.isdigit():  # a card that shares the machine's memory says [N/A]
        return on_card * int(free) / int(total)
    import psutil

    memory = psutil.virtual_memory()
    return (on_card if on_machine is None else on_machine) * memory.available / memory.total


def free_memory(on_card: bool) -> int:
    """Return the bytes that are free on the first graphics card, or on the machine without one."""
    free = graphics("memory.free") if on_card else ""
    if free.isdigit():
        return int(free) << 20
    import psutil

    return int(psutil.virtual_memory().available)


def cards() -> int:
    """Return how many graphics cards nvidia-smi shows, of those that CUDA_VISIBLE_DEVICES lets through."""
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    there = len(done.stdout.split())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (
        there if visible is None else min(there, len([v for v in visible.split(",") if v.strip()]))
    )


def graphics(what: str) -> str:
    """Return what nvidia-smi reports for the first graphics card; empty where there is none."""
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(done.stdout.split()), "")


def _pick(server: Server, device: str) -> Literal["transformers", "vllm"]:
    if server != "auto":
        return server
    on_card = not device.startswith("cpu") and bool(graphics("index"))
    return "vllm" if on_card and _is_installed("vllm") else "transformers"


def _name(kind: str) -> str:
    words = "vLLM" if kind == "vllm" else "transformers serve"
    return f"{words} {importlib.metadata.version(kind)}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def _started(
    command: _Command, weights: Weights, served: Path, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    spec = folder / "server.json"
    content = {
        "module": command.module,
        "arguments": command.arguments,
        "model": str(weights.model),
        "adapter": str(weights.adapter) if weights.adapter else None,
        "merged": str(served),
        "dtype": weights.dtype,
    }
    spec.write_text(json.dumps(content), encoding="utf-8")
    child_module = ("-P", "-m", "engine.backends.serving.child")
    with (folder / LOG_FILE).open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, *child_module, str(spec), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,  # a group of its own, which is ended as a whole
        )
    try:
        yield child
    finally:
        lifetime.end(child, _PATIENCE)


def _await(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server is ready; raises BackendError where it ends before, or takes too long."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if child.poll() is not None:
            raise BackendError(
                f"the student's server ended before it was ready (exit code {child.returncode})",
                tail(log),
            )
        if _is_ready(f"http://127.0.0.1:{port}/health"):
            return
        time.sleep(0.2)
    raise BackendError(
        f"the student's server was not ready after {READY_SECONDS:,.0f} seconds", tail(log)
    )


def _is_ready(url: str) -> bool:
    import urllib.request

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2):
            return True
    except OSError:
        return False


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log as a hint shows it; empty where there is none."""
    try:
        end = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n    ".join(["the end of its log:", *end]) if end else ""
