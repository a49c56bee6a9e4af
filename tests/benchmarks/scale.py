"""Rows by the million: whole runs of the engine with scripted models, each against its target.

    python -m tests.benchmarks.scale --folder /somewhere/with/room
    python -m tests.benchmarks.scale --folder /somewhere/with/room --evaluated 100_000 --candidates 20_000

Two projects are made. One has a million evaluation rows, which a scripted student answers: it is run, run again with
nothing to do, and reported. The other writes 200,000 candidates, which pass the gates, are answered blind and judged,
and are selected among. Each step is a process of its own; CPU seconds, wall seconds and the peak of its memory are the
process's own. What the embedder takes is told apart: its vectors are given, by the hash of a text.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import sys
import time
import zlib
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.backends import BACKENDS
from engine.backends.entry import Backend, ModelRef
from engine.backends.protocol import Completion, Progress, Request, Reserve, Usage, always
from engine.backends.replies import completion, read
from engine.backends.scripted import ScriptedSettings, ScriptedStudent, train
from engine.project import Project
from engine.run.progress import Event

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LABELS = 20
TRAIN = 2_000
EVALUATION = 4_000
"""Rows of validation and test together, where candidates are what is many."""
DIMENSIONS = 384
PER_CALL = 10
EMBEDDED = [0.0, 0]
"""CPU seconds of the embedder, and texts."""

RECIPE = """\
recipe: 1
name: scale
task: {kind: classification, input: [text], target: label}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: {backend: given, model: student}
  teacher: {backend: given, model: teacher, pack: frontier}
  judge: {backend: given, model: judge, pack: frontier}
  embedder: {backend: given, model: embedder}
metrics: [accuracy, macro_f1]
failure: accuracy < 1
"""
EVALUATE = """\
augment: {rows_per_round: 10, operators: [{name: new_situation}]}
train: {method: none}
loop: {rounds: 0, control: false}
"""
AUGMENT = """\
augment: {rows_per_round: ROWS, oversample: 1.0, operators: [{name: new_situation}]}
quality:
  attempts: 1
  verify: {samples: 1}
  leak_guard: {ngram: 5, quantile: 0.99}
train: {method: none}
loop: {method: random, rounds: 1, control: false}
"""
PLACES = [
    "harbour",
    "market",
    "school",
    "garden",
    "bridge",
    "station",
    "kitchen",
    "library",
    "museum",
    "river",
    "forest",
    "tower",
    "office",
    "cellar",
]
THINGS = [
    "ticket",
    "parcel",
    "window",
    "engine",
    "letter",
    "basket",
    "candle",
    "mirror",
    "hammer",
    "bottle",
    "carpet",
    "lantern",
    "pencil",
    "saddle",
]
DOINGS = [
    "broke",
    "moved",
    "sold",
    "found",
    "painted",
    "borrowed",
    "lost",
    "repaired",
    "counted",
    "carried",
    "opened",
    "closed",
    "weighed",
    "wrapped",
]


def text_of(number: int, label: int) -> str:
    """Return a text for a label: some words that its rows have in common, and many that number alone decides."""
    draw = random.Random(number * 31 + label)
    some = [draw.choice(words) for words in (PLACES, DOINGS, THINGS, PLACES, DOINGS, THINGS)]
    own = [
        f"{draw.choice('bdfgklmnprst')}{draw.choice('aeiou')}{draw.randrange(100):02d}"
        for _ in range(4)
    ]
    mixed = [*some, *own]
    draw.shuffle(mixed)
    return f"label{label} {' '.join(mixed)}"


def write(folder: Path, name: str, first: int, count: int) -> None:
    """Write a split: a tenth of its rows name another label, so that the student fails at them."""
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
        for number in range(first, first + count):
            label = number % LABELS
            said = (label + 1) % LABELS if number % 10 == 7 else label
            stream.write(
                json.dumps({"text": text_of(number, said), "label": f"label{label}"}) + "\n"
            )


class GivenStudent(ScriptedStudent):
    """Answers are given: the label that a text begins with."""

    def choose(
        self, prompts: Sequence[Any], labels: Sequence[str], progress: Progress | None = None
    ) -> list[Any]:
        from engine.backends.protocol import LabelAnswer

        answers = []
        known = set(labels)
        for prompt in prompts:
            words = prompt[-1].content.split()
            said = next(
                (word.strip('":,') for word in words if word.strip('":,') in known), labels[0]
            )
            answers.append(LabelAnswer(said, 0.9))
        if progress is not None:
            progress(len(prompts))
        return answers


class GivenEmbedder:
    """Vectors are given: near that of the label, and apart by the hash of the text."""

    def __init__(self, ref: ModelRef, settings: ScriptedSettings) -> None:
        import numpy as np

        draw = np.random.default_rng(1)
        self._labels = draw.standard_normal((LABELS, DIMENSIONS)).astype(np.float32)
        self._words: dict[str, npt.NDArray[np.float32]] = {}

    def embed(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        import numpy as np

        began = time.process_time()
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            draw = np.random.default_rng(zlib.crc32(text.encode()))
            draw.standard_normal(DIMENSIONS, dtype=np.float32, out=vectors[row])
            vectors[row] += self._labels[zlib.crc32(text.split(" ", 1)[0].encode()) % LABELS]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        EMBEDDED[0] += time.process_time() - began
        EMBEDDED[1] += len(texts)
        return vectors


class GivenGenerator:
    """Teacher and judge: what they reply follows from the call's schema and from the rows in it."""

    def __init__(self, ref: ModelRef, settings: ScriptedSettings) -> None:
        self._written = 0

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        group: list[Request] = []
        for request in requests:
            if request.id in answered:
                continue
            group.append(request)
            if len(group) == 16:
                if not reserve(group):
                    return
                yield [self._complete(one) for one in group]
                group = []
        if group and reserve(group):
            yield [self._complete(one) for one in group]

    def _complete(self, request: Request) -> Completion:
        text = json.dumps(reply(request))
        return completion(
            request, read(request, text), text=text, finish="stop", usage=Usage(500, 100),
            seconds=0.0, method="scripted",
        )  # fmt: skip


_ASKED = re.compile(r'^- (r\d+): target "(label\d+)"', re.MULTILINE)
_ROW = re.compile(r"^Row (r\d+)$", re.MULTILINE)
_LABEL = re.compile(r"label\d+")


def reply(request: Request) -> dict[str, Any]:
    """Return a reply of the teacher or of the judge: new rows, answers, or verdicts."""
    assert request.schema is not None
    (key,) = request.schema["properties"]
    prompt = request.messages[-1].content
    if asked := _ASKED.findall(prompt):
        first = zlib.crc32(request.id.encode())
        return {
            key: [
                {"id": name, "plan": "one", "text": text_of(first + at, int(label[5:]))}
                for at, (name, label) in enumerate(asked)
            ]
        }
    parts = _ROW.split(prompt)[1:]
    return {
        key: [_said(key, name, text) for name, text in zip(parts[::2], parts[1::2], strict=True)]
    }


def _said(key: str, name: str, text: str) -> dict[str, Any]:
    own, *others = _LABEL.findall(text)
    if key == "answers":
        return {"id": name, "reasoning": "It says so.", "answer": own, "second": None}
    right = own == others[-1]
    return {
        "id": name, "own_answer": own, "problems": [], "reason": "It says so.",
        "label_correct": "yes" if right else "no", "relevance": 5 if right else 1, "naturalness": 4,
        "utility": 4, "verdict": "accept" if right else "reject", "feedback": "",
    }  # fmt: skip


BACKEND = Backend(
    name="given", roles=("student", "teacher", "judge", "embedder"), settings=ScriptedSettings, local=False,
    generator=GivenGenerator, student=GivenStudent, embedder=GivenEmbedder, train=train,
)  # fmt: skip


def run_project(recipe: Path) -> None:
    """Run a project in this process, and print what each node took."""
    last = [time.process_time()]

    def tell(event: Event) -> None:
        if event.kind == "warning":
            print("   !", event.text[:200])
        if event.kind == "line":
            now = time.process_time()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"   {event.text:<60} CPU {now - last[0]:7.1f} s, peak {peak:6,.0f} MB", flush=True
            )
            last[0] = now

    began = time.process_time()
    Project.open(recipe).run(tell)
    print(f"   embedder: {EMBEDDED[1]:,} texts, {EMBEDDED[0]:.1f} s of CPU")
    _ = began


class Took(NamedTuple):
    """What a process took."""

    wall: float
    cpu: float
    peak: float
    """Megabytes."""


def measured(arguments: Sequence[str], cwd: Path) -> Took:
    """Return what a process took; raises RuntimeError where it fails."""
    began = time.monotonic()
    pid = os.posix_spawn(
        sys.executable, [sys.executable, *arguments], {**os.environ, "PYTHONPATH": os.getcwd()}
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(arguments)} ended with {status}")
    return Took(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--evaluated", type=int, default=1_000_000)
    parser.add_argument("--candidates", type=int, default=200_000)
    parser.add_argument("--child", default="")
    arguments = parser.parse_args()
    if arguments.child:
        os.chdir(arguments.folder)
        BACKENDS._entries["given"] = BACKEND  # type: ignore[attr-defined]
        recipe = arguments.folder / "recipe.yaml"
        if arguments.child == "run":
            run_project(recipe)
        else:
            Project.open(recipe).report()
        return


if __name__ == "__main__":
    main()
