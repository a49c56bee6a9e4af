"""Every registered operator, metric, task kind, backend and stage is whole: new entries get these tests for free."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from engine.backends import BACKENDS
from engine.backends.entry import Backend
from engine.backends.structured import read_reply, unbounded
from engine.metrics import METRICS, Answered, Metric, Scored
from engine.metrics.bootstrap import estimate
from engine.operators import find_operators, reply_schema
from engine.spec.package_data import shipped
from engine.spec.prompts import PromptLibrary
from engine.stages import STAGES, AnyStage, schemas
from engine.stages.task_view import PROMPT_VARIABLES
from engine.tasks import TASKS, Task, TaskKind
from tests.plan.fake_resources import reply_schema_of

LIBRARY = PromptLibrary(Path("."))


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_a_prompt_uses_only_what_its_stage_gives(stage: AnyStage) -> None:
    assert set(stage.asks) <= {"student", "teacher", "judge", "embedder"}
    assert stage.description.endswith(".")
    assert len(stage.description) <= 100, "one line of a plan's table"
    for name, variables in stage.prompts.items():
        for pack in ("small", "standard", "frontier"):
            assert LIBRARY.get(name, pack).variables <= variables


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_a_metric_gives_its_best_to_a_reference_against_itself(metric: Metric) -> None:
    params = metric.params()
    items = [
        Answered(reference, (reference, "another"), reference, 1.0, 0.0, 3)
        for reference in metric.targets
    ]
    values = [metric.score(item, params) for item in items]
    assert values == pytest.approx([metric.best] * len(items))
    found = estimate(metric, Scored(items, [v for v in values if v is not None]), params, 0)
    assert found is not None
    assert found.value == pytest.approx(metric.best)
    assert list(found.draws) == pytest.approx([metric.best] * len(found.draws))
    assert found.n == len(items)
    assert metric.share <= (0 <= metric.best <= 1)
    assert metric.right_or_wrong <= (metric.share and metric.best == 1)
    assert metric.description
    # An unreadable answer is never better, and shows whether a target can be scored at all.
    unread = metric.score(Answered(None, metric.targets[:1], "", 1.0, 5.0, 3), params)
    assert unread is not None
    assert (unread >= metric.best) if metric.lower_is_better else (unread <= metric.best)


OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
ROWS: dict[str, tuple[dict[str, Any], dict[str, str], str, str]] = {
    "classification": ({}, {"text": "x"}, "a", "z"),
    "multiple_choice": ({}, {"text": "A. x\nB. y"}, "A", "C"),
    "extraction": ({"context": "text"}, {"text": "a b c"}, "b", "z"),
    "structured": ({"json_schema": OBJECT}, {"text": "x"}, '{"a": 1}', '{"a": "1"}'),
    "numeric": ({}, {"text": "x"}, "1+1 = 2\n#### 2", "none"),
    "generation": ({}, {"text": "x"}, "words", " "),
    "chat": ({}, {"text": "[user] x"}, "words", " "),
}
"""Kind -> parameters, inputs, a target that is well-formed and one that is not."""


@pytest.mark.parametrize("kind", TASKS.values(), ids=lambda k: k.name)
def test_a_task_kind_has_a_prompt_and_refuses_what_is_no_row(kind: TaskKind) -> None:
    assert LIBRARY.get(kind.prompt).variables <= PROMPT_VARIABLES
    params, inputs, good, bad = ROWS[kind.name]
    task = Task(("a", "b"), kind.params.model_validate(params))
    assert kind.problems(task.params) == []
    assert kind.malformed(dict.fromkeys(inputs, "  "), good, task)
    assert kind.malformed(inputs, bad, task)
    assert kind.malformed(inputs, good, task) is None
    assert kind.reference(inputs, good, task.params).target == good
    assert (kind.params.__doc__ or "").strip()
    assert set(kind.column_params) <= kind.params.model_fields.keys()


OF_PEOPLE = {"recipe.schema.json", "method.schema.json", "pack.schema.json"}
"""Schemas of what people write, which may be of any length."""


@pytest.mark.parametrize(
    "schema",
    sorted(shipped("schemas").rglob("*.schema.json")),
    ids=lambda p: f"{p.parent.name}-{p.stem}",
)
def test_reply_schemas_are_bounded_and_have_a_token_limit(schema: Path) -> None:
    name = schema.name.removesuffix(".schema.json")
    if name in {"recipe", "operator", "method", "taxonomy", "pack", "project", "rows"}:
        # Not of replies; that of rows is made whole by an operator.
        assert json.loads(schema.read_text("utf-8"))["$schema"]
        return
    pack = schema.parent.name
    reply = reply_schema_of(name, pack)
    assert not unbounded(reply)
    assert 0 < schemas.token_limit(reply) < (2000 if pack == "small" else 200_000)


def test_a_closed_taxonomy_is_an_enum_in_the_pattern_schema() -> None:
    schema = schemas.pattern(reply_schema_of("pattern"), ["negation", "other"])
    assert schema["properties"]["category"] == {"enum": ["negation", "other"]}
    assert "category" in schema["required"]
    assert "category" not in schemas.pattern(reply_schema_of("pattern"), [])["properties"]


def required_settings(backend: Backend) -> dict[str, str]:
    """Return what cannot be left out: addresses, so far."""
    fields = backend.settings.model_fields
    return {name: "http://localhost:8000/v1" for name in fields if fields[name].is_required()}


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda b: b.name)
def test_a_backend_says_what_it_can_be(backend: Backend) -> None:
    assert backend.roles
    assert issubclass(backend.settings, BaseModel)
    backend.parse(required_settings(backend))


def test_every_entry_is_in_the_recipe_schema() -> None:
    text = (shipped("schemas") / "recipe.schema.json").read_text("utf-8")
    for name in [*find_operators(None), *METRICS, *TASKS, *BACKENDS]:
        assert f'"{name}"' in text, name


@pytest.mark.parametrize(
    ("target", "longest"),
    [
        ({"type": ["string", "null"], "maxLength": 60}, "x" * 60),
        ({"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 60}]}, "x" * 60),
        ({"type": "string", "pattern": "^([A-Z]{3}-){20}$"}, "ABC-" * 20),
        ({"type": "array", "maxItems": 2, "prefixItems": [{"type": "boolean"}]}, [True]),
        ({"type": "object", "additionalProperties": False}, {}),
        ({"const": "one text only"}, "one text only"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "maxLength": 60}}}, "x" * 60),
    ],
)
def test_a_recipes_own_schema_may_be_a_target(target: dict[str, Any], longest: object) -> None:
    assert unbounded(target) == []
    reply = json.dumps({"rows": [{"text": "x" * 80, "target": longest}]})
    new = find_operators(None)["new_situation"]
    schema = reply_schema(new, ["text"], 80, target, 1)
    assert read_reply(reply, schema).error is None
    assert schemas.token_limit(schema) >= len(reply)
