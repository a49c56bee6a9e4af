"""Every task kind with every operator and pack: what is asked for comes back as a row of its kind."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from engine.backends.protocol import Request
from engine.backends.structured import read_reply
from engine.operators import brings_target, find_operators, samples_per_call
from engine.rows import Example
from engine.stages.augment.generate import GENERATE, GenerateInputs
from engine.stages.outputs import Drafted, Loaded, NamedPatterns, Predicted, Scored
from engine.stages.task_view import TaskView
from engine.tasks import TASKS
from tests.stages.augment.test_generate import PATTERN, STRATEGY, asked_items, params, used
from tests.stages.scripted_context import ScriptedContext
from tests.stages.views import view

OPERATORS = {one.name: one for one in find_operators(None).values() if one.make is None}
PACKS = {"small": (1, 3), "standard": (4, 4), "frontier": (10, 6)}
SLOTS = {
    "type": "object",
    "properties": {"day": {"type": "string", "maxLength": 20}, "people": {"type": "integer"}},
    "additionalProperties": False,
}


class Kind(NamedTuple):
    """A task kind, rows of it, and a target as a teacher writes it."""

    settings: Mapping[str, Any]
    rows: list[tuple[dict[str, str], Any]]
    written: Any
    """None where targets are labels."""
    rationale: bool = False
    kind: str = ""


TOOLS = "[tools] " + json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "book",
                "parameters": {
                    "type": "object",
                    "properties": {"people": {"type": "integer"}},
                    "required": ["people"],
                },
            },
        }
    ]
)
TEXTS = [f"table {i} at {i} o'clock on Monday" for i in range(1, 7)]
KINDS = {
    "classification": Kind({}, [({"text": t}, "abc"[i % 3]) for i, t in enumerate(TEXTS)], None),
    "classification-many": Kind(
        {"many": True}, [({"text": t}, [["a", "b"], ["c"]][i % 2]) for i, t in enumerate(TEXTS)], None,
        kind="classification",
    ),
    "multiple_choice": Kind(
        {}, [({"text": f"{t}\nA. one\nB. two"}, "AB"[i % 2]) for i, t in enumerate(TEXTS)], "B", True
    ),
    "extraction": Kind({"context": "text"}, [({"text": t}, "Monday") for t in TEXTS], "Monday", True),
    "structured": Kind(
        {"json_schema": SLOTS}, [({"text": t}, {"day": "Monday", "people": i}) for i, t in enumerate(TEXTS)],
        {"people": 2, "day": "Monday"}, True,
    ),
    "numeric": Kind(
        {}, [({"text": t}, f"{i} + 1 = {i + 1}\n#### {i + 1}") for i, t in enumerate(TEXTS)], "1 + 1 = 2\n#### 2"
    ),
    "generation": Kind({}, [({"text": t}, f"Answer {i}.") for i, t in enumerate(TEXTS)], "Certainly."),
    "chat": Kind(
        {},
        [
            ({"text": f"{TOOLS}\n[user] {t}"}, [{"name": "book", "arguments": {"people": i}}] if i % 2 else f"Yes {i}.")
            for i, t in enumerate(TEXTS)
        ],
        [{"name": "book", "arguments": {"people": 2}}],
    ),
}  # fmt: skip


def loaded(name: str) -> tuple[TaskView, list[Example]]:
    form = KINDS[name]
    task = view(form.kind or name, target="y", **form.settings)
    train = []
    for i, (inputs, value) in enumerate(form.rows):
        reference = task.entry.reference(inputs, value, task.settings)
        train.append(
            Example(f"e{i}", "train", inputs, reference.target, {}, "f", i, reference.references)
        )
    return task, train


CELLS = [
    (one.name, name, pack)
    for one in OPERATORS.values()
    for name in KINDS
    for pack in PACKS
    # The prompts of standard and frontier teachers are the same.
    if name.split("-")[0] in one.kinds and (pack != "standard" or one.name == "new_situation")
]


def test_every_task_kind_is_there_and_what_an_operator_does_not_serve_has_a_reason() -> None:
    assert {name.split("-")[0] for name in KINDS} == set(TASKS)
    for one in OPERATORS.values():
        assert one.definition.tasks == "any" or one.kinds < set(TASKS)


@pytest.mark.parametrize(("operator", "name", "pack"), CELLS, ids=map("-".join, CELLS))
def test_rows_come_back_as_they_were_asked_for(name: str, operator: str, pack: str) -> None:
    task, train = loaded(name)
    entry = OPERATORS[operator]
    whole = entry.definition.writes == "row"
    form = KINDS[name]
    targets = sorted({e.target for e in train})
    pair = {"right": targets[0], "wrong": targets[-1], "share": 1.0}
    strategy = replace(STRATEGY, pairs=(pair,) if task.labelled else ())
    rows, seeds = PACKS[pack]
    # No row is changed into one of a label for which nothing was mistaken.
    covered = 1 if entry.covers else 0
    settings = params(
        used(operator, pack), task=task, rows_per_round=5, coverage=covered / 5, rows_per_call=rows, seeds_shown=seeds
    )  # fmt: skip
    given = GenerateInputs(
        Loaded(tuple(train)), Predicted(), Scored(), None, NamedPatterns((PATTERN,)), Drafted((strategy,))
    )  # fmt: skip
    brings = brings_target(entry, labelled=task.labelled)

    def reply(_: str, request: Request) -> Any:
        schema = request.schema
        assert schema is not None
        item = schema["properties"]["rows"]["items"]["properties"]
        wanted = {"id", "plan"} if pack != "small" else set()
        wanted |= {"target"} if brings else set()
        wanted |= {"text"} if whole else set()
        wanted |= set(entry.reply["properties"]["rows"]["items"].get("properties", ()))
        if pack != "small" and (operator == "contrast_pair" or (brings and form.rationale)):
            wanted |= {"rationale"}
        assert set(item) == wanted
        assert list(item)[-1] == (
            "target" if brings else "rationale" if "rationale" in item else "text"
        )
        written = {
            "id": "",
            "plan": "p",
            **task.entry.inputs_as_written(train[0].inputs),
            "rationale": "r",
            "target": form.written if not task.labelled else form.rows[0][1],
            "translation": "t",
        }
        names = list(asked_items(request)) or ["r1"]
        value = {"rows": [{k: n if k == "id" else written[k] for k in item} for n in names]}
        assert read_reply(json.dumps(value), schema).error is None
        if brings and isinstance(form.written, dict):
            # Seeds show an object, not a text with quotes in it.
            assert '\\"' not in "".join(m.content for m in request.messages)
        return value

    ctx = ScriptedContext(reply, attempt=1, pack=pack)
    output = GENERATE.run(settings, given, ctx)
    assert len(output.candidates) == 5
    assert not output.drops
    for candidate in output.candidates:
        assert (
            TASKS[task.kind].malformed(candidate.inputs, candidate.target, task.task(train)) is None
        )
        assert candidate.seeds
        assert candidate.parent in {e.id for e in train}
    votes = samples_per_call(entry, entry.params())
    assert len(ctx.asked) == votes * (math.ceil((5 - covered) / rows) + covered)


def test_right_options_stand_at_every_letter() -> None:
    task, train = loaded("multiple_choice")
    settings = params(used(), task=task, rows_per_round=6)
    given = GenerateInputs(Loaded(tuple(train)), Predicted(), Scored(), None, None, None)
    ctx = ScriptedContext(lambda role, request: None, attempt=1)
    GENERATE.run(settings, given, ctx)
    (request,) = ctx.asked
    lines = asked_items(request).values()
    assert sum("letter of the right option: A" in line for line in lines) == 3
    assert sum("letter of the right option: B" in line for line in lines) == 3


@pytest.mark.parametrize("operator", ["new_situation", "paraphrase"])
@pytest.mark.parametrize("name", KINDS)
def test_a_prompt_says_nothing_that_is_of_another_kind(name: str, operator: str) -> None:
    task, train = loaded(name)
    settings = params(used(operator), task=task, rows_per_round=6, rows_per_call=6)
    given = GenerateInputs(Loaded(tuple(train)), Predicted(), Scored(), None, None, None)
    ctx = ScriptedContext(lambda role, request: None, attempt=1, pack="frontier")
    GENERATE.run(settings, given, ctx)
    asked = ctx.prompts[0].split("Form of the right answer")[1]
    assert ("wrong options" in asked) == (name == "multiple_choice" and operator == "new_situation")
    assert ("label" in asked) == task.labelled
    own = KINDS[name].rationale and operator == "new_situation"
    assert ("a rationale" in asked) == own
    # Of a span or an object the answer stands in the row.
    hints = operator == "new_situation" and (
        task.labelled or name in ("multiple_choice", "numeric")
    )
    assert ("hints at its answer" in asked) == hints
