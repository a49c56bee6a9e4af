"""The fine-tuning process: `python -m engine.backends.training.child SPEC.json PARENT_PID`.

Ends with its parent, holds the lock of the output folder, reports JSON lines on stdout (`step`, `total`,
`loss`, `rows_per_second`, or `error` and `hint`); everything libraries print goes to stderr, which is a file.
torch is imported only after the process has tied itself to its parent.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.backends.lifetime import die_with
from engine.backends.local.weights import context_of, loading
from engine.backends.protocol import TooFewPairs, TrainingJob
from engine.backends.training import batches, finetune
from engine.backends.training.checkpoints import Checkpoints
from engine.errors import EngineError, ModelError
from engine.fingerprint import file_digest
from engine.system import locks, platforms
from engine.system.files import write_text

Emit = Callable[[dict[str, Any]], None]
"""Writes one event for the parent: a line of JSON."""
LOCK_FILE = "training.lock"
STOPPED = 143
"""Exit code after SIGTERM: a checkpoint is saved, there is no result."""
_LOCK_PATIENCE = 10.0
_COPIES = 12
"""Room a training needs, in copies of its trained weights: three checkpoints of three (weights and the
optimizer's two moments) while one is replaced, two best ones, the result."""


@contextmanager
def held_lock(output: Path, patience: float = _LOCK_PATIENCE) -> Iterator[None]:
    """Hold the lock of an output folder for the block.

    A process that is just being killed may still hold it for a moment, hence `patience` (seconds).

    Raises:
        ModelError: another live process holds it.
    """
    try:
        with locks.hold(output / LOCK_FILE, patience):
            yield
    except locks.HeldError as held:
        raise ModelError(
            f"another training (process {held.holder.pid}) is at work in {output}",
            "wait until it ends, or end it, and run the same command again",
        ) from None


def prepare_torch(device: str) -> str:
    """Make torch deterministic and set its threads; return the device (`auto` resolved).

    The number of threads is OMP_NUM_THREADS, or the physical cores this process may use: it is part of what
    makes two trainings equal to the last bit.
    """
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdigit() else 0
    torch.set_num_threads(threads or platforms.usable_cores())
    resolved = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    # On the CPU everything a language model needs has a deterministic form; on CUDA some attention kernels
    # have none, and there a warning (in the log) is better than no training.
    torch.use_deterministic_algorithms(True, warn_only=resolved != "cpu")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return resolved


def choose_device(device: str) -> None:
    """Show torch the one CUDA device that is asked for: with several, `Trainer` would spread over all."""
    kind, _, index = device.partition(":")
    if kind in ("auto", "cuda") and "LOCAL_RANK" not in os.environ:
        number = int(index or 0)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        mine = str(number) if visible is None else [*visible.split(","), *[""] * number][number]
        os.environ["CUDA_VISIBLE_DEVICES"] = mine


def evaluation_steps(job: TrainingJob) -> frozenset[int]:
    """Return the steps after which the validation loss is taken: evenly spread for `best`, else the last."""
    if not job.validation:
        return frozenset()
    if job.checkpoint == "last":
        return frozenset({job.steps})
    return frozenset(
        max(1, round(job.steps * nth / job.evaluations)) for nth in range(1, job.evaluations + 1)
    )


def run(spec: dict[str, Any], emit: Emit) -> bool:
    """Train the job; return False when it was stopped before its end (a checkpoint is then saved).

    Raises:
        ModelError: a row is too long, the disk is too small, the training diverged, another one is at work.
    """
    job = finetune.job_from_json(spec["job"])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if job.devices > 1:  # `launch.py` holds the lock
        return _train(job, spec, emit, stop)
    with held_lock(job.output):
        if finetune.finished(job.output, spec["hash"]) is None:
            return _train(job, spec, emit, stop)
    return True


def _require_card(job: TrainingJob) -> None:
    """Raise ModelError for what takes a graphics card, where the training has none."""
    if job.method == "qlora" and job.device == "cpu":
        raise ModelError(
            "train.method is qlora, and there is no CUDA device: bitsandbytes computes in 4 bits on one",
            "write method: lora, or run on a machine with a graphics card",
        )
    if job.attention == "flash" and job.device == "cpu":
        raise ModelError(
            "train.attention is flash, and there is no CUDA device",
            "write attention: auto, which takes it where it can be had",
        )


class Prepared(NamedTuple):
    """A training that is ready to start."""

    trainer: Any
    """A `Resumable` trainer."""
    gradient_checkpointing: bool
    size: int
    """Rows or pairs that there are."""
    visits: float
    """Rows or pairs of one pass."""
    left_out: int = 0


def _train(job: TrainingJob, spec: dict[str, Any], emit: Emit, stop: threading.Event) -> bool:
    started = time.monotonic()
    checkpoints = Checkpoints(job.output / finetune.CHECKPOINTS, spec["hash"])
    # Said before anything is loaded, which takes a while, and again once steps are taken: time counts from there.
    reached = {"step": checkpoints.reached(), "total": job.steps}
    if reached["step"]:
        emit(reached)
    choose_device(job.device)
    job = replace(job, device=prepare_torch(job.device))
    _require_card(job)
    import torch
    from transformers import AutoTokenizer

    from engine.backends.training import devices, memory
    from engine.backends.training.loop import FlowCallback

    devices.join(job.device)

    with loading("tokenizer", job.model):
        tokenizer = AutoTokenizer.from_pretrained(job.model, trust_remote_code=False)
    prepare = _supervised if job.preference is None else _preferring
    try:
        prepared = prepare(job, tokenizer, checkpoints)
    except ModelError:
        # Nothing was trained: no folder is left but one from which something can go on.
        with suppress(OSError):
            checkpoints.folder.rmdir()
        raise
    trainer = prepared.trainer
    # Only now, since it removes those of another job: with too few pairs the plain fine-tune goes on from its own.
    if devices.is_first():
        checkpoints.last()
    devices.meet()
    resume = checkpoints.newest()
    flow = FlowCallback(
        trainer,
        checkpoints,
        evaluation_steps(job),
        _reporter(job, emit),
        stop.is_set,
        float(spec["checkpoint_seconds"]),
    )
    trainer.add_callback(flow)
    if resume:
        emit(reached)
    loaded = memory.resident(trainer.args.device)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if trainer.state.global_step < job.steps:
        return False
    if not devices.is_first():
        return True
    environment = {
        "threads": torch.get_num_threads(),
        "device": job.device,
        "gradient_checkpointing": prepared.gradient_checkpointing,
        "peak_bytes": memory.peak(trainer.args.device),
        "loaded_bytes": loaded,
    }
    _finish(prepared, tokenizer, job, spec["hash"], checkpoints, started, environment)
    return True


def _supervised(job: TrainingJob, tokenizer: Any, checkpoints: Checkpoints) -> Prepared:
    from transformers import AutoConfig

    from engine.backends.training import loop, memory
    from engine.backends.training.resumable import trainable

    with loading("model", job.model):
        context = context_of(AutoConfig.from_pretrained(job.model, trust_remote_code=False))
    rows, validation = (
        batches.encode(tokenizer, split_rows, job.max_length, split, context)
        for split, split_rows in (("training", job.rows), ("validation", job.validation))
    )
    lengths = [row.length for row in rows]
    blend = batches.Blend(
        len(rows) - job.generated, job.generated, job.mix, job.order == "generated_first"
    )
    order = batches.blended_order(lengths, blend, job.batch_size, job.steps, job.seed)
    model = loop.load_student(job, max(lengths))
    _check_disk(job.output, trainable(model))
    by_length = sorted(validation, key=lambda row: row.length)
    size = 2 * job.batch_size  # no gradients are kept, so more rows fit
    trainer = loop.CompletionTrainer(
        model,
        job,
        [[rows[index] for index in batch] for batch in order],
        [by_length[start : start + size] for start in range(0, len(validation), size)],
        checkpoints,
    )
    checkpointing = memory.checkpoint_if_needed(
        model, trainer.at_once, trainer.loss_of, trainer.args.device
    )
    # Of the original rows, where generated ones have a weight.
    visits = len(job.rows) + (job.mix - 1) * job.generated
    return Prepared(trainer, checkpointing, len(job.rows), visits)


def _preferring(job: TrainingJob, tokenizer: Any, checkpoints: Checkpoints) -> Prepared:
    from transformers import AutoConfig

    from engine.backends.training import loop
    from engine.backends.training.preferences import PairTrainer
    from engine.backends.training.resumable import trainable

    assert job.preference is not None
    with loading("model", job.model):
        context = context_of(AutoConfig.from_pretrained(job.model, trust_remote_code=False))
    pairs = batches.encode_pairs(
        tokenizer, job.pairs, job.max_length, context, job.preference.least
    )
    lengths = [pair.length for pair in pairs]
    order = batches.batch_order(lengths, job.batch_size, job.steps, job.seed)
    model = loop.load_student(job, max(lengths))
    _check_disk(job.output, trainable(model))
    trainer = PairTrainer(
        model, job, [[pairs[index] for index in batch] for batch in order], tokenizer, checkpoints
    )
    left_out = len(job.pairs) - len(pairs)
    return Prepared(trainer, trainer.checkpoint_if_needed(), len(pairs), len(pairs), left_out)


def _reporter(job: TrainingJob, emit: Emit) -> Callable[[int, float], None]:
    """Return what reports a step and its loss, with the speed since the first step that it was told of."""
    first: list[tuple[float, int]] = []

    def report(step: int, loss: float) -> None:
        now = time.monotonic()
        if not first:
            first.append((now, step))
        elapsed, steps = now - first[0][0], step - first[0][1]
        rate = round(steps * job.batch_size / elapsed, 2) if steps else None
        emit({"step": step, "total": job.steps, "loss": loss, "rows_per_second": rate})

    return report


def _check_disk(output: Path, weights: dict[str, Any]) -> None:
    needed = _COPIES * sum(value.numel() * value.element_size() for value in weights.values())
    free = shutil.disk_usage(output).free
    if free < needed:
        raise ModelError(
            f"not enough disk for the fine-tune: {output} has {free / 1e6:,.0f} MB free, checkpoints and"
            f" result need {needed / 1e6:,.0f} MB",
            "free some disk space (pada clean removes what no kept run needs), or lower train.r",
        )


def _finish(
    prepared: Prepared,
    tokenizer: Any,
    job: TrainingJob,
    identity: str,
    checkpoints: Checkpoints,
    started: float,
    environment: dict[str, Any],
) -> None:
    from engine.backends.training.loop import save_result

    trainer = prepared.trainer
    history = trainer.history
    chosen, validation_loss = job.steps, history.evaluations[-1][1] if history.evaluations else None
    if job.checkpoint == "best" and history.best is not None:
        chosen, validation_loss = history.best
        if chosen != job.steps:
            trainer.restore(checkpoints.best(chosen))
    weights = save_result(trainer.model, tokenizer, job, job.output / finetune.ADAPTER)
    last_pass = -max(1, prepared.size // job.batch_size)
    gains = history.rewards[last_pass:]
    result = {
        "weights": file_digest(weights),
        "steps": job.steps,
        "epochs": job.steps * job.batch_size / prepared.visits,
        # The mean over the last pass: single batches are too noisy to compare trainings by.
        "train_loss": _mean(history.losses[last_pass:]),
        "validation_loss": validation_loss,
        "chosen_step": chosen,
        "seconds": round(time.monotonic() - started, 3),
        "accuracy": _mean([share for share, _ in gains]) if gains else None,
        "margin": _mean([margin for _, margin in gains]) if gains else None,
        "left_out": prepared.left_out,
    }
    record = {
        "job": identity,
        "result": result,
        "losses": history.losses,
        "evaluations": history.evaluations,
        **environment,
    }
    write_text(job.output / finetune.RESULT_FILE, json.dumps(record, indent=1))
    checkpoints.clear()


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _as_user_error(error: BaseException) -> EngineError | None:
    """Return the user's view of an error that is not a bug of ours, or None."""
    if isinstance(error, EngineError):
        return error
    text = str(error)
    # torch and safetensors report a full disk in their own ways.
    if "PytorchStreamWriter" in text or "No space left" in text:
        return ModelError(f"the disk is full: {text}", "free some disk space, then go on")
    if isinstance(error, OSError) and error.errno is not None:
        return ModelError(
            f"the fine-tune cannot read or write a file: {error}",
            "correct the folder's permissions, or free some disk space",
        )
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return ModelError(
            f"not enough memory for the fine-tune: {text.splitlines()[0] if text else 'MemoryError'}",
            "lower train.batch_size or train.max_length, or choose a smaller student",
        )
    return None


def as_told(error: EngineError) -> dict[str, Any]:
    """Return the event that tells the parent of an error."""
    few = isinstance(error, TooFewPairs)
    return {"error": error.message, "hint": error.hint, "too_few_pairs": few}


def main(arguments: list[str]) -> int:
    """Run the job in the file named first, for the parent whose pid comes second; return the exit code."""
    die_with(int(arguments[1]))
    # Libraries that print must not get between the JSON lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    first = os.environ.get("RANK", "0") == "0"

    def emit(event: dict[str, Any]) -> None:
        if first or "error" in event:
            print(json.dumps(event), file=out, flush=True)

    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    if "RANK" not in os.environ:  # others read it too: then whoever started them all removes it
        Path(arguments[0]).unlink()  # it holds all rows, and a parent that is killed leaves it
    try:
        return 0 if run(spec, emit) else STOPPED
    except Exception as error:
        user_error = _as_user_error(error)
        if user_error is None:
            raise
        emit(as_told(user_error))
        return user_error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
