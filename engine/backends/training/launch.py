"""The process of a training on several devices: `python -m engine.backends.training.launch SPEC.json PARENT_PID`.

Ends with its parent and holds the lock of the output folder, as the one process of a training on one device does. The
trainings themselves are processes that torchrun starts, one per device; they end with this one.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.backends.lifetime import die_with
from engine.backends.training import finetune
from engine.backends.training.child import as_told, held_lock
from engine.errors import EngineError, ModelError
from engine.system import platforms


def require_cards(device: str, devices: int) -> None:
    """Raise ModelError where this machine has fewer CUDA devices than processes that want one."""
    if device == "cpu":
        return
    import torch

    there = torch.cuda.device_count()
    if there < devices:
        raise ModelError(
            f"train.devices is {devices}, and this machine has {there} CUDA devices",
            "lower train.devices, or write `device: cpu` in the train block to train with processes on the CPU",
        )


def main(arguments: Sequence[str]) -> int:
    """Train the job in the file named first, for the parent whose pid comes second; return the exit code."""
    die_with(int(arguments[1]))
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    job = finetune.job_from_json(spec["job"])
    try:
        require_cards(job.device, job.devices)
        # torchrun would give each one thread.
        share = max(1, platforms.usable_cores() // job.devices)
        os.environ.setdefault("OMP_NUM_THREADS", str(share))
        with held_lock(job.output):
            if finetune.finished(job.output, spec["hash"]) is not None:
                return 0
            return _torchrun(job.devices, arguments[0])
    except EngineError as error:
        sys.stdout.write(json.dumps(as_told(error)) + "\n")
        sys.stdout.flush()
        return error.exit_code
    finally:
        Path(arguments[0]).unlink(missing_ok=True)  # it holds all rows


def _torchrun(devices: int, spec: str) -> int:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(
            [
                *("--standalone", "--nproc-per-node", str(devices), "--max-restarts", "0"),
                *("-m", "engine.backends.training.child", spec, str(os.getpid())),
            ]
        )
    except ChildFailedError as failed:
        # What was wrong is told by the process itself; this is whether anything was.
        return max(code for code in (f.exitcode for f in failed.failures.values())) or 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
