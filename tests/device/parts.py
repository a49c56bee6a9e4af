"""The parts of the device check: `python -m tests.device.parts NAME --folder FOLDER [--small]` runs one."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from engine import models
from engine.backends import BACKENDS
from engine.backends.protocol import Student, TrainingJob, TrainingRow
from engine.backends.training import finetune
from tests.benchmarks.clinc150 import MODEL, Row

LEFT_OUT = 75
"""Exit code of a part that has nothing to run with."""
QUICKSTART = Path(__file__).resolve().parents[2] / "recipes" / "quickstart"
MAX_TOKENS = 16
CLOSE = {"float32": 0.02, "bfloat16": 1.0}
"""Nats by which the likelihoods of whole labels may differ between two ways of computing them."""


def rows(split: str) -> list[Row]:
    """Return rows of the quickstart."""
    lines = (QUICKSTART / "data" / f"{split}.jsonl").read_text("utf-8").splitlines()
    return [Row(row["text"], row["intent"]) for row in map(json.loads, lines)]


def on_card() -> bool:
    """Tell whether there is a CUDA device."""
    import torch

    return torch.cuda.is_available()


def need(module: str) -> None:
    """End the part where a library is not installed."""
    if importlib.util.find_spec(module) is None:
        print(f"{module} is not installed")
        sys.exit(LEFT_OUT)


def check(right: bool, what: str) -> None:
    """End the part as failed where something is wrong."""
    print(f"  {'ok' if right else 'WRONG'}: {what}", flush=True)
    if not right:
        sys.exit(1)


def peak() -> str:
    """Return the largest memory of this process so far."""
    if on_card():
        import torch

        return f"peak {torch.cuda.max_memory_allocated() / 1e9:.2f} GB on the card"
    import resource

    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB resident"


def job(folder: Path, small: bool, **changes: Any) -> TrainingJob:
    """Return a fine-tune on the quickstart's rows."""
    fields: dict[str, Any] = {
        "model": models.locate(MODEL) or models.fetch(MODEL, say=print),
        "rows": tuple(TrainingRow(row.prompt, row.intent) for row in rows("train")),
        "validation": (), "output": folder / "job", "method": "lora", "steps": 3 if small else 60,
        "batch_size": 4 if small else 16, "learning_rate": 1e-3, "warmup": 0.1, "schedule": "linear",
        "weight_decay": 0.0, "r": 16, "alpha": 32, "dropout": 0.0, "checkpoint": "last", "evaluations": 1,
        "max_length": 1024, "seed": 0, "device": "auto", "dtype": "auto",
    }  # fmt: skip
    return TrainingJob(**{**fields, **changes})


def record(output: Path) -> dict[str, Any]:
    """Return what a finished fine-tune wrote down."""
    return dict(json.loads((output / finetune.RESULT_FILE).read_text("utf-8")))


def student(small: bool, adapter: Path | None, dtype: str = "bfloat16") -> Student:
    """Return the student in this process."""
    path = models.locate(MODEL) or models.fetch(MODEL, say=print)
    plain = cast(Student, BACKENDS["transformers"].open("student", path, MODEL, {"dtype": dtype}))
    return plain if adapter is None else plain.with_adapter(adapter)


def train(folder: Path, small: bool) -> None:
    """fine-tune against trl's SFTTrainer, its memory against what was reckoned; micro-batches; full in bf16; 4 bits."""
    from engine.backends.training.footprint import Work, footprint, line_of
    from engine.plan.building.training_memory import model_shape
    from tests.benchmarks import finetuning

    plain = job(folder, small)
    clients = ("engine", "trl-no-checkpointing")
    finetuning.compare("quickstart", plain, clients, 1)
    losses = record(plain.output / "engine-0")["losses"]
    check(losses[-1] < losses[0], f"the loss falls: {losses[0]:.3f} to {losses[-1]:.3f}")
    parts = replace(plain, output=folder / "parts", micro_batch=2, steps=min(plain.steps, 10))
    whole = replace(plain, output=folder / "whole", steps=parts.steps)
    finetune.train(parts)
    finetune.train(whole)
    apart = _apart(record(parts.output)["losses"], record(whole.output)["losses"])
    check(
        apart < 0.1,
        f"micro-batches make the steps of whole batches: losses {apart:.4f} apart at most",
    )
    again = replace(whole, output=folder / "again")
    finetune.train(again)
    same = record(again.output)["result"]["weights"] == record(whole.output)["result"]["weights"]
    print(f"  the same training twice: {'the same bits' if same else 'other bits'}")
    if not on_card():
        check(same, "on a CPU the same training twice ends with the same bits")
    shape = model_shape(plain.model)
    for name, changes in _ways(small).items():
        one = replace(plain, output=folder / name, steps=min(plain.steps, 10), **changes)
        finetune.train(one)
        done = record(one.output)
        fall = done["losses"]
        told = (
            f"{name}: loss {fall[0]:.3f} to {fall[-1]:.3f}, peak {done['peak_bytes'] / 1e9:.2f} GB"
        )
        if shape is not None:
            line = max(len(row.text) + len(row.intent) for row in rows("train")) // 4 + 32
            tokens, eager = one.batch_size * line, not on_card()
            work = Work(
                one.method, one.r, "bfloat16", one.master, tokens, line_of(tokens, line), one.batch_size * 6, eager
            )  # fmt: skip
            told += f", reckoned {footprint(shape, work).most / 1e9:.2f} GB (on a CPU: without libraries)"
        check(all(value == value for value in fall), told)


def _ways(small: bool) -> dict[str, dict[str, Any]]:
    ways: dict[str, dict[str, Any]] = {
        "lora": {}, "full": {"method": "full", "learning_rate": 1e-4},
        "full-bf16": {"method": "full", "learning_rate": 1e-4, "master": "bfloat16"},
    }  # fmt: skip
    if on_card() and importlib.util.find_spec("bitsandbytes") is not None:
        ways["qlora"] = {"method": "qlora"}
    if on_card() and importlib.util.find_spec("flash_attn") is not None:
        ways["flash"] = {"attention": "flash"}
    return ways


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def predict(folder: Path, small: bool) -> None:
    """a tuned student's answers against lm-evaluation-harness and transformers' own generate."""
    from tests.benchmarks import prediction

    asked = rows("test")[: 4 if small else 200]
    adapter = finetune.train(job(folder, small)).adapter
    setting = prediction.Setting(
        models.locate(MODEL) or models.fetch(MODEL, say=print), adapter,
        [row.prompt for row in asked], sorted({row.intent for row in rows("train")}), "bfloat16",
    )  # fmt: skip
    sides = {"engine": prediction.engine(setting)}
    if importlib.util.find_spec("lm_eval") is not None:
        for size in (4,) if small else (32, 128):
            sides[f"lm-eval, batch {size}"] = prediction.peer(setting, size)
    else:
        print("lm_eval is not installed: no likelihoods of a peer")
    for mode in ("likelihood", "generate"):
        theirs = {side: modes[mode] for side, modes in sides.items()}
        if mode == "generate":
            theirs["transformers"] = _generate(setting)
        if len(theirs) > 1:
            prediction.compare(mode, theirs, [row.intent for row in asked], 1)
    print(f"  {peak()}")


def _generate(setting: Any) -> Callable[[int], list[str]]:
    """Return transformers' own `generate` on the same prompts, as one batch padded on the left."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(setting.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(setting.model, dtype=torch.bfloat16)
    tuned = PeftModel.from_pretrained(model, setting.adapter).to(torch.bfloat16).eval()
    tuned.to("cuda" if on_card() else "cpu")
    texts = [
        tokenizer.apply_chat_template(
            [turn._asdict() for turn in prompt], add_generation_prompt=True, tokenize=False
        )
        for prompt in setting.prompts
    ]

    def generate(count: int) -> list[str]:
        batch = tokenizer(
            texts[:count], return_tensors="pt", padding=True, add_special_tokens=False
        )
        batch = batch.to(tuned.device)
        with torch.inference_mode():
            said = tuned.generate(**batch, max_new_tokens=MAX_TOKENS, do_sample=False)
        told = tokenizer.batch_decode(
            said[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return [text.strip() for text in told]

    return generate


def constrain(folder: Path, small: bool) -> None:
    """constrained generation against unconstrained, and that replies keep to their schema."""
    from engine.backends.local.generation import Constraint
    from engine.backends.local.weights import load
    from tests.benchmarks import constrained_generation as measured

    loaded = load(models.locate(MODEL) or models.fetch(MODEL, say=print), "auto", "auto")
    constraint = Constraint(loaded)
    batch, tokens = (2, 8) if small else (32, 96)
    ratios = []
    for _ in range(1 if small else 3):
        took = {
            how: measured.seconds(loaded, constraint, batch, tokens, how) for how in (True, False)
        }
        ratios.append(took[False] / took[True])
    print(f"constrained: {statistics.median(ratios):.2f} of the speed of unconstrained generation")
    schema = {
        "type": "object",
        "properties": {"intent": {"enum": sorted({row.intent for row in rows("train")})}},
        "required": ["intent"], "additionalProperties": False,
    }  # fmt: skip
    asked = [row.prompt for row in rows("test")[: 2 if small else 64]]
    said = student(small, None).write(asked, 40, schema)
    known = set(cast(Any, schema)["properties"]["intent"]["enum"])
    fit = [not one.failure and json.loads(one.text)["intent"] in known for one in said]
    check(all(fit), f"{sum(fit)} of {len(fit)} replies fit their schema; {peak()}")


def serve(folder: Path, small: bool) -> None:
    """the student that vLLM answers for, with two adapters, against transformers in this process."""
    need("vllm")
    from engine.backends.entry import Serving
    from engine.backends.local.weights import pick_device
    from engine.backends.serving.student import ServedStudent
    from engine.backends.serving.vllm_worker import Base, VLLMWorker

    path = models.locate(MODEL) or models.fetch(MODEL, say=print)
    adapters = [
        finetune.train(job(folder, small, output=folder / str(seed), seed=seed)).adapter
        for seed in (0, 1)
    ]
    asked = rows("test")[: 3 if small else 200]
    prompts, labels = [row.prompt for row in asked], sorted({row.intent for row in rows("train")})
    for dtype in ("bfloat16",) if small else ("float32", "bfloat16"):
        worker = VLLMWorker(
            Serving("vllm", 0.15 if small else 0.4, 16, tuple(models.linear_modules(path)))
        )
        untuned = ServedStudent(worker, Base(path, dtype, pick_device("auto")))
        began = time.monotonic()
        untuned.start()
        print(f"  vLLM is ready after {time.monotonic() - began:.0f} s, {dtype}")
        try:
            for adapter in (None, *adapters):
                there = untuned if adapter is None else untuned.with_adapter(adapter)
                _held_against(student(small, adapter, dtype), there, prompts, labels, dtype)
        finally:
            worker.stop()


def _held_against(
    here: Student, there: Student, prompts: Any, labels: Sequence[str], dtype: str
) -> None:
    took: dict[str, float] = {}

    def timed(name: str, ask: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = ask()
        took[name] = time.perf_counter() - began
        return found

    for one in (here, there):  # what is made at a first use counts for nobody
        one.write(prompts[:1], 2)
    ours = timed("ours", lambda: here.write(prompts, MAX_TOKENS))
    theirs = timed("theirs", lambda: there.write(prompts, MAX_TOKENS))
    same = sum(a.text == b.text for a, b in zip(ours, theirs, strict=True))
    faster = took["ours"] / took["theirs"]
    print(
        f"  written: vLLM is {faster:.2f} times as fast as transformers;"
        f" {same} of {len(prompts)} texts are the same"
    )
    chosen = timed("ours", lambda: here.choose(prompts, labels))
    other = timed("theirs", lambda: there.choose(prompts, labels))
    alike = sum(a.label == b.label for a, b in zip(chosen, other, strict=True))
    some = prompts[: min(len(prompts), 20)]
    pairs = zip(
        here.compare(some, [labels] * len(some)),
        there.compare(some, [labels] * len(some)),
        strict=True,
    )
    apart = max(abs(a.nats - b.nats) for one, two in pairs for a, b in zip(one, two, strict=True))
    faster = took["ours"] / took["theirs"]
    print(
        f"  compared: vLLM is {faster:.2f} times as fast; {alike} of {len(prompts)} labels are the same"
    )
    check(apart < CLOSE[dtype], f"likelihoods are at most {apart:.4f} nats apart ({dtype})")


def quickstart(folder: Path, small: bool) -> None:
    """`pada run` of the quickstart (small: of a tiny project), and once more with nothing to do."""
    if small:
        from tests.e2e.tiny_project import write_project

        recipe = write_project(folder / "project")
    else:
        recipe = QUICKSTART
    state = folder / "state"
    command = [sys.executable, "-m", "engine.cli", "run", str(recipe), "--state", str(state)]
    began = time.monotonic()
    watch = _Watch()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"  {time.monotonic() - began:.0f} s; {watch.end()}")
    check(
        done.returncode == 0,
        f"exit code {done.returncode}{done.stderr[-600:] if done.returncode else ''}",
    )
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    said = re.search(r"\d+ nodes computed", again.stdout)
    check(
        "0 nodes computed" in again.stdout,
        f"a second run: {said.group(0) if said else again.stdout[-300:]}",
    )


class _Watch:
    """The largest memory in use on the card, asked of nvidia-smi each second; nothing without one."""

    def __init__(self) -> None:
        self._child = None
        if on_card():
            command = [
                "nvidia-smi",
                "--query-gpu=memory.used",
                "--format=csv,noheader,nounits",
                "-l",
                "1",
            ]
            self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def end(self) -> str:
        if self._child is None:
            return "no card to watch"
        self._child.terminate()
        told, _ = self._child.communicate()
        most = max((int(line) for line in told.split() if line.isdigit()), default=0)
        return f"peak {most / 1024:.1f} GiB in use on the card"


PARTS: dict[str, Callable[[Path, bool], None]] = {
    "train": train, "predict": predict, "constrain": constrain, "serve": serve, "quickstart": quickstart,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    if given.small:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    PARTS[given.part](given.folder, given.small)


if __name__ == "__main__":
    main()
