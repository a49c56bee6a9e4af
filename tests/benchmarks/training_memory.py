"""What a fine-tune takes of memory, reckoned beforehand against what its process had at its peak, on the CPU.

    python -m tests.benchmarks.training_memory

The embedded student; each training is a process of its own. `measured` is the largest resident memory less what was
resident when libraries and weights were loaded and no step was taken; what torch's allocator does not give back is in
it. Prints a line per training: reckoned, measured, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from engine import models
from engine.backends.protocol import Message, TrainingJob, TrainingRow
from engine.backends.training import finetune
from engine.backends.training.footprint import Work, footprint, line_of
from engine.plan.building.training_memory import model_shape

MODEL = "embedded/smollm2-135m-instruct"
WAYS: dict[str, dict[str, Any]] = {
    "lora, 8 rows of 100 tokens": {},
    "lora, 8 rows of 400 tokens": {"words": 370},
    "lora, 8 rows of 400 tokens, 2 at once": {"words": 370, "micro_batch": 2},
    "full, float32": {"method": "full"},
    "full, bfloat16": {"method": "full", "master": "bfloat16"},
}


def rows(words: int) -> tuple[TrainingRow, ...]:
    """Return rows of so many words, each about a token, that share no beginning."""
    return tuple(
        TrainingRow((Message("user", f"{number} " + "red blue " * (words // 2)),), "number")
        for number in range(8)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ways", nargs="+", type=int, default=list(range(len(WAYS))))
    parser.add_argument("--steps", type=int, default=2)
    given = parser.parse_args()
    from transformers import AutoTokenizer

    from engine.backends.training.batches import encode

    path = models.locate(MODEL) or models.fetch(MODEL, say=print)
    shape = model_shape(path)
    assert shape is not None
    tokenizer = AutoTokenizer.from_pretrained(path)
    for number in given.ways:
        name, changes = list(WAYS.items())[number]
        how = dict(changes)
        asked = rows(how.pop("words", 70))
        with tempfile.TemporaryDirectory() as folder:
            job = TrainingJob(
                model=path, rows=asked, validation=(), output=Path(folder), steps=given.steps,
                batch_size=8, learning_rate=1e-4, warmup=0.0, schedule="constant", weight_decay=0.0,
                r=16, alpha=32, dropout=0.0, checkpoint="last", evaluations=1, max_length=1024,
                seed=0, device="cpu", dtype="auto", **{"method": "lora", **how},
            )  # fmt: skip
            finetune.train(job)
            record = json.loads((job.output / finetune.RESULT_FILE).read_text("utf-8"))
        encoded = encode(tokenizer, asked, 1024, "training")[: job.micro_batch or 8]
        tokens = sum(row.length for row in encoded)
        longest = max(row.length for row in encoded)
        work = Work(
            job.method, job.r, "bfloat16", job.master, tokens, line_of(tokens, longest),
            sum(len(row.completion) for row in encoded), eager=True,
        )  # fmt: skip
        reckoned = footprint(shape, work)
        measured = record["peak_bytes"] - record["loaded_bytes"]
        more = reckoned.most - reckoned.weights
        print(
            f"{name}: beside weights of {reckoned.weights / 1e9:.2f} GB reckoned {more / 1e9:.2f} GB (gradients"
            f" {reckoned.gradients / 1e9:.2f}, optimizer {reckoned.optimizer / 1e9:.2f}, kept values"
            f" {reckoned.activations / 1e9:.2f}), measured {measured / 1e9:.2f} GB: {more / measured:.2f};"
            f" gradient checkpointing {record['gradient_checkpointing']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
