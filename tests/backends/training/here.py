"""A fine-tune in the test's own process, which spares the seconds that loading torch takes."""

import json
import signal
from pathlib import Path
from typing import Any

import torch

from engine.backends.protocol import TrainingJob, TrainingResult
from engine.backends.training import child, finetune


def train_here(job: TrainingJob) -> TrainingResult:
    """Do in this process what the training's own does."""
    result = _train(job, None)
    assert result is not None
    return result


def stop_here(job: TrainingJob, step: int) -> None:
    """The same, told to stop after a step: its checkpoint is what the next one goes on from."""
    assert _train(job, step) is None


def _train(job: TrainingJob, stop: int | None) -> TrainingResult | None:
    steps: list[int] = []

    def emit(event: dict[str, Any]) -> None:
        steps.append(event["step"])
        if event["step"] == stop:
            signal.raise_signal(signal.SIGTERM)

    identity = finetune.job_hash(job)
    spec = {
        "job": finetune.job_to_json(job),
        "hash": identity,
        "checkpoint_seconds": finetune.CHECKPOINT_SECONDS,
    }
    ours = signal.getsignal(signal.SIGTERM)
    state = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    job.output.mkdir(exist_ok=True)
    try:
        whole = child.run(json.loads(json.dumps(spec)), emit)
    finally:
        signal.signal(signal.SIGTERM, ours)
        torch.set_num_threads(state[0])
        torch.use_deterministic_algorithms(state[1])
    assert steps[-1] == (job.steps if whole else stop)
    return finetune.finished(job.output, identity)


def losses(output: Path) -> list[float]:
    """Return the loss of each step."""
    return list(json.loads((output / finetune.RESULT_FILE).read_text())["losses"])
