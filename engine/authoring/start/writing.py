"""The text of a new recipe: blocks in the order of docs/recipe.md, with comments for people who know their task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.authoring.start.settling import Settled
from engine.authoring.start.teachers import EMBEDDED, Teacher
from engine.authoring.start.yaml_text import Written, block, inline
from engine.tasks import TASKS

_WIDEST = 110
_TOKEN = 2
"""Characters of a token at least, in most languages."""
_LENGTHS = (1024, 2048, 4096, 8192)


@dataclass(frozen=True, slots=True)
class Draft:
    """A recipe before it is written."""

    name: str
    version: str
    description: str
    task: Settled
    splits: Mapping[str, Mapping[str, Any]]
    """Split -> what `data` says of it; also the pool's."""
    teacher: Teacher
    about: Sequence[str] = ()
    """What was read, a line each."""
    vars: Mapping[str, str] = field(default_factory=dict)
    drops: str = ""
    """What is wrong with the rows that are left out; empty where none are."""
    label_rows: Mapping[str, int] = field(default_factory=dict)
    trained: int = 0
    """Training rows, before other splits take some of them."""
    longest: int = 0
    """Characters of the longest row, with its answer."""
    recipe: str = "recipe.yaml"
    """As commands name it."""


def recipe_text(draft: Draft) -> str:
    """Return the recipe."""
    parts = (_head, _task, _data, _models, _metrics, _patterns, _augment, _quality, _train, _loop)
    return "\n".join(line for part in parts for line in part(draft)) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    yield f"# Written by `pada init` on what it saw in the data. Change what you know better, then: {draft.recipe}"
    yield "# Lines that begin with # are comments. docs/recipe.md has every key, with an example."
    yield from (f"#   {line}" for line in draft.about)
    yield "recipe: 1"
    yield f"name: {inline(draft.name)}"
    yield "# Yours to count up when you change the recipe."
    yield f"version: {inline(draft.version)}"
    yield f"description: {inline(draft.description)}"
    if draft.vars:
        yield "# The data lies outside of this project. Commands name its place: --var NAME=PLACE."
        yield f"vars: {inline(draft.vars)}"


def _task(draft: Draft) -> Iterator[str]:
    task = draft.task
    yield "# What the small model does. All kinds: pada list tasks"
    yield "task:"
    yield f"  kind: {task.kind}"
    yield "  # The columns that the model sees, and the column with the right answer."
    yield f"  input: {inline(task.input)}"
    if task.kind == "chat":
        yield "  # The last turn of each conversation is the right answer."
    yield f"  target: {inline(task.target)}"
    yield "  # What the model is told, a prompt of the engine; one of your own is a file prompts/NAME beside this one."
    yield f"  prompt: {TASKS[task.kind].prompt}"
    if task.params:
        yield from _mapping("params", task.params, 2)
    yield from _labels(draft)
    if task.fold:
        yield "  # These differ between spellings of one label, and make no difference: case, space, unicode."
        yield f"  fold_labels: {inline(task.fold)}"
    yield "  # What the rows are and what the answer means. The teacher knows no more than this: say it well."
    yield f"  description: {inline(draft.description)}"


def _labels(draft: Draft) -> Iterator[str]:
    task = draft.task
    if task.labels:
        yield "  # The labels. To say what each means, take out the dashes and write a sentence behind it,"
        yield "  # such as   refund: The money is to be paid back."
        yield "  labels:"
        for label in task.labels:
            rows = draft.label_rows.get(label, 0)
            yield f"    - {inline(label)}" + (
                f"  # {rows:,} row{'' if rows == 1 else 's'}" if rows else ""
            )
    elif task.label_count:
        yield f"  # The {task.label_count:,} labels are those of the training rows; `labels:` would list them."


def _mapping(key: str, value: Mapping[str, Any], indent: int) -> Iterator[str]:
    """Yield a mapping under a key, on one line where it fits."""
    margin = " " * indent
    line = f"{margin}{key}: {inline(value)}"
    if len(line) <= _WIDEST:
        yield line
    else:
        yield f"{margin}{key}:"
        yield from block(value, indent + 2)


def _data(draft: Draft) -> Iterator[str]:
    yield "# Where the rows come from. Training rows are learned from; on validation rows failures are looked for;"
    yield "# test rows are only scored, so that you can trust the number."
    yield "data:"
    for split in ("train", "validation", "test", "pool"):
        if split not in draft.splits:
            continue
        source = draft.splits[split]
        if split == "pool":
            yield "  # Further rows without answers: those that are most like the failures are taken from here."
        if "sample" in source:
            yield f"  # Some of {draft.trained:,} rows, so that a first run takes minutes; without `sample`, all."
        elif "split_from" in source and split == "validation":
            yield "  # Taken out of the training rows by chance; the seed makes it the same rows each time."
        yield from _mapping(split, source, 2)
    if draft.drops:
        yield f"  # {draft.drops}"
        yield "  on_bad_row: drop"


def _models(draft: Draft) -> Iterator[str]:
    embedded = inline(EMBEDDED)
    yield "models:"
    yield "  # The small model that is trained. This one runs on a laptop without a graphics card, and knows English."
    yield "  # Others: a model's name on Hugging Face, or its folder on this machine."
    yield f"  student: {embedded}"
    yield "  # The teacher says why answers are wrong, and can write new rows."
    if draft.teacher.writes:
        yield from _mapping("teacher", draft.teacher.spec, 2)
        yield "  # Without a judge of its own the teacher looks over its rows once more."
    else:
        yield "  # This one needs no key, costs nothing, and writes no rows worth training on. A large one gives more:"
        yield "  #   teacher:"
        yield "  #     {backend: openai, base_url: https://SERVER/v1, model: NAME, api_key: {env: VARIABLE_WITH_KEY}}"
        yield "  # Take `judge` out then, and change `operators` and `quality` below as it says there."
        yield f"  teacher: {embedded}"
        yield f"  judge: {embedded}"
    yield "  # Says how alike two texts are."
    yield "  embedder: {backend: sentence-transformers, model: embedded/all-minilm-l6-v2}"


def _metrics(draft: Draft) -> Iterator[str]:
    yield "# How answers are scored (pada list metrics), and from when on one counts as a failure."
    yield f"metrics: {inline(draft.task.metrics)}"
    yield f"failure: {inline(draft.task.failure)}"


def _patterns(draft: Draft) -> Iterator[str]:
    yield "# So many failures are looked at by the teacher, and put into groups of one cause."
    yield f"patterns: {{diagnose: {40 if draft.teacher.writes else 24}, cluster: {{max_k: 6}}}}"


def _augment(draft: Draft) -> Iterator[str]:
    rows = min(120, max(20, draft.trained // 2))
    yield "# How new rows come about (pada list operators)."
    yield "augment:"
    yield f"  rows_per_round: {rows}"
    written = ["paraphrase", "new_situation"]
    if draft.task.kind == "classification" and not draft.task.params.get("many"):
        written.append("contrast_pair")
        if "pool" in draft.splits:
            yield "  # Rows of the pool come first, with the labels of the training rows that are most like them."
            yield "  mine: {by: [pattern, diverse], label: neighbours}"
    if draft.teacher.writes:
        yield "  # Training rows in other words, new ones, and (with labels) ones just across a border."
        yield f"  operators: {_named(written)}"
    else:
        yield "  # Without a large model: typing errors in training rows, and rows that fail once more."
        yield f"  # With a large model as the teacher: operators: {_named(written)}"
        yield f"  operators: {_named(['typos', 'oversample'])}"


def _named(operators: Sequence[str]) -> str:
    return inline([{"name": name} for name in operators])


def _quality(draft: Draft) -> Iterator[str]:
    if draft.teacher.writes:
        return
    yield "# Rules and the embedder decide whether a new row is good; with a large teacher, take these lines out."
    yield "quality: {judge: off, attempts: 1}"


def _train(draft: Draft) -> Iterator[str]:
    yield "# Fine-tuning: `epochs` is how often each row is learned."
    needed = draft.longest // _TOKEN + 256
    length = next((each for each in _LENGTHS if needed <= each), _LENGTHS[-1])
    longer = f", max_length: {length}" if length > _LENGTHS[0] else ""
    yield f"train: {{method: lora, epochs: 4, batch_size: 4, learning_rate: 1e-3{longer}}}"


def _loop(draft: Draft) -> Iterator[str]:
    yield "# Rounds after the plain fine-tune. With `control: true` it is done twice, to tell chance from gain."
    control = "true" if draft.teacher.writes else "false"
    yield f"loop: {{rounds: 1, control: {control}, stop: {{metric: {draft.task.metrics[0]}}}}}"
    if draft.teacher.writes:
        yield "# A run stops before it asks the teacher more often than this, and goes on when the number is raised."
        yield "budget: {calls: 1000}"
    yield "# The number from which all chance follows; several (0, 1, 2) show how much of a result is chance."
    yield "seeds: [0]"


__all__ = ["Draft", "Written", "recipe_text"]
