"""An operator of each label rule on every task kind: a recipe is refused with a reason, or its run makes right rows.

All operators, on every kind that they serve, are in `tests/stages/augment/test_kinds.py` and `test_made.py`.

The student is measured as it is and fails; teacher and judge are scripted, or a person with files of requests. Each
cell is run with one way of judging, and one of them by file; `-m long` runs all of all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from engine.backends.files.requests import request_files
from engine.cli.batch import import_command
from engine.errors import RecipeError
from engine.operators import brings_target, find_operators, rows_per_seed
from engine.project import Project
from engine.run.execute import Outcome
from engine.tasks import TASKS
from tests.e2e.batch_project import MODEL, Person
from tests.e2e.runs import rows

pytestmark = pytest.mark.long

Mode = Literal["decides", "advises", "off"]
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
  gates: {{neighbours: off, similarity: off, near_duplicate: off}}
  leak_guard: {{ngram: 9, quantile: 1.0}}
train: {{method: none}}
loop: {{rounds: 1, control: false}}
"""
SCRIPTED = {
    "teacher": f"{{backend: scripted, model: {MODEL}, replies: replies.jsonl}}",
    "judge": f"{{backend: scripted, model: {MODEL}, replies: verdicts.jsonl}}",
}
BATCH = dict.fromkeys(SCRIPTED, f"{{backend: batch, model: {MODEL}, pack: small}}")
WORDS = ("plum", "fig", "pear", "quince", "cherry", "lemon", "apple", "peach", "grape", "melon")
COUNTS = {"train": 6, "validation": 6, "test": 2}


class Form(NamedTuple):
    """A task, its rows, and what a target looks like once it is stored."""

    task: str
    make: Callable[[int, str], Mapping[str, Any]]
    """(number, text) -> a row of the data; also of a reply, whose target is its own."""
    fits: Callable[[Mapping[str, str], str], bool]
    """Whether inputs and target of a stored row go together."""
    beside: Mapping[str, Any] = {}
    """Further columns of the data."""


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
    return {
        "text": f"{text}: {i} and {i % 3}",
        "y": f"{i} + {i % 3} = {i + i % 3}\n#### {i + i % 3}",
    }


def _words(i: int, text: str) -> dict[str, Any]:
    return {"text": text, "y": f"an answer of number {i % 3}"}


TOOLS = [
    {
        "name": "pick",
        "parameters": {
            "type": "object",
            "properties": {"fruit": {"type": "string"}, "count": {"type": "integer"}},
            "required": ["fruit"],
        },
    }
]


def _talk(i: int, text: str) -> dict[str, Any]:
    call: Any = [{"name": "pick", "arguments": {"fruit": WORDS[i % 10], "count": i % 3}}]
    before = [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "Yes?"}]
    messages = [*(before if i % 2 else []), {"role": "user", "content": text}]
    return {"text": messages, "y": f"an answer of number {i % 3}" if i % 2 else call}


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
    "numeric": Form("kind: numeric, input: [text], target: y", _sum, lambda row, y: "\n#### " in y),
    "generation": Form(
        "kind: generation, input: [text], target: y",
        _words,
        lambda row, y: y.startswith("an answer of number"),
    ),
    "chat": Form(
        "kind: chat, input: [text], target: y",
        _talk,
        lambda row, y: "\n[user] " in row["text"] and y.startswith(("[call] ", "an answer")),
        {"tools": TOOLS},
    ),
}
REFUSED = {
    ("contrast_pair", name): f"needs labels, which tasks of the kind '{name}' do not have"
    for name, kind in TASKS.items()
    if not kind.labelled
}
"""(operator, form) -> why `pada validate` refuses it."""
OPERATORS = ("contrast_pair", "new_situation", "paraphrase")
CELLS = [(operator, form) for operator in OPERATORS for form in FORMS]
SERVED = [cell for cell in CELLS if cell not in REFUSED]
MODES: tuple[Mode, ...] = ("decides", "advises", "off")
DIAGONAL = [(*cell, MODES[(i + i // len(MODES)) % len(MODES)]) for i, cell in enumerate(SERVED)]
BY_FILE = ("new_situation", "classification-many")


def ids(cells: Iterable[tuple[str, ...]]) -> list[str]:
    return ["-".join(cell) for cell in cells]


def test_the_matrix_has_every_task_kind_and_the_diagonal_every_way_of_judging() -> None:
    assert {form.split("-")[0] for form in FORMS} == set(TASKS)
    for operator in OPERATORS:
        judged = {mode for name, _, mode in DIAGONAL if name == operator}
        assert len(judged) >= 2, operator
    assert {mode for *_, mode in DIAGONAL} == set(MODES)


def write(folder: Path, operator: str, form: Form, mode: Mode, models: Mapping[str, str]) -> Path:
    """Write the project and what its teacher and judge say; return the recipe."""
    folder.mkdir(exist_ok=True)
    numbers = iter(range(sum(COUNTS.values())))
    parts = {
        split: [form.make(i, _text(i)) for i in islice(numbers, count)]
        for split, count in COUNTS.items()
    }
    for split, part in parts.items():
        _write_lines(folder / f"{split}.jsonl", [{**row, **form.beside} for row in part])
    _write_lines(folder / "replies.jsonl", _replies(operator, form, parts["train"]))
    scores = {"adherence": 5, "utility": 5, "relevance": 5, "feedback": ""}
    _write_lines(folder / "verdicts.jsonl", [{"regex": ".", "reply": scores}])
    recipe = folder / "recipe.yaml"
    text = RECIPE.format(task=form.task, operator=operator, mode=mode, **models)
    recipe.write_text(text, "utf-8")
    return recipe


def _replies(
    operator: str, form: Form, train: list[Mapping[str, Any]]
) -> list[Mapping[str, object]]:
    """Return what the teacher writes: as many rows as the operator asks for in one call; nothing for several."""
    if operator not in OPERATORS:
        return []
    entry = find_operators(None)[operator]
    params = entry.params()
    count = rows_per_seed(entry, params)
    if operator == "paraphrase":
        # A rewording follows its seed row, which stands in the last turn.
        return [
            {"match": _text(i), "reply": {"rows": [_inputs(new) for new in reworded]}}
            for i in range(len(train))
            for reworded in [[form.make(i, f"now {n} {_text(i)}") for n in range(count)]]
        ]
    new = [form.make(50 + i, f"new {_text(50 + i)}") for i in range(count)]
    kind = form.task.removeprefix("kind: ").split(",")[0]
    brings = brings_target(entry, labelled=TASKS[kind].labelled)
    written = [{**_inputs(row), **({"target": row["y"]} if brings else {})} for row in new]
    return [{"regex": "about something else:|in the same setting:", "reply": {"rows": written}}]


def _text(i: int) -> str:
    return f"{WORDS[i % 10]} {WORDS[(3 * i + 1) % 10]} {WORDS[i // 10]} number {i}"


def _inputs(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column != "y"}


def _write_lines(file: Path, lines: Iterable[Mapping[str, object]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def assert_rows(state: Path, run: str, operator: str, form: Form, mode: Mode) -> None:
    """Every candidate has a verdict, and rows of the right form joined the training set."""
    nodes = f"(SELECT node FROM run_node WHERE run = '{run}')"
    candidates = rows(
        state, f"SELECT id, operator, inputs, target FROM candidate WHERE node IN {nodes}"
    )
    assert candidates
    assert {c["operator"] for c in candidates} == {operator}
    verdicts = rows(
        state, f"SELECT candidate, adherence, reason, detail FROM verdict WHERE node IN {nodes}"
    )
    assert sorted(v["candidate"] for v in verdicts) == sorted(c["id"] for c in candidates)
    selected = {
        row["candidate"]
        for row in rows(state, f"SELECT candidate FROM selected WHERE node IN {nodes}")
    }
    assert selected, verdicts
    for candidate in candidates:
        if candidate["id"] in selected:
            assert form.fits(_columns(candidate["inputs"]), candidate["target"]), candidate
    assert (mode != "off") == any(v["adherence"] is not None for v in verdicts)


def _columns(value: Any) -> Mapping[str, str]:
    columns: Mapping[str, str] = json.loads(value) if isinstance(value, str) else value
    return columns


def check(folder: Path, operator: str, form: str, mode: Mode) -> None:
    recipe = write(folder, operator, FORMS[form], mode, SCRIPTED)
    outcome = Project.open(recipe, folder / "state").run()
    assert outcome.status == "done"
    assert_rows(folder / "state", outcome.run, operator, FORMS[form], mode)


def check_by_file(folder: Path, operator: str, form: str) -> None:
    recipe = write(folder, operator, FORMS[form], "decides", BATCH)
    state, person = folder / "state", Person(folder)
    outcome, trips = _run(recipe, state), 0
    while outcome.status == "waiting":
        file = request_files(state)[trips]
        answers = person.answer(file, folder / "answers.jsonl")
        import_command(answers, state)
        outcome, trips = _run(recipe, state), trips + 1
    assert outcome.status == "done"
    # What failed, its pattern and strategy, the rows and the verdicts on them.
    assert trips == 5
    assert_rows(state, outcome.run, operator, FORMS[form], "decides")


def _run(recipe: Path, state: Path) -> Outcome:
    return Project.open(recipe, state).run()


@pytest.mark.parametrize(("operator", "form"), REFUSED, ids=ids(REFUSED))
def test_an_operator_that_a_task_kind_cannot_use_is_refused(
    operator: str, form: str, tmp_path: Path
) -> None:
    recipe = write(tmp_path, operator, FORMS[form], "decides", SCRIPTED)
    with pytest.raises(RecipeError) as caught:
        Project.open(recipe, tmp_path / "state").validate()
    said = str(caught.value)
    assert f"recipe.yaml:14:49: error: the operator '{operator}' {REFUSED[operator, form]}" in said
    assert "    use new_situation, entity_swap or evolve; `pada list operators` has all" in said


@pytest.mark.parametrize(("operator", "form", "mode"), DIAGONAL, ids=ids(DIAGONAL))
def test_what_is_valid_runs(operator: str, form: str, mode: Mode, tmp_path: Path) -> None:
    check(tmp_path, operator, form, mode)


def test_a_run_whose_rows_no_model_writes_asks_nobody_for_them(tmp_path: Path) -> None:
    operators = "typos, share: 2}, {name: oversample"
    recipe = write(tmp_path, operators, FORMS["classification"], "off", SCRIPTED)
    outcome = Project.open(recipe, tmp_path / "state").run()
    assert outcome.status == "done"
    state = tmp_path / "state"
    asked = "SELECT count(*) AS n FROM llm_call c JOIN node n ON n.id = c.node WHERE n.stage = 'generate'"
    assert rows(state, asked) == [{"n": 0}]
    made = rows(
        state,
        "SELECT c.operator, c.model, c.inputs ->> 'text' AS text, p.inputs ->> 'text' AS seed,"
        " c.target = p.target AS kept"
        " FROM candidate c JOIN selected s ON s.candidate = c.id"
        " JOIN example p ON p.id = c.parent AND p.split = 'train' AND p.source <> 'generated'",
    )
    assert {row["operator"] for row in made} == {"typos", "oversample"}
    assert all(row["kept"] and row["model"].startswith("row function ") for row in made)
    assert all((row["text"] == row["seed"]) == (row["operator"] == "oversample") for row in made)


def test_a_quota_that_no_operator_can_meet_is_told_and_ends_no_run(tmp_path: Path) -> None:
    recipe = write(tmp_path, "oversample", FORMS["classification"], "off", SCRIPTED)
    text = recipe.read_text("utf-8").replace("rows_per_round: 4", "rows_per_round: 400")
    recipe.write_text(text, "utf-8")
    state = tmp_path / "state"
    assert Project.open(recipe, state).run().status == "done"
    (decision,) = rows(
        state,
        "SELECT reason FROM decision d JOIN node n ON n.id = d.node WHERE n.stage = 'select'",
    )
    assert re.search(
        r"^\d of 400 rows wanted join the training set; \d+ missing", decision["reason"]
    )


def test_what_is_valid_runs_by_file(tmp_path: Path) -> None:
    check_by_file(tmp_path, *BY_FILE)


@pytest.mark.long
@pytest.mark.parametrize(("operator", "form"), SERVED, ids=ids(SERVED))
def test_what_is_valid_runs_however_it_is_judged(operator: str, form: str, tmp_path: Path) -> None:
    for mode in MODES:
        # In one store: what does not depend on the judge is taken over.
        check(tmp_path, operator, form, mode)
    (tmp_path / "by-file").mkdir()
    check_by_file(tmp_path / "by-file", operator, form)
