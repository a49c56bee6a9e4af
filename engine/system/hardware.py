"""What this machine is, as far as that can be told in milliseconds: nothing is loaded or started for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psutil

from engine.system.platforms import processor_name, system_name, usable_cores

_CPUS = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")
"""Where the NVIDIA driver of Linux names its GPUs."""


def hardware() -> dict[str, Any]:
    """Return processor, cores, memory in bytes, GPUs, platform and the threads that training takes.

    What cannot be told is left out. GPUs of other makers are known once torch is loaded.
    """
    torch = sys.modules.get("torch")
    found = {
        "processor": _processor(),
        "machine": processor_name()[1],
        "platform": system_name(),
        "cpus": os.cpu_count(),
        "cores": usable_cores(),
        "memory": psutil.virtual_memory().total,
        "gpus": _gpus(torch),
        "threads": _threads(torch),
    }
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _processor() -> str:
    try:
        with _CPUS.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() in {"model name", "Model"}:
                    return value.strip()
    except OSError:
        pass
    return processor_name()[0]


def _gpus(torch: Any) -> list[str]:
    if torch is not None and torch.cuda.is_available():
        return [str(torch.cuda.get_device_name(at)) for at in range(torch.cuda.device_count())]
    names = []
    try:
        for file in sorted(_GPUS.glob("*/information")):
            for line in file.read_text("utf-8", "replace").splitlines():
                if line.startswith("Model:"):
                    names.append(line.partition(":")[2].strip())
    except OSError:
        return []
    return names


def _threads(torch: Any) -> int:
    """Return torch's threads; before it is loaded those that a fine-tune gives it."""
    return int(torch.get_num_threads()) if torch is not None else usable_cores()
