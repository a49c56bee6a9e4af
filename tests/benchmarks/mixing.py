"""What generated rows buy by the way in which they are trained on: rows already accepted × options × seeds, as a table.

    python -m tests.benchmarks.mixing --set clinc150 RECIPE ROWS --set restaurant8k RECIPE ROWS
    python -m tests.benchmarks.mixing --table                # what is there so far, without training

ROWS is a state folder (`.pada`: the generated rows that the last round of its last run trained on, each seed's own) or
a JSONL file of `{"inputs": {…}, "target": "…"}`, the same rows for every seed unless a line says its `seed`. No model
is asked for rows. Each arm is one fine-tune from the base model, predicted and scored by the engine's own stages; its
line is appended to `--out` when it is done, so that the same command goes on after a kill: finished arms are skipped,
and the one that was under way goes on from its checkpoint. The first arm has no generated rows; each other one changes
one option of the second. `--arms` takes some of them, or combinations as `mix=0.5,steps=per_row`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from engine.fingerprint import short
from engine.plan.graph import Node
from engine.project import Project
from engine.rows import Example
from engine.run.context import NodeContext
from engine.run.progress import Callback
from engine.run.session import Session
from engine.spec.recipe import Train
from engine.stages.evaluate.predict import PREDICT, PredictInputs, PredictParams
from engine.stages.evaluate.score import SCORE, ScoreInputs, ScoreParams
from engine.stages.load import LOAD, LoadInputs, LoadParams, example_id
from engine.stages.outputs import Loaded, SelectedRows
from engine.stages.train import TRAIN, TrainInputs, TrainParams
from engine.store import rows as stored

WITHOUT = "original rows alone"
BASE = "all options at their defaults"
ARMS: Mapping[str, Mapping[str, Any]] = {
    WITHOUT: {},
    BASE: {},
    "mix=0.5": {"mix": 0.5},
    "mix=2": {"mix": 2.0},
    "steps=per_row": {"steps": "per_row"},
    "order=generated_first": {"order": "generated_first"},
    "checkpoint=best": {"checkpoint": "best"},
}
"""Arm -> what it changes of the recipe's `train`."""
_GENERATED = """
SELECT seed, inputs, target FROM training_rows WHERE origin = 'generated'
  AND run = (SELECT arg_max(id, started) FROM run) AND round = (SELECT max(round) FROM training_rows t
    WHERE t.run = training_rows.run AND t.seed = training_rows.seed)
ORDER BY seed, made_in, example
"""


class Generated(NamedTuple):
    """One generated row; a row without a seed is for all of them."""

    seed: int | None
    inputs: Mapping[str, str]
    target: str


@dataclass(frozen=True)
class DataSet:
    """A recipe's rows, what its student is asked, and the generated rows."""

    name: str
    project: Project
    loaded: Loaded
    generated: Sequence[Generated]

    @classmethod
    def open(
        cls, name: str, recipe: str, source: Path, given: Sequence[str], state: Path
    ) -> DataSet:
        """Read a recipe's data and the generated rows; raises EngineError where the recipe is wrong."""
        assigned = dict(each.split("=", 1) for each in given)
        project = Project.open(recipe, state, assigned)
        project.validate()
        node = project.plan().plan.nodes["load"]
        loaded = LOAD.run(cast(LoadParams, node.params), LoadInputs(), cast(Any, None))
        return cls(name, project, loaded, read_generated(source))

    def rows(self, seed: int) -> tuple[Example, ...]:
        """Return one seed's generated rows as training rows, each once and none that is an original row."""
        found = {row.id: row for row in self.loaded.train}
        originals = len(found)
        for row in self.generated:
            if row.seed in (None, seed):
                identity = example_id(row.inputs, row.target)
                found.setdefault(
                    identity,
                    Example(identity, "train", row.inputs, row.target, {}, "generated", 1),
                )
        return tuple(found.values())[originals:]


def read_generated(source: Path) -> list[Generated]:
    """Return the generated rows in a state folder or a JSONL file."""
    if source.is_dir():
        return [
            Generated(row["seed"], json.loads(row["inputs"]), row["target"])
            for row in stored(source, _GENERATED)
        ]
    lines = map(json.loads, filter(None, source.read_text(encoding="utf-8").splitlines()))
    return [Generated(line.get("seed"), line["inputs"], line["target"]) for line in lines]


def arm_of(text: str) -> tuple[str, Mapping[str, Any]]:
    """Return an arm by its name, or a combination such as `mix=0.5,order=generated_first`."""
    if text in ARMS:
        return text, ARMS[text]
    pairs = (part.partition("=")[::2] for part in text.split(","))
    return text, {key: _number(value) for key, value in pairs}


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class Ablation:
    """Trains and measures one data set's arms in a folder of its own."""

    def __init__(self, data: DataSet, folder: Path) -> None:
        """Take the data and where students lie while they are measured."""
        self._data, self._state = data, folder
        planned = data.project.plan()
        self._resources, self._nodes = planned.resources, planned.plan.nodes
        self._session = Session(self._resources.models, Callback(), list)

    def measure(self, settings: Train, seed: int, extra: Sequence[Example]) -> dict[str, Any]:
        """Return what came of one fine-tune: its numbers and the score of each split."""
        recipe = self._data.project.loaded.recipe
        train = self._node(f"seed-{recipe.seeds[0]}/round-0/train", settings, seed, extra)
        params = replace(cast(TrainParams, train.params), train=settings)
        loaded, context = self._data.loaded, self._context(train)
        earlier = (SelectedRows(tuple(extra)),) if extra else ()
        trained = TRAIN.run(params, TrainInputs(loaded, earlier), context)
        asked = cast(PredictParams, self._nodes["untuned/predict"].params)
        predicted = PREDICT.run(asked, PredictInputs(loaded, trained), context)
        wanted = cast(ScoreParams, self._nodes["untuned/score"].params)
        scored = SCORE.run(wanted, ScoreInputs(loaded, predicted), context)
        shutil.rmtree(self._state / "models" / train.id, ignore_errors=True)
        metric, model = recipe.loop.stop.metric, trained.model
        return {
            "metric": metric, "generated": len(extra), "steps": model.steps,
            "chosen_step": model.chosen_step, "train_loss": model.train_loss,
            "validation_loss": model.validation_loss, "seconds": model.seconds,
            **{m.split: m.value for m in scored.metrics if m.metric == metric},
        }  # fmt: skip

    def _node(self, name: str, settings: Train, seed: int, extra: Sequence[Example]) -> Node:
        """Return the node of a fine-tune under an id of its own, by which a killed one is found again."""
        node = self._nodes[name]
        decides = [node.id, settings.model_dump(mode="json"), seed, [row.id for row in extra]]
        return replace(node, id=short(decides, 24), seed=seed)

    def _context(self, node: Node) -> NodeContext:
        # Students that answer in calls would need the ledger; those that can be fine-tuned never do.
        ledger = cast(Any, None)
        prompts = self._resources.prompts
        return NodeContext(node, prompts, self._session, ledger, Callback(), self._state)


def run(
    sets: Sequence[DataSet], arms: Mapping[str, Mapping[str, Any]], seeds: Sequence[int], out: Path
) -> None:
    """Train what is not in `out` yet, seed by seed, and append a line for each."""
    done = {record["key"] for record in records(out)}
    end_line(out)
    ablations = {data.name: Ablation(data, out.with_suffix("")) for data in sets}
    for seed in seeds:
        for data in sets:
            original = data.project.loaded.recipe.train
            for name, changes in arms.items():
                extra = () if name == WITHOUT else data.rows(seed)
                settings = Train.model_validate({**original.model_dump(), **changes})
                ids = [row.id for row in (*data.loaded.examples, *extra)]
                key = short([data.name, name, seed, settings.model_dump(mode="json"), ids], 24)
                if key in done:
                    continue
                began = time.monotonic()
                found = ablations[data.name].measure(settings, seed, extra)
                record = {"key": key, "set": data.name, "arm": name, "seed": seed, **found}
                with out.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(record) + "\n")
                print(
                    f"{data.name}, seed {seed}, {name}: {found['metric']} on test {found['test']:.4f}"
                    f" ({time.monotonic() - began:.0f} s)",
                    flush=True,
                )


def end_line(out: Path) -> None:
    """End a line that a kill tore, so that the next one does not hang on to it."""
    if out.exists() and not out.read_bytes().endswith(b"\n"):
        with out.open("a", encoding="utf-8") as stream:
            stream.write("\n")


def records(out: Path) -> list[dict[str, Any]]:
    """Return the finished arms; a line that a kill tore is none."""
    if not out.exists():
        return []
    found = []
    for line in out.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the arms as a Markdown table: means in percent, and each seed's value in brackets."""
    sets = list(dict.fromkeys(record["set"] for record in found))
    head = ["arm"]
    for name in sets:
        metric = next(record["metric"] for record in found if record["set"] == name)
        head += [f"{name}: rows added", "steps", f"{metric}, validation", f"{metric}, test"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for arm in dict.fromkeys(record["arm"] for record in found):
        cells = [arm]
        for name in sets:
            here = [r for r in found if (r["set"], r["arm"]) == (name, arm)]
            here.sort(key=lambda record: int(record["seed"]))
            cells += _cells(here)
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(here: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not here:
        yield from ("", "", "", "")
        return
    for key in ("generated", "steps"):
        yield "/".join(dict.fromkeys(str(record[key]) for record in here))
    for split in ("validation", "test"):
        values = [100 * record[split] for record in here]
        yield f"{statistics.mean(values):.1f} ({' '.join(f'{value:.1f}' for value in values)})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--set", nargs=3, action="append", metavar=("NAME", "RECIPE", "ROWS"), default=[]
    )
    parser.add_argument("--var", action="append", default=[], help="name=value, for all recipes")
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("mixing.jsonl"))
    parser.add_argument("--table", action="store_true", help="print the table and train nothing")
    given = parser.parse_args(arguments)  # fmt: skip
    if not given.table:
        folder = given.out.with_suffix("")
        sets = [
            DataSet.open(name, recipe, Path(rows), given.var, folder)
            for name, recipe, rows in given.set
        ]
        run(sets, dict(map(arm_of, given.arms)), given.seeds, given.out)
    print(table(records(given.out)))


if __name__ == "__main__":
    main()
