"""What `check.sh` runs: each part in a process of its own, so that no part has the memory of another.

A part prints what it measured, ratios against a peer of the same run first, and fails where an answer is wrong: rates
fail nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.device import parts

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = (
    "torch", "transformers", "peft", "trl", "accelerate", "outlines", "llguidance", "vllm", "lm_eval",
    "bitsandbytes", "flash_attn",
)  # fmt: skip


class Done(NamedTuple):
    """How a part ended."""

    name: str
    code: int
    seconds: float


def say_what_is_here() -> None:
    """Print the machine and the versions."""
    import psutil
    import torch

    memory = psutil.virtual_memory().total / 1e9
    print(
        f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, {memory:.0f} GB"
    )
    for card in range(torch.cuda.device_count()):
        its = torch.cuda.get_device_properties(card)
        print(f"cuda:{card} {its.name}, {its.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}")
    if not torch.cuda.is_available():
        print("no CUDA device")
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    print(", ".join(found), flush=True)


def run(name: str, small: bool, limit: float) -> Done:
    """Run one part in a process of its own, for at most `limit` seconds."""
    print(f"\n== {name}: {parts.PARTS[name].__doc__}", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.device.parts", name, *(["--small"] if small else [])]
    with tempfile.TemporaryDirectory(prefix="pada-device-") as folder:
        # A group of its own: runs and servers that a part started end with it.
        child = subprocess.Popen([*command, "--folder", folder], cwd=ROOT, start_new_session=True)
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired:
            code = 124
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return Done(name, code, time.monotonic() - began)


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are asked for and print how each ended; return 0 where none failed."""
    parser = argparse.ArgumentParser(description="see tests/device/check.sh")
    parser.add_argument("--small", action="store_true", help="tiny, on a CPU")
    parser.add_argument("--only", nargs="+", choices=list(parts.PARTS), default=list(parts.PARTS))
    parser.add_argument("--limit", type=float, default=240, help="seconds for one part")
    given = parser.parse_args(arguments)
    # Time is up for all of it: what is at work ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))
    say_what_is_here()
    done = [run(name, given.small, given.limit) for name in given.only]
    words = {0: "as it should be", parts.LEFT_OUT: "left out", 124: "took too long"}
    print("\npart        seconds  ended")
    for one in done:
        print(f"{one.name:<10} {one.seconds:8.1f}  {words.get(one.code, f'FAILED ({one.code})')}")
    return int(any(one.code not in (0, parts.LEFT_OUT) for one in done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
