"""Rows by the million: whole runs of the engine with scripted models, each against its target.

    python -m tests.benchmarks.scale --folder /somewhere/with/room
    python -m tests.benchmarks.scale --folder /somewhere/with/room --evaluated 100_000 --candidates 20_000

    python -m tests.benchmarks.scale --folder /somewhere/with/room --evaluated 0 --candidates 0 --lists 0 --asked 5_000

Two projects are made. One has a million evaluation rows, which a scripted student answers: it is run, run again with
nothing to do, and reported. The other writes 200,000 candidates, which pass the gates, are answered blind and judged,
and are selected among. With `--asked N` a judge rates N answers by prompts of 12,000 characters, and 4 N in another
project: what a call adds to the peak is printed. Each step is a process of its own; CPU seconds, wall seconds and the
peak of its memory are the process's own. What the embedder takes is told apart: its vectors are given, by the hash of a
text.
"""

from __future__ import annotations

import argparse
import contextlib
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
from engine.backends.protocol import (
    Completion,
    LabelAnswer,
    Progress,
    Request,
    Reserve,
    Usage,
    always,
)
from engine.backends.replies import completion, read
from engine.backends.scripted import ScriptedEmbedder, ScriptedSettings, ScriptedStudent, train
from engine.cli import main as pada
from engine.project import Project
from engine.run.progress import Event
from engine.stages.quality.inverted_lists import InvertedLists
from engine.wording import without_a_word

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
RATING = "metrics: [accuracy, {name: helpful, judge: {rubric: Is it the label., scale: [1, 5]}}]"
PROMPT = 12_000
"""Characters of a prompt with `--asked`, which are the task's: rows stay short, so that requests alone grow."""
PLACES = (
    "harbour", "market", "school", "garden", "bridge", "station", "kitchen",
    "library", "museum", "river", "forest", "tower", "office", "cellar",
)  # fmt: skip
THINGS = (
    "ticket", "parcel", "window", "engine", "letter", "basket", "candle",
    "mirror", "hammer", "bottle", "carpet", "lantern", "pencil", "saddle",
)  # fmt: skip
DOINGS = (
    "broke", "moved", "sold", "found", "painted", "borrowed", "lost",
    "repaired", "counted", "carried", "opened", "closed", "weighed", "wrapped",
)  # fmt: skip


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
    ) -> list[LabelAnswer]:
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
        """Take what every backend takes; none of it matters here."""

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
    if "rating" in request.schema["properties"]:
        return {"reason": "It says so.", "rating": 4}
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


class Step(NamedTuple):
    """What one line of a run stands for: a node, or what came before the first."""

    said: str
    cpu: float
    """Seconds, the embedder's among them."""
    embedder: float
    peak: float
    """Megabytes of memory that the process had at most until then."""

    @property
    def is_judging(self) -> bool:
        """Whether it is a node between generating rows and training on them."""
        return any(f"/{stage}" in self.said for stage in ("gate", "verify", "judge", "select"))


def run_project(recipe: Path) -> None:
    """Run a project in this process, print what each node took, and write it down beside the recipe."""
    steps: list[Step] = []
    last = [time.process_time(), 0.0]

    def tell(event: Event) -> None:
        if event.kind == "warning":
            print(f"   {event.text[:200]}")
        if event.kind != "line":
            return
        now = [time.process_time(), EMBEDDED[0]]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        steps.append(Step(event.text, now[0] - last[0], now[1] - last[1], peak))
        last[:] = now
        print(
            "   {:<62} CPU {:7.1f} s, embedder {:6.1f} s, peak {:6,.0f} MB".format(*steps[-1]),
            flush=True,
        )

    Project.open(recipe).run(tell)
    (recipe.parent / "steps.json").write_text(json.dumps(steps), encoding="utf-8")
    if EMBEDDED[1]:
        rate = EMBEDDED[1] / max(EMBEDDED[0], 1e-9)
        print(f"   embedder: {EMBEDDED[1]:,.0f} texts, {rate:,.0f} a second of its CPU")


class Took(NamedTuple):
    """What a process took."""

    wall: float
    cpu: float
    peak: float
    """Megabytes."""


def measured(what: str, folder: Path, *arguments: str) -> Took:
    """Do something in a process of its own, and return what it took; raises RuntimeError where it fails."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.scale",
        "--folder",
        str(folder),
        "--child",
        what,
        *arguments,
    ]
    # One thread for matrices: threads that wait for each other count as work where others have the processor.
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OPENBLAS_NUM_THREADS": "1"}
    began = time.monotonic()
    process = os.posix_spawn(sys.executable, command, environment)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {status}")
    return Took(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def child(what: str, folder: Path, arguments: Sequence[str]) -> None:
    """Do one thing with a project, with the given models among the engine's backends."""
    BACKENDS._entries["given"] = BACKEND
    os.chdir(folder)
    if what == "run":
        run_project(folder / "recipe.yaml")
        return
    sys.argv = ["pada", *arguments]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        pada()


def evaluated(folder: Path, rows: int) -> None:
    """Make a project of so many evaluation rows, run it, run it again, and report it."""
    made(folder, rows, EVALUATE)
    took = measured("run", folder)
    told(f"{rows:,} evaluation rows scored", took, "in 24 GB of memory")
    told("`pada run` with nothing to do", measured("pada", folder, "run", "recipe.yaml"), "15 s")
    told("`pada report`", measured("pada", folder, "report"), "5 s")


def judged(folder: Path, rows: int) -> None:
    """Make a project that writes so many candidates, and run it."""
    made(folder, EVALUATION, AUGMENT.replace("ROWS", str(rows)))
    took = measured("run", folder)
    told(f"{rows:,} candidates written and judged", took, "below 4,000 MB")
    steps = [Step(*step) for step in json.loads((folder / "steps.json").read_text("utf-8"))]
    own = sum(step.cpu - step.embedder for step in steps if step.is_judging)
    print(
        f"| gate, verify, judge, select: {rows / own:,.0f} rows a second of CPU | {own:.1f} | | | 2,000 rows/s |"
    )


def asked(folder: Path, calls: int) -> None:
    """Have so many answers rated, and four times as many in another project; print what each call adds to the peak."""
    said = ("A text is about one thing, and the label names it. " * PROMPT)[:PROMPT]
    recipe = RECIPE.replace("metrics: [accuracy, macro_f1]", RATING)
    recipe = recipe.replace("target: label}", f'target: label, description: "{said}"}}')
    added: list[float] = []
    for number in (calls, 4 * calls):
        own = folder / f"asked-{number}"
        made(own, number, EVALUATE, recipe, train=200)
        took = measured("run", own)
        steps = [Step(*step) for step in json.loads((own / "steps.json").read_text("utf-8"))]
        place = next(at for at, step in enumerate(steps) if "/rate" in step.said)
        before, after = steps[place - 1].peak, steps[place].peak
        added.append(after - before)
        told(
            f"{number:,} answers rated: peak {before:,.0f} MB before, {after:,.0f} after", took, ""
        )
    each = (added[1] - added[0]) * 1024 / (3 * calls)
    print(
        f"| each further call adds {each:.2f} KB while it is asked | | | | far below its prompt's 12 KB |"
    )


def listed(rows: int) -> None:
    """Look up rows with a word left out among so many, in lists and by comparing all; print recall and CPU seconds."""
    import numpy as np

    embed = ScriptedEmbedder(ModelRef("embedder", None), ScriptedSettings()).embed
    texts = [text_of(number, number % LABELS) for number in range(rows)]
    repeated = [
        without_a_word(text)[number % 9] for number, text in enumerate(texts[:: rows // 2_000])
    ]
    vectors, asked = embed(texts), embed(repeated)
    began = time.process_time()
    exact = (asked @ vectors.T).max(axis=1)
    all_compared = time.process_time() - began
    index = InvertedLists(vectors)
    made_index = time.process_time() - began - all_compared
    found = index.nearest(asked)
    looked_up = time.process_time() - began - all_compared - made_index
    recall = float(np.isclose(found, exact, atol=1e-6).mean())
    print(
        f"| {len(asked):,} rows looked up among {rows:,} in lists: recall {recall:.1%}, comparing all takes"
        f" {all_compared:.2f} s, making the lists {made_index:.1f} s | {looked_up:.2f} | | | |"
    )


def made(
    folder: Path, evaluation: int, rest: str, recipe: str = RECIPE, train: int = TRAIN
) -> None:
    """Write the project, unless it is there."""
    if (folder / "recipe.yaml").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    half = evaluation // 2
    write(folder, "train", 0, train)
    write(folder, "validation", train, half)
    write(folder, "test", train + half, evaluation - half)
    (folder / "recipe.yaml").write_text(recipe + rest, encoding="utf-8")


def told(what: str, took: Took, target: str) -> None:
    """Print a line of the table."""
    print(
        f"| {what} | {took.cpu:.1f} | {took.wall:.1f} | {took.peak:,.0f} | {target} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--evaluated", type=int, default=1_000_000, help="evaluation rows; 0: none")
    parser.add_argument("--candidates", type=int, default=200_000, help="0: none")
    parser.add_argument("--asked", type=int, default=0, help="calls with long prompts; 0: none")
    parser.add_argument("--lists", type=int, default=100_000, help="rows of an index; 0: none")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    if arguments.child:
        child(arguments.child, folder, arguments.arguments)
        return
    print(
        "| what | CPU seconds | wall seconds | peak MB | target |\n|---|---|---|---|---|",
        flush=True,
    )
    if arguments.evaluated:
        evaluated(folder / f"evaluated-{arguments.evaluated}", arguments.evaluated)
    if arguments.candidates:
        judged(folder / f"candidates-{arguments.candidates}", arguments.candidates)
    if arguments.asked:
        asked(folder, arguments.asked)
    if arguments.lists:
        listed(arguments.lists)


if __name__ == "__main__":
    main()
