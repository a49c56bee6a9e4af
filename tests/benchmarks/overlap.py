"""One thing after the other against what may go on at the same time: three seeds, a live server, real trainings.

    python -m tests.benchmarks.overlap                         # the embedded student; some ten minutes on 2 quiet cores
    python -m tests.benchmarks.overlap --student tiny --steps 30 --rows 60   # a student of four layers

The same recipe runs in turns: with `executor: {kind: serial}`, as it is by default (one training or prediction beside
servers), and with two slots. All sides compute with one thread each, so that their rows can be compared: they must be
the same, node by node. The server answers after a stated latency and takes a stated number of requests at once, as one
that serves a large model does; it computes nothing, and its process is not counted. Wall time depends on what else the
machine does, so ratios are of sides that took turns; CPU seconds are those of all processes of a run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.backends.tiny import write_model
from tests.e2e.runs import ROOT, results
from tests.e2e.tiny_project import COLOURS, FILLERS, NUMBERS

RECIPE = """\
recipe: 1
name: overlap
task: {kind: classification, input: [text], target: kind}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: {backend: transformers, model: STUDENT}
  teacher: {backend: openai, model: teacher, base_url: URL, structured: json_schema, concurrency: AT_ONCE, size: 1B}
  judge: {backend: openai, model: judge, base_url: URL, structured: json_schema, concurrency: AT_ONCE, size: 1B}
  embedder: {backend: scripted, model: embedder}
metrics: [accuracy]
failure: accuracy < 1
patterns: {diagnose: DIAGNOSE, cluster: {max_k: 4}}
augment:
  rows_per_round: ROWS
  operators: [{name: paraphrase, params: {variants: 2}}]
quality:
  minimum: {adherence: 2, utility: 1, relevance: 1}
  gates: {neighbours: off, similarity: off, near_duplicate: off}
  leak_guard: {ngram: 8, quantile: 1.0}
train: {r: 4, steps: STEPS, batch_size: 4, learning_rate: 1e-4}
loop: {rounds: ROUNDS, control: false, stop: {patience: 9}}
seeds: SEEDS
"""
SIDES: Mapping[str, tuple[str, ...]] = {
    "serial": ("executor.kind=serial",),
    "beside servers": (),
    "two slots": ("executor.slots=2", "executor.threads=1"),
}


class Took(NamedTuple):
    """What one run took, in seconds."""

    wall: float
    cpu: float


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Start the server that answers by schema, and yield its base URL."""
    command = [sys.executable, "-m", "tests.servers.endpoint", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def write_project(folder: Path, given: argparse.Namespace, url: str) -> Path:
    """Write the recipe and its data; return the recipe's path."""
    generator = random.Random(0)
    for split, count in (("train", 40), ("validation", given.validation), ("test", 20)):
        lines = []
        for number in range(count):
            kind, known = (("colour", COLOURS), ("number", NUMBERS))[number % 2]
            words = [generator.choice(known), *generator.sample(FILLERS, 7)]
            generator.shuffle(words)
            lines.append(json.dumps({"text": " ".join(words), "kind": kind}) + "\n")
        (folder / f"{split}.jsonl").write_text("".join(lines), "utf-8")
    student = "embedded/smollm2-135m-instruct"
    if given.student == "tiny":
        write_model(folder / "student")
        student = "./student"
    values = {
        "STUDENT": student, "URL": url, "AT_ONCE": given.at_once, "DIAGNOSE": given.diagnose, "ROWS": given.rows,
        "STEPS": given.steps, "ROUNDS": given.rounds, "SEEDS": list(range(given.seeds)),
    }  # fmt: skip
    text = RECIPE
    for name, value in values.items():
        text = text.replace(name, str(value))
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, "utf-8")
    return recipe


def run(recipe: Path, state: Path, settings: tuple[str, ...]) -> Took:
    """Run the recipe to its end in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "run",
        str(recipe),
        "--state",
        str(state),
        "--quiet",
    ]
    for setting in settings:
        command += ["--set", setting]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{settings}: {done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall, cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--student", choices=["embedded", "tiny"], default="embedded")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rows", type=int, default=30, help="generated rows of a round")
    parser.add_argument("--diagnose", type=int, default=30)
    parser.add_argument("--validation", type=int, default=60)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds that a reply takes")
    parser.add_argument(
        "--at-once", type=int, default=1, help="requests that the server takes at once"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES))
    given = parser.parse_args()
    took: dict[str, list[Took]] = {side: [] for side in given.sides}
    contents: dict[str, dict[str, str]] = {}
    with TemporaryDirectory() as folder, server(given.latency) as url:
        recipe = write_project(Path(folder), given, url)
        for number in range(given.repeats):
            for side in given.sides:
                state = Path(folder, f"{side.replace(' ', '-')}-{number}")
                took[side].append(run(recipe, state, SIDES[side]))
                contents[side] = results(state)
                print(
                    f"{side}: {took[side][-1].wall:.1f} s, {took[side][-1].cpu:.1f} s of CPU",
                    flush=True,
                )
    first, *others = given.sides
    for side in others:
        differing = [n for n in contents[first] if contents[first][n] != contents[side].get(n)]
        if differing or contents[first].keys() != contents[side].keys():
            raise SystemExit(
                f"{side}: other rows than {first} in {', '.join(differing) or 'its nodes'}"
            )
    print(f"{len(contents[first])} nodes, the same rows on all sides")
    wall = {side: statistics.median(one.wall for one in took[side]) for side in given.sides}
    for side in others:
        print(f"{side}: {wall[side] / wall[first]:.2f} of the wall time of {first}")


if __name__ == "__main__":
    main()
