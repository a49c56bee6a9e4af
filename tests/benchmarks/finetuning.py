"""Rows per second of fine-tuning, against trl's SFTTrainer, in one run: same tokens, batches, LoRA, steps.

    pip install trl
    python -m tests.benchmarks.finetuning --data data_full.json

Clients: `engine`; `trl` with its defaults; `trl-no-checkpointing`, the same without gradient checkpointing. Two
kinds of rows: `short` (CLINC150: a text, its intent) and `long` (labelled texts of the training split stand in
the prompt before it). trl is given the engine's batches in the engine's order and the engine's first
adapter, so the loss curves can be laid over each other; the length grouping in them it gets for free. Each
client trains in a process of its own, in turns; the clock runs from the end of the first step to the end of the
last, so that starting and loading count for nobody; `whole` is the process from start to end, and its CPU
seconds, which say more than the clock where other programs are at work.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine import models
from engine.backends.protocol import Message, TrainingJob, TrainingRow
from engine.backends.training import finetune
from tests.benchmarks import clinc150
from tests.benchmarks.clinc150 import Row

CLIENTS = ("engine", "trl", "trl-no-checkpointing")


class Measured(NamedTuple):
    """One training."""

    seconds: float
    """From the end of the first step to the end of the last."""
    whole: float
    """Seconds from starting the process to its end."""
    cpu: float
    """CPU seconds of the whole process."""
    losses: list[float]
    """Each step's."""
    dtype: str
    """Of the base model's weights."""


def jobs(data: Path, folder: Path, steps: int) -> dict[str, TrainingJob]:
    """Return the trainings: 20 intents with 5 rows each, alone and behind 40 labelled texts."""
    train = clinc150.read(data, "train")
    rows = clinc150.draw(train, per_intent=5, intents=20, seed=0)
    drawn = random.Random(0)
    model = models.locate(clinc150.MODEL) or models.fetch(clinc150.MODEL, say=print)
    common: dict[str, Any] = {
        "model": model, "validation": (), "method": "lora", "learning_rate": 1e-3, "warmup": 0.1,
        "schedule": "linear", "weight_decay": 0.0, "r": 16, "alpha": 32, "dropout": 0.0, "checkpoint": "last",
        "evaluations": 1, "max_length": 4096, "seed": 0, "device": "auto", "dtype": "auto",
    }  # fmt: skip
    return {
        "short": TrainingJob(
            rows=tuple(TrainingRow(row.prompt, row.intent) for row in rows),
            output=folder / "short", steps=steps, batch_size=10, **common,
        ),
        "long": TrainingJob(
            rows=tuple(_with_examples(row, drawn.sample(train, 40)) for row in rows[::5]),
            output=folder / "long", steps=max(2, steps // 4), batch_size=4, **common,
        ),
    }  # fmt: skip


def _with_examples(row: Row, examples: Sequence[Row]) -> TrainingRow:
    shown = "\n".join(f"{example.text} -> {example.intent}" for example in examples)
    turns = (Message("system", "Label the text."), Message("user", f"{shown}\n{row.text} ->"))
    return TrainingRow(turns, row.intent)


def train_here(job: TrainingJob) -> Measured:
    """Train with the engine, from nothing to an adapter on disk."""
    ends: list[float] = []
    began, spent = time.perf_counter(), _cpu_of_children()
    finetune.train(job, lambda _steps: ends.append(time.perf_counter()))
    whole, cpu = time.perf_counter() - began, _cpu_of_children() - spent
    record = json.loads((job.output / finetune.RESULT_FILE).read_text(encoding="utf-8"))
    return Measured(ends[-1] - ends[0], whole, cpu, record["losses"], "bfloat16")


def train_there(client: str, job: TrainingJob) -> Measured:
    """Train with trl in a process of its own."""
    path = job.output.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(finetune.job_to_json(job)), encoding="utf-8")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    # How threads wait is the engine's choice for itself; trl has torch's own way, which is faster on idle cores.
    environment.pop("OMP_WAIT_POLICY", None)
    began, spent = time.perf_counter(), _cpu_of_children()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.finetuning", "--client", client, "--job", str(path)],
        stdout=subprocess.PIPE, text=True, check=True,
        env=environment,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    whole, cpu = time.perf_counter() - began, _cpu_of_children() - spent
    return Measured(found["seconds"], whole, cpu, found["losses"], found["dtype"])


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_trl(client: str, path: Path) -> None:
    """Train the job in `path` with SFTTrainer and print what was measured as JSON."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from engine.backends.training import batches, loop, resumable

    ends: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc, unused-ignore]
        def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
            ends.append(time.perf_counter())

    job = finetune.job_from_json(json.loads(path.read_text(encoding="utf-8")))
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    rows = batches.encode(tokenizer, job.rows, job.max_length, "training")
    order = batches.batch_order([row.length for row in rows], job.batch_size, job.steps, job.seed)
    ordered = [rows[index] for batch in order for index in batch]
    cpu = not torch.cuda.is_available()
    # Everything that is not named here, or below for the clients' sake, is trl's default.
    changed = {"gradient_checkpointing": False} if client == "trl-no-checkpointing" else {}
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=str(job.model),
            args=SFTConfig(
                output_dir=folder, max_steps=job.steps, per_device_train_batch_size=job.batch_size,
                learning_rate=job.learning_rate, warmup_steps=round(job.warmup * job.steps), seed=job.seed,
                train_sampling_strategy="sequential", max_length=None, logging_steps=1, save_strategy="no",
                report_to=[], disable_tqdm=True, use_cpu=cpu, dataset_kwargs={"skip_prepare_dataset": True},
                **changed,
            ),
            train_dataset=Dataset.from_list(
                [
                    {
                        "input_ids": [*row.prompt, *row.completion],
                        "labels": [-100] * len(row.prompt) + list(row.completion),
                    }
                    for row in ordered
                ]
            ),
            processing_class=tokenizer,
            peft_config=LoraConfig(
                r=job.r, lora_alpha=job.alpha, lora_dropout=job.dropout, target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
        )  # fmt: skip
        here = replace(job, device="cpu" if cpu else "cuda")
        first = resumable.trainable(loop.load_student(here, 1))
        for name, weight in resumable.trainable(trainer.model).items():
            weight.copy_(first[name])
        trainer.add_callback(Clock())
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    dtype = str(trainer.model.get_input_embeddings().weight.dtype).removeprefix("torch.")
    print(json.dumps({"seconds": ends[-1] - ends[0], "losses": losses, "dtype": dtype}))


def compare(kind: str, job: TrainingJob, clients: Sequence[str], repeats: int) -> None:
    """Let the clients train in turns, and print their medians and their loss curves' distance."""
    found: dict[str, list[Measured]] = {client: [] for client in clients}
    for repeat in range(repeats):
        for client in clients:
            place = replace(job, output=job.output / f"{client}-{repeat}")
            measure = train_here(place) if client == "engine" else train_there(client, place)
            found[client].append(measure)
            rate = (job.steps - 1) * job.batch_size / measure.seconds
            print(f"  {kind} {repeat + 1} {client:21} {rate:7.2f} rows/s", flush=True)
    seconds = {
        client: statistics.median(run.seconds for run in found[client]) for client in clients
    }
    print(
        f"{kind}: {len(job.rows)} rows, {job.steps} steps of {job.batch_size}, median of {repeats}"
    )
    ours = found["engine"][0].losses
    for client in clients:
        run = found[client][0]
        apart = [abs(one - other) for one, other in zip(run.losses, ours, strict=True)]
        last = len(ours) // 4 or 1
        print(
            f"  {client:21} {(job.steps - 1) * job.batch_size / seconds[client]:7.2f} rows/s"
            f"  engine is {seconds[client] / seconds['engine']:5.2f} times as fast"
            f"  whole {statistics.median(run.whole for run in found[client]):6.1f} s,"
            f" {statistics.median(run.cpu for run in found[client]):6.1f} CPU s, base in {run.dtype}"
            f"  loss {run.losses[0]:.3f} -> {statistics.mean(run.losses[-last:]):.3f}"
            f" (from the engine's: mean {statistics.mean(apart):.4f}, most {max(apart):.4f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    clinc150.add_argument(parser)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["short", "long"])
    parser.add_argument("--clients", nargs="+", default=list(CLIENTS), choices=CLIENTS)
    given = parser.parse_args()
    if importlib.util.find_spec("trl") is None:
        raise SystemExit("trl is not installed: pip install trl")
    with tempfile.TemporaryDirectory() as folder:
        for kind, job in jobs(given.data, Path(folder), given.steps).items():
            if kind in given.kinds:
                compare(kind, job, given.clients, given.repeats)


if __name__ == "__main__":
    if "--client" in sys.argv:
        run_trl(sys.argv[2], Path(sys.argv[4]))
    else:
        main()
