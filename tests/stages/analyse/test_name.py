"""name: what the teacher is shown of a cluster, and which of its words are used."""

from collections.abc import Sequence
from typing import Any

import pytest

from engine.rows import Pattern, PatternMember
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.cluster import category_pattern
from engine.stages.analyse.name import (
    NAME,
    NameInputs,
    NameParams,
    OfferedCategory,
    confusions,
)
from engine.stages.outputs import Clustered, Diagnosed, NamedPatterns
from tests.plan.fake_resources import reply_schema_of
from tests.stages.scripted_context import Reply, ScriptedContext, no_reply
from tests.stages.small_task import (
    LOADED,
    SCORED,
    VALIDATION,
    adds_up,
    diagnosis,
    member,
    task_view,
)

DIAGNOSED = Diagnosed(
    (
        diagnosis(VALIDATION[0], "A wait is told.", "Nothing is called late."),
        diagnosis(VALIDATION[1], "Two faults are told.", "The first is the lesser one."),
        diagnosis(VALIDATION[2], "Anger is told.", "It is told by deeds."),
    )
)
TWO = [
    member("p-1", VALIDATION[0], 0.2),
    member("p-1", VALIDATION[1], 0.1),
    member("p-2", VALIDATION[2]),
]
GOOD = {"name": "Waits without a word", "description": "Waiting is told by what did not happen."}


def run(
    reply: Reply,
    members: Sequence[PatternMember] = TWO,
    *,
    kind: str = "classification",
    offered: Sequence[str] = (),
    where: Sequence[str] = (),
    shown: int = 4,
    earlier: Sequence[Pattern] = (),
) -> tuple[NamedPatterns, ScriptedContext]:
    params = NameParams(
        task=task_view(kind),
        guard=LeakLimits(),
        schema=schemas.pattern(reply_schema_of("pattern"), offered),
        shown=shown,
        categories=tuple(OfferedCategory(id=i, description=f"about {i}") for i in offered),
        where_categories=tuple(where),
    )
    inputs = NameInputs(
        load=LOADED,
        score=SCORED,
        diagnose=DIAGNOSED,
        cluster=Clustered(tuple(members)),
        earlier=(NamedPatterns(tuple(earlier)),) if earlier else (),
    )
    context = ScriptedContext(reply)
    output = NAME.run(params, inputs, context)
    if members:
        adds_up(NAME, params, inputs, output)
    return output, context


def test_no_clusters_have_no_names() -> None:
    assert run(no_reply, [])[0] == NamedPatterns()


def test_a_clusters_name_and_description_are_the_teachers() -> None:
    output, context = run(
        lambda role, request: {**GOOD, "name": f" {GOOD['name']} {len(request.id)} "}
    )
    first, second = output.patterns
    assert (first.id, first.size, second.id, second.size) == ("p-1", 2, "p-2", 1)
    assert first.name == f"{GOOD['name']} {len(first.call or '')}"
    assert first.description == GOOD["description"]
    assert (first.guard, first.category) == (None, None)
    assert first.call == context.asked[0].id
    assert sum(x * x for x in first.centroid) == pytest.approx(1.0, abs=1e-4)
    assert first.silhouette == 0.5


def test_the_teacher_sees_the_diagnosis_nearest_the_centre_and_the_labels_and_no_row() -> None:
    _, context = run(lambda role, request: GOOD)
    assert context.prompts[0].endswith(
        "broken answered as late. Two faults are told. The first is the lesser one."
    )
    assert context.prompts[1].startswith("rude answered as unreadable.")
    for row in VALIDATION:
        assert not any(row.inputs["text"] in prompt for prompt in context.prompts)


def test_a_text_that_quotes_an_evaluation_row_is_replaced_by_labels() -> None:
    quoting = {**GOOD, "description": "Such as: nobody rang the bell all afternoon."}
    output, _ = run(lambda role, request: quoting)
    first, second = output.patterns
    assert first.guard == "shares a word 5-gram with an evaluation row"
    assert first.name == "broken taken for late"
    assert first.description == (
        "Rows of one label are given another: broken answered as late (1); late answered as rude (1)."
    )
    assert second.name == "rude taken for unreadable"


def test_an_unusable_reply_is_replaced_too() -> None:
    output, context = run(lambda role, request: None)
    assert [p.guard for p in output.patterns] == ["no usable reply (schema)"] * 2
    assert [p.call for p in output.patterns] == [request.id for request in context.asked]


def test_where_targets_are_no_labels_nothing_of_them_is_shown_or_said() -> None:
    output, context = run(lambda role, request: None, kind="generation")
    assert [p.name for p in output.patterns] == ["pattern p-1", "pattern p-2"]
    assert output.patterns[0].description == "2 failures with like diagnoses."
    assert not any("answered as" in prompt for prompt in context.prompts)


def test_two_patterns_never_have_the_same_name() -> None:
    members = [*TWO, member("p-3", VALIDATION[2], 0.3)]
    output, _ = run(lambda role, request: GOOD, members)
    names = [p.name for p in output.patterns]
    assert names == [
        GOOD["name"],
        f"{GOOD['name']} (rude)",
        f"{GOOD['name']} (rude)+",
    ]
    plain, _ = run(lambda role, request: GOOD, members, kind="generation")
    assert [p.name for p in plain.patterns] == [
        GOOD["name"],
        f"{GOOD['name']}+",
        f"{GOOD['name']}++",
    ]


def test_a_pattern_that_goes_on_keeps_its_texts_and_nobody_is_asked_about_it() -> None:
    old = Pattern("p-1", "Old name", "Old words.", "slow", 9, (1.0,), None, "old call", None)
    output, context = run(lambda role, request: GOOD, earlier=[old])
    first, second = output.patterns
    assert (first.name, first.description, first.category, first.call) == (
        "Old name",
        "Old words.",
        "slow",
        "old call",
    )
    assert first.size == 2, "its members are this round's"
    assert second.name == GOOD["name"]
    assert len(context.asked) == 1


def test_the_category_is_the_teachers_choice_among_those_that_are_offered() -> None:
    def reply(role: str, request: Any) -> Any:
        assert request.schema["properties"]["category"] == {"enum": ["slow", "other"]}
        return {**GOOD, "category": "slow"}

    output, context = run(reply, offered=["slow", "other"])
    assert {p.category for p in output.patterns} == {"slow"}
    assert "- slow: about slow" in context.asked[0].messages[0].content


@pytest.mark.parametrize("name", ["swearing", "p-2"])
def test_a_category_that_sql_gives_is_that_of_its_pattern_alone(name: str) -> None:
    members = [
        *TWO[:2],
        member(category_pattern(name), VALIDATION[2]),
        member("p-2", VALIDATION[2], 0.4),
    ]
    output, _ = run(
        lambda role, request: {**GOOD, "category": "slow"}, members, offered=["slow"], where=[name]
    )
    categories = {p.id: p.category for p in output.patterns}
    assert categories == {"p-1": "slow", category_pattern(name): name, "p-2": "slow"}


def test_confusions_are_counted_and_the_most_frequent_comes_first() -> None:
    failures = {f.example: f for f in SCORED.failures("validation")}
    members = [member("p", VALIDATION[0]), member("p", VALIDATION[0]), member("p", VALIDATION[2])]
    assert confusions(members, failures) == [("late", "rude", 2), ("rude", "unreadable", 1)]
