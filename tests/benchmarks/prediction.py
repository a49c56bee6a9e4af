"""Rows per second of prediction, against lm-evaluation-harness's `hf` model, in one run: same prompts and answers.

    pip install lm-eval
    python -m tests.benchmarks.prediction --data data_full.json                  # the embedded student as it is
    python -m tests.benchmarks.prediction --data data_full.json --tuned FOLDER   # fine-tuned first, or found there

100 test rows of CLINC150 and its 150 labels. `likelihood`: the label most likely as the assistant's whole turn,
by `Student.choose` against `loglikelihood` of each label and the turn's end. `generate`: what the student writes,
by `Student.write` against `generate_until`. Both hold the weights in `--dtype` and take turns in one process, with the
same number of threads. The peer runs with each of the batch sizes named; the ratios, of wall time and of CPU seconds,
are taken from its fastest. With `--dtype float32` written answers are to be the same for every row; in bfloat16 the
share that differs is printed (why: tests/backends/local/test_why_answers_differ.py).
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from engine import models
from engine.backends.entry import ModelRef
from engine.backends.protocol import Message, TrainingJob, TrainingRow
from engine.backends.training import finetune
from tests.benchmarks import clinc150
from tests.benchmarks.clinc150 import Row

MAX_TOKENS = 16
"""Of a written turn; the longest label has 8."""
PER_INTENT, STEPS, BATCH = 4, 120, 16
"""The fine-tune of `--tuned`: training rows per intent, optimizer steps, rows per step."""

WARM = 2
"""Prompts that everybody answers beforehand, so that what is made at a first use counts for nobody."""

Answer = Callable[[int], list[str]]
"""Answers the first so many prompts of the benchmark."""


class Setting(NamedTuple):
    """What both sides are given."""

    model: Path
    adapter: Path | None
    prompts: list[tuple[Message, ...]]
    labels: list[str]
    dtype: str


def tuned(data: Path, model: Path, folder: Path) -> Path:
    """Return a LoRA adapter trained on rows of all 150 intents, trained into `folder` unless it is there."""
    rows = clinc150.draw(clinc150.read(data, "train"), PER_INTENT, intents=150, seed=0)
    job = TrainingJob(
        model=model, rows=tuple(TrainingRow(row.prompt, row.intent) for row in rows), validation=(),
        output=folder, method="lora", steps=STEPS, batch_size=BATCH, learning_rate=1e-3, warmup=0.1,
        schedule="linear", weight_decay=0.0, r=16, alpha=32, dropout=0.0, checkpoint="last", evaluations=1,
        max_length=1024, seed=0, device="auto", dtype="auto",
    )  # fmt: skip
    return finetune.train(job).adapter


def engine(setting: Setting) -> dict[str, Answer]:
    """Return the engine's two ways of answering."""
    from engine.backends.transformers import TransformersSettings, open_student

    settings = TransformersSettings.model_validate({"dtype": setting.dtype})
    student = open_student(ModelRef(clinc150.MODEL, setting.model), settings)
    if setting.adapter is not None:
        student = student.with_adapter(setting.adapter)

    def likelihood(count: int) -> list[str]:
        chosen = student.choose(setting.prompts[:count], setting.labels)
        return [answer.label for answer in chosen]

    def generate(count: int) -> list[str]:
        written = student.write(setting.prompts[:count], MAX_TOKENS)
        return [turn.text.strip() for turn in written]

    return {"likelihood": likelihood, "generate": generate}


def peer(setting: Setting, batch_size: int) -> dict[str, Answer]:
    """Return lm-evaluation-harness's two ways of answering."""
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    adapter = {} if setting.adapter is None else {"peft": str(setting.adapter)}
    model = HFLM(
        pretrained=str(setting.model), device=device, dtype=setting.dtype, batch_size=batch_size,
        # Its log-probabilities would else be rounded to bfloat16's three digits.
        softmax_dtype="float32", **adapter,
    )  # fmt: skip
    model.model.to(getattr(torch, setting.dtype))  # peft loads an adapter in float32
    contexts = [
        model.apply_chat_template([turn._asdict() for turn in prompt]) for prompt in setting.prompts
    ]
    end = "<|im_end|>"

    def likelihood(count: int) -> list[str]:
        asked = [
            Instance("loglikelihood", {}, (context, label + end), number)
            for number, context in enumerate(contexts[:count])
            for label in setting.labels
        ]
        found = [pair[0] for pair in model.loglikelihood(asked, disable_tqdm=True)]
        size = len(setting.labels)
        groups = [found[start : start + size] for start in range(0, len(found), size)]
        return [setting.labels[group.index(max(group))] for group in groups]

    def generate(count: int) -> list[str]:
        how = {"until": [end], "max_gen_toks": MAX_TOKENS, "do_sample": False}
        asked = [
            Instance("generate_until", {}, (context, how), number)
            for number, context in enumerate(contexts[:count])
        ]
        return [text.strip() for text in model.generate_until(asked, disable_tqdm=True)]

    return {"likelihood": likelihood, "generate": generate}


def compare(mode: str, sides: dict[str, Answer], intents: Sequence[str], repeats: int) -> None:
    """Let all sides answer in turns, and print rates, ratio, accuracies and agreement."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    cpu: dict[str, list[float]] = {side: [] for side in sides}
    said: dict[str, list[str]] = {}
    for answer in sides.values():
        answer(WARM)
    for _ in range(repeats):
        for side, answer in sides.items():
            began, worked = time.perf_counter(), time.process_time()
            said[side] = answer(len(intents))
            seconds[side].append(time.perf_counter() - began)
            cpu[side].append(time.process_time() - worked)
            print(
                f"  {mode} {side:20} {len(intents) / seconds[side][-1]:8.2f} rows/s"
                f" {cpu[side][-1]:8.2f} CPU s",
                flush=True,
            )
    took = {side: statistics.median(times) for side, times in seconds.items()}
    worked_for = {side: statistics.median(times) for side, times in cpu.items()}
    right = {
        side: 100 * statistics.mean(a == b for a, b in zip(said[side], intents, strict=True))
        for side in sides
    }
    fastest = min((side for side in sides if side != "engine"), key=lambda side: took[side])
    same = sum(a == b for a, b in zip(said["engine"], said[fastest], strict=True))
    print(
        f"{mode}: engine is {took[fastest] / took['engine']:.2f} times as fast as {fastest}, with 1 CPU second for"
        f" {worked_for[fastest] / worked_for['engine']:.2f} of its; accuracy {right['engine']:.1f} % and"
        f" {right[fastest]:.1f} %; {len(intents) - same} of {len(intents)} answers differ; median of {repeats}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    clinc150.add_argument(parser)
    parser.add_argument(
        "--tuned", type=Path, metavar="FOLDER", help="answer with a fine-tuned student kept there"
    )
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--modes", nargs="+", default=["generate", "likelihood"])
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=[1, 32], help="of the peer; 1 is its default"
    )
    given = parser.parse_args()  # fmt: skip
    if importlib.util.find_spec("lm_eval") is None:
        raise SystemExit("lm-eval is not installed: pip install lm-eval")
    os.environ["HF_HUB_OFFLINE"] = "1"
    # How threads wait is the engine's choice for itself; the peer has torch's own way, which is faster on idle cores.
    os.environ.pop("OMP_WAIT_POLICY", None)
    test = clinc150.read(given.data, "test")
    rows: list[Row] = random.Random(0).sample(test, given.rows)
    model = models.locate(clinc150.MODEL) or models.fetch(clinc150.MODEL, say=print)
    adapter = tuned(given.data, model, given.tuned) if given.tuned else None
    setting = Setting(
        model,
        adapter,
        [row.prompt for row in rows],
        sorted({row.intent for row in test}),
        given.dtype,
    )
    sides = {f"lm-eval, batch {size}": peer(setting, size) for size in given.batch_sizes}
    sides = {"engine": engine(setting), **sides}
    for mode in given.modes:
        compare(
            mode,
            {side: modes[mode] for side, modes in sides.items()},
            [row.intent for row in rows],
            given.repeats,
        )


if __name__ == "__main__":
    main()
