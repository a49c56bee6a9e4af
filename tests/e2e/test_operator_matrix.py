"""Every operator on every task kind: `pada validate` refuses it with a reason, or the run makes rows of the right form.

The student is measured as it is and fails; teacher and judge are scripted, or a person with a file of requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.operators import find_operators
from engine.tasks import TASKS
from tests.e2e.batch_project import MODEL, Pada, Person, pada
from tests.e2e.runs import rows

__all__ = ["pada"]

RECIPE = """\
recipe: 1
name: matrix
task: {{{task}}}
data:
  train: {{path: train.jsonl}}
  validation: {{path: validation.jsonl}}
  test: {{path: test.jsonl}}
models:
  student: {{backend: scripted, model: student}}
  teacher: {teacher}
  judge: {judge}
  embedder: {{backend: scripted, model: embedder}}
patterns: {{diagnose: 4, cluster: {{max_k: 2}}}}
augment: {{rows_per_round: 4, operators: [{{name: {operator}}}]}}
quality:
  judge: {mode}
  attempts: 1
  neighbours: 0
  similarity: {{low: -1, high: 1}}
  dedup: {{threshold: 1}}
  leak_guard: {{ngram: 9, quantile: 1.0}}
train: {{method: none}}
loop: {{rounds: 1}}
"""
SCRIPTED = {
    "teacher": f"{{backend: scripted, model: {MODEL}, replies: replies.jsonl}}",
    "judge": f"{{backend: scripted, model: {MODEL}, replies: verdicts.jsonl}}",
}
BATCH = dict.fromkeys(SCRIPTED, f"{{backend: batch, model: {MODEL}}}")
WORDS = ("plum", "fig", "pear", "quince", "cherry", "lemon", "apple", "peach", "grape", "melon")
COUNTS = {"train": 6, "validation": 6, "test": 2}


class Form(NamedTuple):
    """A task, its rows, and what a target looks like once it is stored."""

    task: str
    make: Callable[[int, str], Mapping[str, Any]]
    """(number, text) -> a row of the data; also of a reply, whose target is its own."""
    fits: Callable[[Mapping[str, str], str], bool]
    """Whether inputs and target of a stored row go together."""


def _labelled(i: int, text: str) -> dict[str, Any]:
    return {"text": text, "y": "abc"[i % 3]}


def _several(i: int, text: str) -> dict[str, Any]:
    return {"text": text, "y": ["ab", "b", "c"][i % 3 :][:2]}


def _choice(i: int, text: str) -> dict[str, Any]:
    return {"text": text, "options": f"A. {text} one\nB. {text} two\nC. none", "y": "ABC"[i % 3]}


def _span(i: int, text: str) -> dict[str, Any]:
    return {"text": f"{text} at {i} o'clock, gate {i % 3}", "y": f"gate {i % 3}"}


def _slots(i: int, text: str) -> dict[str, Any]:
    return {"text": text, "y": {"fruit": WORDS[i % 10], "count": i % 3}}


def _sum(i: int, text: str) -> dict[str, Any]:
    return {"text": f"{text}: {i} and {i % 3}", "y": f"{i} + {i % 3} = {i + i % 3}\n#### {i + i % 3}"}


def _words(i: int, text: str) -> dict[str, Any]:
    return {"text": text, "y": f"an answer of number {i % 3}"}


SCHEMA = (
    "{type: object, properties: {fruit: {type: string, maxLength: 20}, count: {type: integer}}, "
    "additionalProperties: false}"
)
LABEL_LISTS = {'["ab", "b"]', '["b", "c"]', '["c"]'}
FORMS = {
    "classification": Form(
        "kind: classification, input: [text], target: y", _labelled, lambda row, y: y in "abc"
    ),
    "classification-many": Form(
        "kind: classification, input: [text], target: y, params: {many: true}",
        _several,
        lambda row, y: y in LABEL_LISTS,
    ),
    "multiple_choice": Form(
        "kind: multiple_choice, input: [text, options], target: y, params: {options: options}",
        _choice,
        lambda row, y: y in "ABC" and row["options"].startswith("A. "),
    ),
    "extraction": Form(
        "kind: extraction, input: [text], target: y, params: {context: text}",
        _span,
        lambda row, y: y.startswith("gate ") and y in row["text"],
    ),
    "structured": Form(
        f"kind: structured, input: [text], target: y, params: {{json_schema: {SCHEMA}}}",
        _slots,
        lambda row, y: set(json.loads(y)) == {"fruit", "count"},
    ),
    "numeric": Form(
        "kind: numeric, input: [text], target: y", _sum, lambda row, y: "\n#### " in y
    ),
    "generation": Form(
        "kind: generation, input: [text], target: y",
        _words,
        lambda row, y: y.startswith("an answer of number"),
    ),
}
REFUSED = {
    ("counterfactual", name): f"needs labels, which the kind '{name}' has not"
    for name, kind in TASKS.items()
    if not kind.labelled
}
"""(operator, form) -> why `pada validate` refuses it."""
CELLS = [(operator, form) for operator in find_operators(None) for form in FORMS]
MODES = ("decides", "advises", "off")


def test_the_matrix_has_every_task_kind() -> None:
    assert {form.split("-")[0] for form in FORMS} == set(TASKS)


def write(folder: Path, operator: str, form: Form, mode: str, models: Mapping[str, str]) -> Path:
    """Write the project and what its teacher and judge say; return the recipe."""
    folder.mkdir(exist_ok=True)
    number = 0
    train: list[Mapping[str, Any]] = []
    for split, count in COUNTS.items():
        part = [form.make(i, _text(i)) for i in range(number, number + count)]
        number += count
        train = train or part
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in part), "utf-8")
    brings = find_operators(None)[operator].label == "written"
    replies = []
    if operator == "paraphrase":
        # A rewording follows its seed row, which stands in the last turn.
        for i, row in enumerate(train):
            new = [_inputs(form.make(i, f"reworded {n} {_text(i)}")) for n in "xyz"]
            replies.append({"match": row["text"], "reply": {"rows": new}})
    counts = range(1 if brings else 2)
    new = [form.make(50 + i, f"new {_text(50 + i)}") for i in counts]
    written = [{**_inputs(r), **({"target": r["y"]} if brings else {})} for r in new]
    replies.append({"match": "like the last one", "reply": {"rows": written}})
    (folder / "replies.jsonl").write_text("".join(json.dumps(r) + "\n" for r in replies), "utf-8")
    scores = {"adherence": 5, "utility": 5, "relevance": 5, "feedback": ""}
    verdict = json.dumps({"regex": ".", "reply": scores})
    (folder / "verdicts.jsonl").write_text(verdict + "\n", "utf-8")
    recipe = folder / "recipe.yaml"
    text = RECIPE.format(task=form.task, operator=operator, mode=mode, **models)
    recipe.write_text(text, "utf-8")
    return recipe


def _text(i: int) -> str:
    return f"{WORDS[i % 10]} {WORDS[(3 * i + 1) % 10]} {WORDS[i // 10]} number {i}"


def _inputs(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column != "y"}


def assert_rows(state: Path, operator: str, form: Form, mode: str) -> None:
    """Every candidate has a verdict, and rows of the right form joined the training set."""
    candidates = rows(state, "SELECT id, operator, inputs, target FROM candidate")
    assert candidates
    assert {c["operator"] for c in candidates} == {operator}
    verdicts = rows(state, "SELECT candidate, accepted, adherence FROM verdict")
    assert sorted(v["candidate"] for v in verdicts) == sorted(c["id"] for c in candidates)
    selected = {r["candidate"] for r in rows(state, "SELECT candidate FROM selected")}
    assert selected
    for candidate in candidates:
        if candidate["id"] in selected:
            assert form.fits(_columns(candidate["inputs"]), candidate["target"]), candidate
    judged = [v for v in verdicts if v["accepted"] and v["adherence"] is not None]
    assert bool(judged) == (mode != "off")


def _columns(value: Any) -> Mapping[str, str]:
    columns: Mapping[str, str] = json.loads(value) if isinstance(value, str) else value
    return columns


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("operator", "form"), CELLS, ids=[f"{o}-{f}" for o, f in CELLS])
def test_an_operator_on_a_task_kind(
    operator: str, form: str, mode: str, tmp_path: Path, pada: Pada
) -> None:
    recipe = write(tmp_path, operator, FORMS[form], mode, SCRIPTED)
    state = tmp_path / "state"
    if (operator, form) in REFUSED:
        code, said = pada("validate", recipe)
        assert code == 2
        assert f"the operator '{operator}' {REFUSED[operator, form]}" in said
        assert "use paraphrase or similar" in said
        return
    code, said = pada("run", recipe, "--state", state, "--quiet")
    assert code == 0, said
    assert_rows(state, operator, FORMS[form], mode)
