"""What preference tuning buys at equal optimizer steps: rows already accepted x ways of training x seeds, as a table.

    python -m tests.benchmarks.preference --set clinc150 RECIPE ROWS --set restaurant8k RECIPE ROWS
    python -m tests.benchmarks.preference --table            # what is there so far, without training

ROWS is a state folder or a JSONL file, as in `tests.benchmarks.mixing`. No model is asked for rows. For each set and
seed a plain fine-tune on the original rows stands for round 0; every arm is round 1 behind it, with original and
accepted rows and as many optimizer steps in all. The baseline is plain; the others give their last steps to pairs of
right answers and the student's own wrong ones, found and tuned by the engine's own stages (`pair`, `prefer`), each
with one change of `train.preference`: `--arms share=0.1 beta=0.5,loss=ipo`. Rejected rows are not among ROWS, so no
pair is of blind answers.

An arm's line is appended to `--out` when it is done: the same command goes on after a kill, finished arms are
skipped, and what was under way goes on from its checkpoint. Round 0 and what is trained before the preferences stay
in the folder beside `--out`, for the arms that share them. The table ends with the paired differences to the
baseline, in points of the recipe's metric on test, and their 95 % intervals over seeds and rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.fingerprint import short
from engine.plan.graph import Node
from engine.rows import Example
from engine.spec.recipe import Train
from engine.stages.evaluate.predict import PREDICT, PredictInputs, PredictParams
from engine.stages.evaluate.score import SCORE, ScoreInputs, ScoreParams
from engine.stages.outputs import Predicted, Scored, SelectedRows, Trained
from engine.stages.preference.honest import comparing
from engine.stages.preference.pair import PAIR, PairInputs, PairParams
from engine.stages.preference.prefer import PREFER, PreferInputs, PreferParams, tuning_of
from engine.stages.task_view import PromptedTask
from engine.stages.train import (
    TRAIN,
    TrainInputs,
    TrainParams,
    before_preferences,
    without_generated,
    without_preferences,
)
from engine.statistics.two_way import two_way_mean
from tests.benchmarks.mixing import Ablation, DataSet, arm_of, end_line, records

PLAIN = "supervised alone"
TUNED = "then preferences"


class Round(Ablation):
    """Trains and measures one data set's arms behind one round 0 of each seed."""

    def measure_arm(
        self, arm: Mapping[str, Any] | None, seed: int, extra: Sequence[Example]
    ) -> dict[str, Any]:
        """Return what came of an arm, None for the plain one: its numbers, and each test row's score."""
        recipe = self._data.project.loaded.recipe
        plain = without_preferences(recipe.train)
        before, seen = self._first(seed, without_generated(plain))
        earlier, loaded = (SelectedRows(tuple(extra)),), self._data.loaded
        if arm is None:
            node = self._at("plain", seed, plain, extra)
            trained = TRAIN.run(
                self._params(plain), TrainInputs(loaded, earlier), self._context(node)
            )
        else:
            settings = Train.model_validate(
                {**recipe.train.model_dump(), "objective": "dpo", "preference": dict(arm)}
            )
            trained = self._tuned(settings, seed, extra, before, seen)
        _, scored = self._measured(trained, self._at("measure", seed, plain, extra))
        metric = recipe.loop.stop.metric
        tuning = None if arm is None else tuning_of(trained)
        values = {
            s.example: s.value for s in scored.scores if (s.split, s.metric) == ("test", metric)
        }
        self._forget(trained)
        return {
            "metric": metric, "generated": len(extra), "steps": trained.model.steps,
            "seconds": trained.model.seconds, "pairs": tuning.pairs if tuning else 0,
            "pair_steps": tuning.steps if tuning else 0, "reason": tuning.reason if tuning else "",
            "pair_accuracy": tuning.accuracy if tuning else None,
            **{m.split: m.value for m in scored.metrics if m.metric == metric},
            "values": [values[row.id] for row in loaded.split("test")],
        }  # fmt: skip

    @cache  # noqa: B019 - one object a command
    def _first(self, seed: int, settings: Train) -> tuple[Trained, Predicted]:
        """Return round 0 and what it says."""
        node = self._at("first", seed, settings, ())
        trained = TRAIN.run(
            self._params(settings), TrainInputs(self._data.loaded), self._context(node)
        )
        return trained, self._measured(trained, node)[0]

    def _tuned(
        self, settings: Train, seed: int, extra: Sequence[Example], before: Trained, seen: Predicted
    ) -> Trained:
        loaded, earlier = self._data.loaded, (SelectedRows(tuple(extra)),)
        first = before_preferences(settings)
        part = TRAIN.run(
            self._params(first), TrainInputs(loaded, earlier), self._context(self._at("part", seed, first, extra))
        )  # fmt: skip
        taught, asked = (
            self._params(settings),
            cast(PredictParams, self._nodes["untuned/predict"].params),
        )
        metric = comparing(taught.task.entry)
        if metric is None:
            raise ValueError(f"answers of {taught.task.kind} make no pairs")
        told: dict[str, Any] = {
            "task": taught.task,
            "prompt": taught.prompt,
            "shots": taught.shots,
            "train": settings,
        }
        found = PAIR.run(
            PairParams(
                **told, metric=metric,
                answering=PromptedTask(task=asked.task, prompt=asked.prompt, shots=asked.shots),
            ),
            PairInputs(load=loaded, earlier=earlier, train=part, before=before, predict=seen),
            self._context(self._at("pair", seed, settings, extra)),
        )  # fmt: skip
        return PREFER.run(
            PreferParams(**told, divide=taught.divide),
            PreferInputs(load=loaded, earlier=earlier, train=part, pair=found),
            self._context(self._at("prefer", seed, settings, extra)),
        )

    def _params(self, settings: Train) -> TrainParams:
        recipe = self._data.project.loaded.recipe
        params = self._nodes[f"seed-{recipe.seeds[0]}/round-0/train"].params
        return replace(cast(TrainParams, params), train=settings)

    def _measured(self, trained: Trained, node: Node) -> tuple[Predicted, Scored]:
        loaded, context = self._data.loaded, self._context(node)
        asked = cast(PredictParams, self._nodes["untuned/predict"].params)
        predicted = PREDICT.run(asked, PredictInputs(loaded, trained), context)
        wanted = cast(ScoreParams, self._nodes["untuned/score"].params)
        return predicted, SCORE.run(wanted, ScoreInputs(loaded, predicted), context)

    def _at(self, what: str, seed: int, settings: Train, extra: Sequence[Example]) -> Node:
        """Return a node of round 1 under an id of its own, by which a killed training is found again."""
        recipe = self._data.project.loaded.recipe
        node = self._nodes[f"seed-{recipe.seeds[0]}/round-0/train"]
        decides = [what, node.id, settings.model_dump(mode="json"), seed, [row.id for row in extra]]
        return replace(node, id=short(decides, 24), seed=seed, round=1)

    def _forget(self, trained: Trained) -> None:
        folder = (self._state / trained.model.path).parent
        shutil.rmtree(
            folder if folder.name != "models" else self._state / trained.model.path,
            ignore_errors=True,
        )


def run(
    sets: Sequence[DataSet],
    arms: Mapping[str, Mapping[str, Any] | None],
    seeds: Sequence[int],
    out: Path,
) -> None:
    """Train what is not in `out` yet, seed by seed, and append a line for each."""
    done = {record["key"] for record in records(out)}
    end_line(out)
    rounds = {data.name: Round(data, out.with_suffix("")) for data in sets}
    for seed in seeds:
        for data in sets:
            train = data.project.loaded.recipe.train.model_dump(mode="json")
            extra = data.rows(seed)
            ids = [row.id for row in (*data.loaded.examples, *extra)]
            for name, changes in arms.items():
                key = short([data.name, name, seed, train, changes, ids], 24)
                if key in done:
                    continue
                began = time.monotonic()
                found = rounds[data.name].measure_arm(changes, seed, extra)
                record = {"key": key, "set": data.name, "arm": name, "seed": seed, **found}
                with out.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(record) + "\n")
                print(
                    f"{data.name}, seed {seed}, {name}: {found['metric']} on test {found['test']:.4f},"
                    f" {found['pairs']} pairs ({time.monotonic() - began:.0f} s) {found['reason']}",
                    flush=True,
                )


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the arms as Markdown: means in percent, each seed's value in brackets, differences to the plain arm."""
    head = "| set | arm | seeds | rows added | steps | of these on pairs | pairs | validation | test | difference |"
    lines = [head, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for name in dict.fromkeys(record["set"] for record in found):
        here = [record for record in found if record["set"] == name]
        for arm in dict.fromkeys(record["arm"] for record in here):
            rows = sorted((r for r in here if r["arm"] == arm), key=lambda r: int(r["seed"]))
            cells = [name, arm, str(len(rows)), *_cells(rows), difference(here, arm)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for key in ("generated", "steps", "pair_steps", "pairs"):
        yield "/".join(dict.fromkeys(str(record[key]) for record in rows))
    for split in ("validation", "test"):
        values = [100 * record[split] for record in rows]
        yield f"{statistics.mean(values):.1f} ({' '.join(f'{value:.1f}' for value in values)})"


def difference(found: Sequence[Mapping[str, Any]], arm: str) -> str:
    """Return an arm's paired difference to the plain one, in points on test, with its 95 % interval."""
    scores = {(r["arm"], r["seed"]): r["values"] for r in found}
    seeds = sorted(seed for one, seed in scores if one == arm and (PLAIN, seed) in scores)
    if arm == PLAIN or not seeds:
        return ""
    pairs = [
        [100.0 * ((a or 0.0) - (b or 0.0)) for a, b in zip(scores[arm, s], scores[PLAIN, s], strict=True)]
        for s in seeds
    ]  # fmt: skip
    compared = two_way_mean(np.array(pairs))
    return f"{compared.difference:+.1f} ({compared.low:+.1f} to {compared.high:+.1f})"


def arms_of(texts: Sequence[str]) -> dict[str, Mapping[str, Any] | None]:
    """Return the arms: the plain one, preferences by default, then changes of them, as `beta=0.5,loss=ipo`."""
    changed = {f"{TUNED}, {name}": changes for name, changes in map(arm_of, texts)}
    return {PLAIN: None, TUNED: {}, **changed}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--set", nargs=3, action="append", metavar=("NAME", "RECIPE", "ROWS"), default=[]
    )
    parser.add_argument("--var", action="append", default=[], help="name=value, for all recipes")
    parser.add_argument("--arms", nargs="+", default=[], help="changes of train.preference")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("preference.jsonl"))
    parser.add_argument("--table", action="store_true", help="print the table and train nothing")
    given = parser.parse_args(arguments)
    if not given.table:
        folder = given.out.with_suffix("")
        sets = [
            DataSet.open(name, recipe, Path(rows), given.var, folder)
            for name, recipe, rows in given.set
        ]
        run(sets, arms_of(given.arms), given.seeds, given.out)
    print(table(records(given.out)))


if __name__ == "__main__":
    main()
