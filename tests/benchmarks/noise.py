"""What becomes of a student whose log is wrong on purpose: its score before and after, by the share of wrong answers.

    python -m tests.benchmarks.noise --data FOLDER                    # the embedded student, an adapter trained first
    python -m tests.benchmarks.noise --data FOLDER --student neighbour   # a nearest neighbour, in seconds

FOLDER holds train.jsonl, validation.jsonl and test.jsonl of CLINC150 as {"text", "intent"} (the recipe `clinc150` says
where they are). Ten intents with six training rows each, the quickstart's size; 100 validation rows, 150 test rows, and
a log of 150 rows, whose outputs are the student's own. At each level so many expected answers of the log are replaced
by another label. No model writes rows: the teacher is a program that takes real rows which are in no split and no log.

trusting: it believes the log, so that for a failure whose expected answer is wrong it takes rows like the failing one
    and gives them the wrong label; its judge accepts all, and nobody answers blind. What protects the student is then
    that a round must beat it on validation, beyond its standard error, and must break nothing (`roll_back`).
doubting: it knows the right labels: it suspects each wrong expected answer, and no row is written for it.

In brackets: 95 % interval of the paired difference on the test rows.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.backends import BACKENDS
from engine.backends.entry import Backend, ModelRef, Settings
from engine.backends.protocol import (
    Completion,
    LabelAnswer,
    Message,
    Progress,
    Request,
    Reserve,
    TrainingJob,
    TrainingResult,
    Usage,
    always,
)
from engine.backends.replies import completion, read
from engine.backends.scripted import ScriptedSettings, ScriptedStudent
from engine.backends.scripting.values import instance
from engine.backends.scripting.words import features, last_user_message, overlap
from engine.fingerprint import digest
from engine.project import Project
from engine.statistics import share_difference
from engine.store import rows as stored

LEVELS = (0, 10, 30, 50)
TEACHERS = ("trusting", "doubting")
MODEL = "embedded/smollm2-135m-instruct"
NEIGHBOUR = "neighbour"
INTENTS, TRAIN, VALIDATION, TEST, LOG = 10, 6, 10, 15, 15
"""How many intents, and rows of each."""
RECIPE = """\
recipe: 1
name: noise
task: {kind: classification, input: [text], target: intent, description: What a user wants of an assistant.}
data: {train: {path: train.jsonl}, validation: {path: VALIDATION.jsonl}, test: {path: test.jsonl}}
models:
  student: STUDENT
  teacher: {backend: gold, model: TEACHER, pack: standard}
  judge: {backend: gold, model: TEACHER, pack: standard}
  embedder: EMBEDDER
metrics: [accuracy]
failure: accuracy < 1
patterns: {confirm: off, cluster: {max_k: 6}}
augment: {rows_per_round: 40, coverage: 0, operators: [{name: new_situation}]}
quality: {verify: {samples: SAMPLES}}
train: {steps: 60, batch_size: 4, learning_rate: 1e-3}
loop: {rounds: ROUNDS, regressions: roll_back}
seeds: [SEED]
FAILURES
"""


class Row(NamedTuple):
    """One labelled text."""

    text: str
    intent: str


@dataclass(frozen=True)
class World:
    """The rows of an experiment."""

    train: Sequence[Row]
    validation: Sequence[Row]
    test: Sequence[Row]
    log: Sequence[Row]
    """With their right labels."""
    unused: Mapping[str, Sequence[str]]
    """Right label -> texts that are in no split and no log."""


class Told(NamedTuple):
    """One row of a log as the teacher is told of it."""

    right: str
    expected: str
    output: str


class Outcome(NamedTuple):
    """What came of one level."""

    level: int
    before: float
    after: float
    low: float
    high: float
    best: int
    """The round of the chosen student."""
    rejected: float | None
    """Score of the round that was not chosen; None where it was."""
    suspects: int
    rows: int
    """Generated rows that round 1 trained on, and `wrong`: those of them whose label is wrong."""
    wrong: int


TOLD: dict[str, Told] = {}
"""Text of a logged row -> what the log says of it: what the teacher of this process knows, set level by level."""
UNUSED: dict[str, Sequence[str]] = {}
RIGHT: dict[str, str] = {}
"""Text of any row -> its right label."""


class GoldTeacher:
    """A teacher and judge by program; see the head of this module."""

    def __init__(self, ref: ModelRef, settings: Settings) -> None:
        """Take its way: trusting or doubting."""
        self._doubts = ref.name == "doubting"

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield a completion for each request that needs one."""
        for request in requests:
            if request.id not in answered and reserve([request]):
                reply = read(request, json.dumps(self._reply(request)))
                yield [completion(request, reply, usage=Usage(), seconds=0.0, method="gold")]

    def _reply(self, request: Request) -> Any:
        text = last_user_message(request.messages)
        schema, draw = request.schema or {}, random.Random(request.id)
        asked = schema["properties"]
        if "diagnoses" in asked:
            return {"diagnoses": list(self._diagnoses(text, asked["diagnoses"]["items"], draw))}
        if "coherent" in asked:
            said = re.search(r"It says (\w+) where somebody asks for (\w+)", text)
            name = f"{said[1]} for {said[2]}" if said else "One for another"
            texts = {"name": name, "description": f"{name}.", "includes": [], "excludes": []}
            return _filled(schema, draw, **texts, coherent=True, misfits=[], parts=[])
        if "strategy" in asked:
            free: dict[str, Any] = {
                key: [] for key in ("must", "must_not", "kinds", "attributes", "pairs", "operators")
            }
            return _filled(schema, draw, strategy="Write rows like those that fail.", **free)
        if "answers" in asked:
            return {"answers": [self._answer(*row) for row in _rows_in(text, "Row ")]}
        item = asked["rows"]["items"]
        if "verdict" in item["properties"] or "adherence" in item["properties"]:
            rows = _rows_in(text, "Row ")
            return {"rows": [self._verdict(*row, text, item, draw) for row in rows]}
        return {"rows": list(self._written(text, item, draw))}

    def _diagnoses(self, text: str, item: Mapping[str, Any], draw: random.Random) -> Iterator[Any]:
        failing = text[text.index("# Rows that the student gets wrong") :]
        for identity, row in _rows_in(failing, "## "):
            told = TOLD[row]
            suspect = self._doubts and told.expected != told.right
            yield _filled(
                item,
                draw,
                id=identity,
                evidence="",
                root_cause=f"It says {told.output} where somebody asks for {told.expected}.",
                scenario=f"Somebody asks for {told.expected} and means it, not {told.output}.",
                category=told.expected[:48],
                convention="",
                suspect=suspect,
                suspect_reason="It is another label." if suspect else "",
                mendable=True,
            )

    def _written(self, text: str, item: Mapping[str, Any], draw: random.Random) -> Iterator[Any]:
        for identity, target, near in re.findall(
            r'^- (r\d+): target "(.*?)"(?:, near "(.*?)")?[;\n]', text + "\n", re.MULTILINE
        ):
            # What the log shows of this confusion, whatever it really is: a teacher that doubts saw no wrong ones.
            like = [
                told.right
                for told in TOLD.values()
                if (told.expected, told.output) == (target, near)
                and not (self._doubts and told.right != told.expected)
            ]
            label = draw.choice(like) if like else target
            yield _filled(item, draw, id=identity, text=draw.choice(UNUSED[label]))

    def _answer(self, identity: str, text: str) -> Any:
        return {"id": identity, "reasoning": "", "answer": RIGHT.get(text), "second": None}

    def _verdict(
        self, identity: str, row: str, text: str, item: Mapping[str, Any], draw: random.Random
    ) -> Any:
        block = text[text.index(f"Row {identity}\n") :].partition("Proposed answer:\n")[2]
        proposed = block.split("\n", 1)[0].strip()
        right = RIGHT.get(row, proposed)
        good = not self._doubts or proposed == right
        return _filled(
            item, draw, id=identity, own_answer=right if self._doubts else proposed, problems=[], reason="So it is.",
            label_correct="yes" if good else "no", adherence=5, relevance=5, naturalness=5, utility=5,
            verdict="accept" if good else "reject", feedback="",
        )  # fmt: skip


def _filled(schema: Mapping[str, Any], draw: random.Random, **said: Any) -> dict[str, Any]:
    """Return an object that fits a schema, with what is said in it where the schema has a place for it."""
    value: dict[str, Any] = instance(schema, draw, ["rows", "that", "fail"])
    return value | {key: one for key, one in said.items() if key in schema["properties"]}


def _rows_in(text: str, head: str) -> list[tuple[str, str]]:
    """Return id and text of each row in a prompt."""
    found = re.findall(rf"^{head}([fr]\d+)\n<row>\ntext: (.*?)\n</row>", text, re.MULTILINE)
    return [(identity, row) for identity, row in found]


class NeighbourStudent(ScriptedStudent):
    """A student that says what the nearest of its training rows says: wrong rows mislead it at once."""

    def __init__(self, ref: ModelRef, settings: ScriptedSettings, rows: Sequence[Any] = ()) -> None:
        """Take what it was trained on; nothing at first."""
        super().__init__(ref, settings)
        self._ref, self._own = ref, settings
        self._rows = [(features(text), label) for text, label in rows]

    def with_adapter(self, adapter: Path) -> NeighbourStudent:
        """Return the student as trained."""
        rows = json.loads((adapter / "rows.json").read_text("utf-8"))
        return NeighbourStudent(self._ref, self._own, rows)

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        """Return the label of the nearest training row."""
        if not self._rows:
            return super().choose(prompts, labels, progress)
        return [LabelAnswer(self._nearest(last_user_message(p)), 1.0) for p in prompts]

    def _nearest(self, text: str) -> str:
        own = features(text)
        return str(max(self._rows, key=lambda row: overlap(own, row[0]))[1])


def remember(job: TrainingJob, progress: Progress) -> TrainingResult:
    """Keep the rows: all that a nearest neighbour learns."""
    job.output.mkdir(parents=True, exist_ok=True)
    rows = [[last_user_message(row.messages), row.completion] for row in job.rows]
    # Of several training seeds each overlooks other rows, so that a control differs from round 0.
    kept = random.Random(job.seed).sample(rows, max(1, len(rows) * 9 // 10))
    (job.output / "rows.json").write_text(json.dumps(kept), "utf-8")
    progress(job.steps)
    return TrainingResult(job.output, digest([kept]), job.steps, 1.0, None, None, job.steps, 0.0)


def register() -> None:
    """Make the teacher and the quick student known by their names."""
    BACKENDS._entries["gold"] = Backend(
        "gold", ("teacher", "judge"), Settings, local=False, generator=GoldTeacher
    )
    BACKENDS._entries[NEIGHBOUR] = Backend(
        NEIGHBOUR, ("student",), ScriptedSettings, local=False, student=NeighbourStudent, train=remember
    )  # fmt: skip


def read_world(folder: Path, seed: int) -> World:
    """Draw the rows of an experiment."""
    of = {split: _by_intent(folder / f"{split}.jsonl") for split in ("train", "validation", "test")}
    draw = random.Random(seed)
    intents = draw.sample(sorted(of["train"]), INTENTS)

    def take(split: str, start: int, count: int) -> list[Row]:
        return [Row(t, i) for i in intents for t in shuffled[split, i][start : start + count]]

    shuffled = {
        (split, intent): draw.sample(of[split][intent], len(of[split][intent]))
        for split in of
        for intent in intents
    }
    return World(
        train=take("train", 0, TRAIN),
        log=take("train", TRAIN, LOG),
        validation=take("validation", 0, VALIDATION),
        test=take("test", 0, TEST),
        unused={i: shuffled["train", i][TRAIN + LOG :] for i in intents},
    )


def _by_intent(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["intent"], []).append(row["text"])
    return found


def noisy(log: Sequence[Row], level: int, seed: int) -> list[str]:
    """Return the expected answers of a log, `level` percent of them wrong."""
    draw = random.Random(f"{seed} {level}")
    labels = sorted({row.intent for row in log})
    wrong = set(draw.sample(range(len(log)), round(level / 100 * len(log))))
    return [
        draw.choice([label for label in labels if label != row.intent])
        if n in wrong
        else row.intent
        for n, row in enumerate(log)
    ]


class Experiment:
    """A deployed student, its log, and the engine run on it level by level."""

    def __init__(self, world: World, student: str, seed: int, folder: Path) -> None:
        """Train the student that is deployed, and ask it the rows of the log."""
        self._world, self._student, self._seed, self._folder = world, student, seed, folder
        register()
        UNUSED.clear()
        UNUSED.update(world.unused)
        RIGHT.clear()
        RIGHT.update((text, label) for label, texts in world.unused.items() for text in texts)
        for rows in (world.train, world.log, world.validation, world.test):
            RIGHT.update(rows)
        for name in ("train", "validation", "test", "log"):
            rows = getattr(world, name)
            self._write(
                f"{name}.jsonl" if name != "log" else "logged.jsonl", map(Row._asdict, rows)
            )
        state = self._run("deployed", "doubting", "", rounds=0, validation="logged")
        said = stored(
            state,
            "SELECT e.inputs ->> 'text' AS text, p.answer FROM prediction p JOIN example e"
            " ON e.id = p.example AND e.split = p.split WHERE p.split = 'validation' AND p.round = 0",
        )
        self._outputs = {row["text"]: str(row["answer"]) for row in said}
        ((self._adapter,),) = [row.values() for row in stored(state, "SELECT path FROM model")]

    def run(self, level: int, teacher: str) -> Outcome:
        """Return what becomes of the student where so many expected answers are wrong."""
        expected = noisy(self._world.log, level, self._seed)
        TOLD.clear()
        log = []
        for row, says in zip(self._world.log, expected, strict=True):
            output = self._outputs[row.text]
            TOLD[row.text] = Told(row.intent, says, output)
            log.append({"text": row.text, "intent": says, "output": output})
        self._write(f"log-{level}.jsonl", log)
        failures = f"failures: {{source: logged, path: log-{level}.jsonl}}"
        return self._outcome(self._run(f"{teacher}-{level}", teacher, failures), level)

    def _write(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self._folder / name).write_text(text, "utf-8")

    def _run(
        self,
        name: str,
        teacher: str,
        failures: str,
        rounds: int = 1,
        validation: str = "validation",
    ) -> Path:
        quick = self._student == NEIGHBOUR
        adapter = (
            f", adapter: {self._folder / 'state' / self._adapter}" if rounds and not quick else ""
        )
        changes = {
            "STUDENT": "{backend: neighbour, model: neighbour}" if quick
            else f"{{backend: transformers, model: {self._student}{adapter}}}",
            "EMBEDDER": "{backend: scripted, model: words}" if quick
            else "{backend: sentence-transformers, model: embedded/all-minilm-l6-v2}",
            "VALIDATION": validation, "TEACHER": teacher, "ROUNDS": str(rounds), "SEED": str(self._seed),
            "SAMPLES": "1" if teacher == "doubting" else "0", "FAILURES": failures,
        }  # fmt: skip
        text = RECIPE
        for key, value in changes.items():
            text = text.replace(key, value)
        recipe = self._folder / f"{name}.yaml"
        recipe.write_text(text, "utf-8")
        state = self._folder / "state"
        Project.open(recipe, state).run()
        return state

    def _outcome(self, state: Path, level: int) -> Outcome:
        run = "(SELECT max(id) FROM run)"
        ((best,),) = [
            row.values()
            for row in stored(
                state,
                "SELECT arg_max(d.best_round, d.round) AS best FROM decision d JOIN run_node n USING (node)"
                f" JOIN node o ON o.id = d.node WHERE n.run = {run} AND o.stage = 'decide'",
            )
        ]
        right: dict[int, dict[str, bool]] = {}
        for row in stored(
            state,
            "SELECT s.round, s.example, s.value FROM score s JOIN run_node n USING (node)"
            f" WHERE n.run = {run} AND s.split = 'test' AND s.round >= 0",
        ):
            right.setdefault(row["round"], {})[row["example"]] = row["value"] == 1
        first, chosen = right[0], right[best]
        better = sum(chosen[e] and not first[e] for e in first)
        worse = sum(first[e] and not chosen[e] for e in first)
        compared = share_difference(better, worse, len(first))
        other = right.get(1) if best != 1 else None
        added = stored(
            state,
            "SELECT e.inputs ->> 'text' AS text, e.target FROM selected s JOIN example e"
            f" ON e.id = s.example AND e.node = s.node JOIN run_node n ON n.node = s.node WHERE n.run = {run}",
        )
        suspects = stored(state, f"SELECT count(*) AS n FROM label_suspect WHERE run = {run}")
        return Outcome(
            level,
            _share(first),
            _share(chosen),
            compared.low,
            compared.high,
            best,
            _share(other) if other else None,
            suspects[0]["n"],
            len(added),
            sum(row["text"] not in self._world.unused[row["target"]] for row in added),
        )


def _share(right: Mapping[str, bool]) -> float:
    return 100 * sum(right.values()) / len(right)


def _line(teacher: str, one: Outcome, seconds: float) -> str:
    change = f"{one.after - one.before:+5.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
    other = "" if one.rejected is None else f", not chosen: {one.rejected:.1f}"
    return (
        f"{teacher:9} {one.level:3d} %  before {one.before:5.1f}  after {one.after:5.1f}  {change:20}"
        f" round {one.best}{other}; {one.suspects} suspect labels, {one.wrong} of {one.rows} added rows wrong"
        f" ({seconds:.0f} s)"
    )


def main() -> None:
    """Print a line per teacher and level."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--student", default=MODEL, help=f"a model's name, or {NEIGHBOUR}")
    parser.add_argument("--levels", type=int, nargs="+", default=LEVELS)
    parser.add_argument("--teachers", nargs="+", default=TEACHERS, choices=TEACHERS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = read_world(options.data, options.seed)
        experiment = Experiment(world, options.student, options.seed, Path(folder))
        for teacher in options.teachers:
            for level in options.levels:
                began = time.monotonic()
                outcome = experiment.run(level, teacher)
                print(_line(teacher, outcome, time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
