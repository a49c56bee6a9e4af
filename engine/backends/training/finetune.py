"""Fine-tuning as its caller sees it: one function that trains in a child process and returns the result.

The child does the work (`child.py`) and cannot outlive this process. This side loads no torch. In the job's
output folder lie afterwards `adapter/`, `training.json` (written last: its presence means finished)
and `training.log`; until then also `checkpoints/`, from which a killed training goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from engine.backends.protocol import (
    AnswerPair,
    Message,
    PreferenceLoss,
    Progress,
    TooFewPairs,
    TrainingJob,
    TrainingResult,
    TrainingRow,
)
from engine.errors import Interrupted, ModelError
from engine.fingerprint import digest, file_digest
from engine.system import stopping

TRAINING_VERSION = 3
"""Part of every job's hash; bumped when the same job would give other weights."""
CHECKPOINT_SECONDS = 20.0
"""Work that a kill may cost; a checkpoint of the embedded student takes about 0.3 s."""
GRACE_SECONDS = 60.0
"""How long an interrupted child may take to finish its step and save."""

RESULT_FILE = "training.json"
LOG_FILE = "training.log"
CHECKPOINTS = "checkpoints"
ADAPTER = "adapter"
_JOB_FILE = "job.json"
_EDGE = 1 << 20


def train(job: TrainingJob, progress: Progress | None = None) -> TrainingResult:
    """Fine-tune in a child process, going on from its last checkpoint; a finished job is returned at once.

    Args:
        job: what to train, and where to put it.
        progress: called with the number of optimizer steps just finished (those of an earlier, killed
            training come first, in one call).

    Raises:
        ModelError: the training cannot be done (a row too long, no disk, no memory, another training at
            work in the same folder) or its process failed.
        TooFewPairs: too few pairs are short enough.
        Interrupted: Ctrl-C; the child has saved a checkpoint.
    """
    _check(job)
    job = replace(
        job,
        model=job.model.resolve(),
        output=job.output.resolve(),
        adapter=job.adapter.resolve() if job.adapter else None,
    )
    identity = job_hash(job)
    earlier = finished(job.output, identity)
    if earlier is not None:
        if progress is not None:
            progress(earlier.steps)
        return earlier
    spec = {
        "job": job_to_json(job),
        "hash": identity,
        "checkpoint_seconds": CHECKPOINT_SECONDS,
    }
    with _reporting_disk(job.output):
        job.output.mkdir(parents=True, exist_ok=True)
        # One file per parent: two parents that were given the same job must not tear each other's.
        path = job.output / f"{os.getpid()}.{_JOB_FILE}"
        path.write_text(json.dumps(spec), encoding="utf-8")
    try:
        _run_child(path, job, progress or (lambda _steps: None))
    finally:
        path.unlink(missing_ok=True)
    result = finished(job.output, identity)
    if result is None:
        raise ModelError(f"the training ended without a result in {job.output}", _tail(job.output))
    return result


def _check(job: TrainingJob) -> None:
    if job.preference is None and not job.rows:
        raise ModelError("there are no training rows", "check the recipe's data.train")
    if job.preference is not None and (job.adapter is None or not job.pairs):
        raise ValueError("preferences are tuned from an adapter, on pairs")
    if job.checkpoint == "best" and not job.validation:
        raise ModelError(
            "checkpoint: best needs validation rows, and there are none",
            "give the recipe validation rows, or set train.checkpoint to last",
        )
    if not (job.model / "config.json").is_file():
        raise ModelError(
            f"no model in {job.model}: it has no config.json", "run: pada models fetch"
        )


@contextlib.contextmanager
def _reporting_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"cannot write to {folder}: {error.strerror or error}",
            "free some disk space, or correct the folder's permissions",
        ) from error


def job_hash(job: TrainingJob) -> str:
    """Return what makes two trainings the same: everything in the job but its place, and the model's files."""
    content = job_to_json(job)
    del content["output"], content["model"], content["adapter"]
    if job.preference is None:
        del content["pairs"], content["preference"]
    # Added later: what is as it always was leaves no trace, so that trainings under way are gone on with.
    for name in ("devices", "micro_batch", "master", "attention"):
        if content[name] == TrainingJob.__dataclass_fields__[name].default:
            del content[name]
    given = [] if job.adapter is None else [_model_digest(job.adapter)]
    return digest([TRAINING_VERSION, content, _model_digest(job.model), *given])


def _model_digest(folder: Path) -> str:
    # Whole digests of weights of many gigabytes take minutes; names, sizes and both ends tell models apart.
    files: list[Any] = []
    for file in sorted(folder.iterdir()):
        if not file.is_file():
            continue
        size = file.stat().st_size
        if size <= 2 * _EDGE:
            files.append([file.name, file_digest(file)])
            continue
        with file.open("rb") as stream:
            start = stream.read(_EDGE)
            stream.seek(size - _EDGE)
            files.append([file.name, size, digest([start.hex(), stream.read().hex()])])
    return digest(files)


def job_to_json(job: TrainingJob) -> dict[str, Any]:
    """Return a job as plain JSON values; `job_from_json` is the way back."""
    paths = {
        "model": str(job.model),
        "output": str(job.output),
        "adapter": None if job.adapter is None else str(job.adapter),
    }
    rows = {split: [_plain(row) for row in getattr(job, split)] for split in ("rows", "validation")}
    return {**asdict(job), **paths, **rows}


def _plain(row: TrainingRow) -> list[Any]:
    """Return a row as JSON; calls are the exception, and leave no trace where there are none."""
    messages = [list(message) for message in row.messages]
    return [messages, row.completion, *([list(row.calls)] if row.calls else [])]


def job_from_json(content: Mapping[str, Any]) -> TrainingJob:
    """Return the job that `job_to_json` wrote down."""

    def turns(messages: Sequence[Sequence[Any]]) -> tuple[Message, ...]:
        return tuple(Message(*message) for message in messages)

    def rows(split: str) -> tuple[TrainingRow, ...]:
        return tuple(
            TrainingRow(turns(told), completion, tuple(*calls))
            for told, completion, *calls in content[split]
        )

    paths = {
        "model": Path(content["model"]),
        "output": Path(content["output"]),
        "adapter": None if content["adapter"] is None else Path(content["adapter"]),
    }
    preference = content["preference"]
    answers = {
        "rows": rows("rows"),
        "validation": rows("validation"),
        "pairs": tuple(AnswerPair(turns(told), *pair) for told, *pair in content["pairs"]),
        "preference": None if preference is None else PreferenceLoss(**preference),
    }
    return TrainingJob(**{**content, **paths, **answers})


def finished(output: Path, identity: str) -> TrainingResult | None:
    """Return the result of a finished training of the job with this hash, or None."""
    try:
        record = json.loads((output / RESULT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    adapter = output / ADAPTER
    if record["job"] != identity or not adapter.is_dir():
        return None
    return TrainingResult(adapter=adapter, **record["result"])


def _run_child(path: Path, job: TrainingJob, progress: Progress) -> None:
    process = "child" if job.devices == 1 else "launch"
    command = [
        # -P: the working folder's files never pass for modules; a recipe may come from anywhere.
        *(sys.executable, "-P", "-m", f"engine.backends.training.{process}"),
        *(str(path), str(os.getpid())),
    ]
    package = str(Path(__file__).resolve().parents[3])
    paths = [package, os.environ.get("PYTHONPATH", "")]
    # OMP_WAIT_POLICY: OpenMP threads that spin while they wait take the core from the thread they wait for.
    # On 2 cores with another program at work a step took 23 s, 17 CPU seconds; asleep they wait 3 s and 1.9.
    # CUBLAS_WORKSPACE_CONFIG: without it CUDA's matrix products differ from run to run.
    environment = {
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "FLASH_ATTENTION_DETERMINISTIC": "1",
        "PYTHONSAFEPATH": "1",  # as -P, for the processes that a launcher starts
    }
    with (job.output / LOG_FILE).open("wb") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C reaches only this process, which tells the child in its own way
        )
    try:
        # In a thread no Ctrl-C is heard: the child is told at once, and its end is waited for as ever.
        with stopping.heard(lambda: child.terminate()):
            error = _relay(child.stdout, progress)
            code = child.wait()
        if code and stopping.told():
            raise _interrupted(job)
    except KeyboardInterrupt:
        _stop(child)
        raise _interrupted(job) from None
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
    if error is not None:
        kind = TooFewPairs if error["too_few_pairs"] else ModelError
        raise kind(error["error"], error["hint"])
    if code:
        raise _failure(code, job)


def _interrupted(job: TrainingJob) -> Interrupted:
    return Interrupted(
        f"the fine-tune in {job.output} was interrupted; its checkpoint is kept",
        "the same command goes on from there",
    )


def _stop(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        # Its last lines must be read, or a full pipe would hold it up. A second Ctrl-C does not wait.
        child.communicate(timeout=GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        child.wait()


def _relay(lines: IO[str] | None, progress: Progress) -> dict[str, Any] | None:
    """Pass the child's steps on until it ends; return the error it reports, if any."""
    step = 0
    error = None
    for line in lines or ():
        event = json.loads(line)
        if "error" in event:
            error = event
        elif event["step"] >= step:
            progress(event["step"] - step)
            step = event["step"]
    return error


def _failure(code: int, job: TrainingJob) -> ModelError:
    if code == -9:
        return ModelError(
            f"the fine-tune's process was killed (signal 9) in {job.output}: most likely the machine ran out"
            " of memory",
            "lower train.batch_size or train.max_length, choose a smaller student, or close other programs;"
            " the same command goes on from the last checkpoint",
        )
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return ModelError(f"the fine-tune's process failed ({how})", _tail(job.output))


def _tail(output: Path, lines: int = 12) -> str:
    log = output / LOG_FILE
    try:
        end = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n    ".join([f"the end of {log}:", *end])
