"""The card of a model: what it does, its scores with intervals, what they cannot say, how to ask it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from engine.export.cards import card, fenced
from engine.export.licences import front_licence, licences
from engine.export.model.students import ExportedStudent
from engine.export.model.task_file import FORMS, NEEDS, Form, example_of, notes_on
from engine.export.model.weights import Base
from engine.export.run import FinishedRun
from engine.report.facts import collect
from engine.report.formatting import count, measured, round_name
from engine.report.markdown import escaped, table
from engine.report.records import MINE, Report
from engine.report.suggestions import caveats
from engine.report.tables import score_table
from engine.report.tables.table import Table, titled
from engine.tasks import TASKS

_TUNED = (
    MINE + "SELECT steps, pairs, loss, beta FROM preference_tuning SEMI JOIN mine USING (node, run)"
    " WHERE tuned AND seed = ? AND round = ?"
)
_UNSTATED = (
    "The licence of this model as a whole is not stated (`pada export model --licence` states it);"
    " what is known of its parts:"
)
_SPLITS = ("test", "validation", "train")


def model_card(
    run: FinishedRun,
    student: ExportedStudent,
    base: Base,
    task: Mapping[str, Any],
    form: Form,
    licence: str | None,
) -> str:
    """Return the card, Markdown with the front matter that the Hub reads."""
    report = collect(run.query, run.id, sample=0)
    front = {
        **front_licence(licence),
        **({"base_model": origin} if (origin := base.on_hub or base.made_from) else {}),
        "library_name": {"adapter": "peft", "gguf": "gguf"}.get(form, "transformers"),
        "tags": ["pada-engine", str(run.task.kind)],
    }
    return card(
        front,
        f"# {escaped(run.name)}: the student of {round_name(student.round)}, seed {student.seed}",
        escaped(str(run.recipe.get("description", ""))),
        f"A fine-tune of {escaped(base.name)} made by PaDA Engine (run {run.id}, {run.ended}). This folder holds"
        f" {FORMS[form]}.",
        *_doing(run, task),
        *_using(task, form, base),
        *_scores(report, student),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(run, report, task, form)),
        "## Training",
        _training(run, student, report),
        "## Licences",
        "" if licence else _UNSTATED,
        licences(run, licence, base=True, written=_added(run, student) > 0),
        "## Recipe",
        fenced(run.source, "yaml"),
    )


def _doing(run: FinishedRun, task: Mapping[str, Any]) -> Iterator[str]:
    yield "## What it does"
    yield f"{TASKS[run.task.kind].sentence} {escaped(run.task.description)}".strip()
    yield f"Reads {', '.join(f'`{column}`' for column in task['columns'])}, answers with `{run.task.target}`."
    if task["labels"]:
        yield f"Labels: {', '.join(f'`{label}`' for label in task['labels'])}."
    yield f"The prompt of training and evaluation (`{task['prompt']['name']}`, SHA-256 {task['prompt']['sha256']}):"
    yield fenced("\n".join(f"[[{t['role']}]]\n{t['template']}" for t in task["turns"]))
    if run.train.prompt:
        yield f"In training alone another prompt was used: `{escaped(run.train.prompt)}`."


def _using(task: Mapping[str, Any], form: Form, base: Base) -> Iterator[str]:
    yield "## How to use it"
    install = f"python -m pip install {' '.join(NEEDS[form])}"
    asked = f"python use.py {shlex.quote(example_of(task))}"
    of_a_file = "python use.py --in new.csv --out answers.csv  # all rows of a file, or .jsonl"
    yield f"`use.py` asks it as the run did:\n\n```sh\n{install}\n{asked}\n{of_a_file}\n```"
    if form == "adapter" and not base.on_hub:
        yield (
            "The base model is a folder of the machine that exported this: elsewhere write a copy's place after `BASE`"
            " in `use.py`, and as `base_model_name_or_path` in `adapter_config.json`."
        )
        if base.made_from:
            yield (
                f"Its weights are those of {base.made_from}, rounded for the package index: on the Hub's own, answers"
                " differ a little."
            )
    if form != "adapter":
        yield "With Ollama: `ollama create NAME -f Modelfile`, then `ollama run NAME`."
    yield from notes_on(task, form)


def _scores(report: Report, student: ExportedStudent) -> Iterator[str]:
    scores = report.scores
    yield "## Scores"
    rows = []
    for metric in scores.metrics:
        cells = [scores.at(metric, split, student.round, student.seed) for split in _SPLITS]
        shown = [
            f"{measured(cell, metric in scores.percent)}, n = {count(cell.n)}" if cell else "–"
            for cell in cells
        ]
        rows.append((metric, *shown))
    yield table(
        Table("This student, with 95% intervals", titled("metric", *_SPLITS, numbers=_SPLITS), tuple(rows))
    )  # fmt: skip
    yield escaped(report.headline.sentence)
    if scores.rounds:
        yield table(score_table(report, scores.primary))


def _limits(run: FinishedRun, report: Report, task: Mapping[str, Any], form: Form) -> Iterator[str]:
    yield from caveats(report)
    if task["labels"]:
        yield f"It knows {len(task['labels'])} labels, and gives one of them to whatever it is asked."
    yield "It was trained on rows like those of the recipe: what differs from them was not measured."
    if run.status == "running":
        yield "The run had not ended when this was exported: later rounds may be missing."
    elif run.status != "done":
        yield f"The run ended as {run.status}: later rounds may be missing."


def _training(run: FinishedRun, student: ExportedStudent, report: Report) -> str:
    more, train = _added(run, student), run.train
    lines = [
        f"- {count(student.rows)} rows: {count(student.rows - more)} of the data, {count(more)} added by earlier rounds"
        " (`pada export data` writes them)",
        f"- {count(student.steps)} optimizer steps, method {train.method}, batches of {train.batch_size},"
        f" learning rate {train.learning_rate:g}, seed {student.seed}",
    ]
    lines += _tuned(run, student)
    if train.method in ("lora", "qlora"):
        lines.append(f"- LoRA rank {train.r}, scale {train.alpha or 2 * train.r}")
    models = [f"{m.role} {m.name}" for m in report.header.models]
    lines.append(f"- {escaped(', '.join(models))}")
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    lines.append(f"- {escaped(versions)}")
    return "\n".join(lines)


def _tuned(run: FinishedRun, student: ExportedStudent) -> list[str]:
    """Return what pairs of answers the student was tuned with; nothing where it was not."""
    found = run.query(_TUNED, [run.id, student.seed, student.round])
    return [
        f"- of these steps, {count(t['steps'])} were on {count(t['pairs'])} pairs of a right and a wrong answer"
        f" (DPO, loss {t['loss']}, beta {t['beta']:g})"
        for t in found
    ]


def _added(run: FinishedRun, student: ExportedStudent) -> int:
    """Return how many of the rows that it was trained on earlier rounds added."""
    (found,) = run.query(
        "SELECT count(*) AS n FROM all_training_rows WHERE run = ? AND seed = ? AND round = ? AND origin <> 'original'",
        [run.id, student.seed, student.round],
    )
    return int(found["n"])
