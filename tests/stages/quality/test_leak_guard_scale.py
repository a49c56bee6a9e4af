"""The leak guard over 100,000 training and 50,000 evaluation rows: memory grows with their sum, not their product."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MOST_MEMORY = 2 * 2**30
"""Bytes that the whole process may hold at its peak."""
SCRIPT = '''
import json, random, resource, sys, time
import numpy as np
from engine.rows import Example
from engine.stages.quality.leak_guard import LeakGuard
from engine.tasks import TASKS

TRAIN, EVALUATION, WORDS, DIMENSIONS = 100_000, 50_000, 25, 384
generator = random.Random(0)
vocabulary = [f"word{n}" for n in range(30_000)]

def row(split, number):
    text = " ".join(generator.choices(vocabulary, k=WORDS))
    return Example(f"{split}{number}", split, {"text": text}, "label", {}, "file", number)

examples = [row("train", n) for n in range(TRAIN)]
examples += [row("validation", n) for n in range(EVALUATION)]
places = {e.inputs["text"]: n for n, e in enumerate(examples)}

def embed(texts):
    """Random unit vectors, the same for the same row; those that no row has are the last rows'."""
    vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
    for vector, text in zip(vectors, texts):
        seed = places.get(text, len(places) - 1)
        vector[:] = np.random.default_rng(seed).standard_normal(DIMENSIONS, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.monotonic()
guard = LeakGuard(TASKS["generation"], examples, embed, 5, 0.99)
seconds = time.monotonic() - start
leaks = guard.check([examples[-1].inputs["text"], examples[0].inputs["text"]])
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({
    "rows": unit * before,
    "peak": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    "seconds": seconds,
    "similarity": guard.thresholds.similarity,
    "leaks": leaks,
}))
'''


@pytest.mark.long
def test_a_large_task_is_guarded_within_two_gigabytes() -> None:
    pytest.importorskip("resource", reason="how much memory was used is not told here")
    root = Path(__file__).resolve().parents[3]
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=root, check=False
    )
    assert child.returncode == 0, child.stderr
    measured = json.loads(child.stdout)
    print(measured)
    assert measured["leaks"] == ["equals an evaluation row", None]
    assert 0.2 < measured["similarity"] < 0.5
    assert measured["peak"] < MOST_MEMORY
