"""name: what the teacher is shown of a cluster, and which of its words are used."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.rows import Diagnosis, Pattern, PatternMember
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.cluster import category_pattern
from engine.stages.analyse.name import (
    NAME,
    NameInputs,
    NameParams,
)
from engine.stages.analyse.reworded import MOST_CONVENTIONS, gathered
from engine.stages.analyse.shown import half_spread
from engine.stages.analyse.targets import confusions
from engine.stages.analyse.taxonomy import OfferedCategory
from engine.stages.blocks import Briefing
from engine.stages.outputs import Clustered, Diagnosed, NamedPatterns
from tests.plan.fake_resources import reply_schema_of
from tests.stages.analyse.kinds import KINDS, PACKS, case, named
from tests.stages.scripted_context import Reply, ScriptedContext, embed_words, no_reply
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
    earlier: Sequence[Pattern | Diagnosed] = (),
    diagnosed: Diagnosed = DIAGNOSED,
    before: NamedPatterns | None = None,
) -> tuple[NamedPatterns, ScriptedContext]:
    params = NameParams(
        task=task_view(kind),
        briefing=Briefing(),
        guard=LeakLimits(),
        schema=schemas.pattern(reply_schema_of("pattern"), offered),
        shown=shown,
        categories=tuple(OfferedCategory(id=i, description=f"about {i}") for i in offered),
        where_categories=tuple(where),
    )
    inputs = NameInputs(
        load=LOADED,
        score=SCORED,
        diagnose=diagnosed,
        cluster=Clustered(tuple(members)),
        earlier=(before or NamedPatterns(tuple(p for p in earlier if isinstance(p, Pattern))),)
        if earlier or before
        else (),
        diagnosed=tuple(one for one in earlier if isinstance(one, Diagnosed)),
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
    assert (first.guard or "").startswith("replaced: description: ")
    assert first.name == "broken taken for late"
    assert first.description == (
        "Rows of one label are given another: broken answered as late (1); late answered as rude (1)."
    )
    assert second.name == "rude answered unreadably"


def test_an_unusable_reply_is_replaced_too() -> None:
    output, context = run(lambda role, request: None)
    assert [p.guard for p in output.patterns] == ["replaced: no usable reply (schema)"] * 2
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
    assert confusions(members, failures) == [("late", "rude", 2), ("rude", None, 1)]


def test_the_pair_that_is_shown_with_a_diagnosis_is_its_own() -> None:
    """The most frequent confusion of a cluster was printed beside a diagnosis of another one."""
    one = case(
        "classification",
        [({"text": "a"}, "late"), ({"text": "b"}, "rude"), ({"text": "c"}, "broken")],
        [
            ({"text": "one of its kind"}, "late", "rude"),
            ({"text": "two of a kind"}, "broken", "late"),
            ({"text": "three of a kind"}, "broken", "late"),
        ],
    )
    for pack in PACKS:
        _, context = named(one, lambda *_: None, pack, size=3)
        prompt = context.prompts[0]
        assert (
            prompt.count("late answered as rude" if pack == "small" else "[late answered as rude]")
            == 1
        )
        own = next(line for line in prompt.splitlines() if "Cause number 0" in line)
        assert "late" in own
        assert "broken" not in own
    assert "- broken answered as late: 2\n- late answered as rude: 1\n" in prompt
    assert "others:" not in prompt, "all of them are there"


def test_confusions_beyond_those_shown_are_counted_as_others() -> None:
    one = case(
        "classification",
        [({"text": "a"}, "l0")],
        [({"text": f"row {i}"}, f"l{i}", f"l{(i + 1) % 8}") for i in range(8)],
        labels=[f"l{i}" for i in range(8)],
    )
    _, context = named(one, lambda *_: None, "standard", size=8)
    counted = context.prompts[0].split("in all 8 mistakes, most frequent first:\n")[1]
    assert counted.splitlines()[:6] == [
        *(f"- l{i} answered as l{i + 1}: 1" for i in range(5)),
        "- others: 3",
    ]


def test_diagnoses_that_are_worded_alike_are_shown_once_with_their_count() -> None:
    one = case(
        "classification",
        [({"text": "a"}, "late"), ({"text": "b"}, "rude"), ({"text": "c"}, "broken")],
        [
            ({"text": "first"}, "late", "rude"),
            ({"text": "second"}, "broken", "late"),
            ({"text": "third"}, "broken", "late"),
            ({"text": "fourth"}, "rude", "late"),
        ],
    )
    alike = ("It goes by one word.", "One word is there.")
    _, context = named(
        one, lambda *_: None, "standard", size=4,
        words=[alike, alike, alike, ("It stops early.", "The end decides.")],
    )  # fmt: skip
    shown = [line for line in context.prompts[0].splitlines() if "When:" in line]
    assert [line.split(" Skill:")[0] for line in shown] == [
        "- d1: 3 mistakes: [broken answered as late: 2; late answered as rude: 1] It goes by one word."
        " When: One word is there.",
        "- d2: (edge) [rude answered as late] It stops early. When: The end decides.",
    ]


def test_half_of_the_diagnoses_are_central_and_half_as_different_as_there_are() -> None:
    vectors = np.asarray([[1, 0, 0], [0.98, 0.2, 0], [0.97, 0.24, 0], [0, 1, 0], [0, 0, 1]])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    assert half_spread(vectors, 4) == ([0, 1], [4, 3])
    assert half_spread(vectors, 3) == ([0, 1], [4])
    assert half_spread(vectors, 9) == ([0, 1, 2], [4, 3])
    assert half_spread(vectors[:1], 4) == ([0], [])


def words_of(
    name: str, description: str = "Waiting is told by what does not happen."
) -> dict[str, Any]:
    """Return a large teacher's reply."""
    return {
        "reasoning": "They have it in common.",
        "name": name,
        "description": description,
        "includes": ["waits", " waits ", "silence"],
        "excludes": ["complaints"],
        "coherent": False,
    }


QUOTE = "Such as: nobody rang the bell all afternoon with my dinner."


def test_all_that_a_large_teacher_says_of_a_pattern_is_kept() -> None:
    output, _ = named(KINDS["classification"](), lambda *_: words_of("Waits"), "frontier", size=3)
    (pattern,) = output.patterns
    assert (pattern.includes, pattern.excludes) == (("waits", "silence"), ("complaints",))
    assert (pattern.coherent, pattern.guard) == (False, None)


def again(
    *replies: Any, pack: str = "frontier", size: int = 3
) -> tuple[NamedPatterns, ScriptedContext]:
    """Return what comes of replies that are given one after the other."""
    left = iter(replies)
    return named(KINDS["classification"](), lambda *_: next(left), pack, size=size)


def test_a_text_that_quotes_is_asked_for_once_more_without_repeating_the_quote() -> None:
    output, context = again(words_of("Waits", QUOTE), words_of("Silent waits"))
    (pattern,) = output.patterns
    first, second = context.asked
    assert pattern.name == "Silent waits"
    assert pattern.call == second.id
    assert (pattern.guard or "").startswith("reworded: description: ")
    assert first.id in (pattern.guard or ""), "where the text that was blocked can be read"
    told = second.messages[-1].content.split("# Once more")[1]
    assert "In its description: " in told
    assert "bell" not in told
    assert "Once more" not in first.messages[-1].content


@pytest.mark.parametrize("second", [words_of("Waits", QUOTE), None])
def test_a_text_that_is_blocked_twice_is_replaced(second: Any) -> None:
    output, context = again(words_of("Waits", QUOTE), second)
    (pattern,) = output.patterns
    assert len(context.asked) == 2
    assert pattern.name == "broken taken for late"
    assert (pattern.guard or "").startswith("replaced: description: ")
    assert (pattern.includes, pattern.coherent) == ((), None)


def test_the_small_teacher_is_not_asked_again_since_its_prompt_does_not_say_why() -> None:
    quoting = {"name": "Waits for it", "description": QUOTE}
    output, context = again(quoting, pack="small")
    assert len(context.asked) == 1
    assert (output.patterns[0].guard or "").startswith("replaced: ")


def test_of_a_list_only_what_quotes_is_left_out() -> None:
    reply = {**words_of("Waits"), "includes": ["waits", QUOTE]}
    output, context = again(reply)
    (pattern,) = output.patterns
    assert len(context.asked) == 1
    assert (pattern.name, pattern.includes) == ("Waits", ("waits",))
    assert (pattern.guard or "").startswith("left out: 1 of its lists")


def test_a_name_that_is_taken_is_asked_for_once_more() -> None:
    output, context = again(
        words_of("Waits"), words_of("waits"), words_of("Waits in the rain"), size=2
    )
    assert [p.name for p in output.patterns] == ["Waits", "Waits in the rain"]
    assert "Names that other patterns have already: Waits." in context.prompts[2]
    assert [p.guard for p in output.patterns] == [None, None]
    stubborn, _ = again(words_of("Waits"), words_of("waits"), words_of("WAITS"), size=2)
    assert stubborn.patterns[1].name.startswith("WAITS (")


def test_names_of_earlier_rounds_are_told_and_not_given_again() -> None:
    old = Pattern("p-old", "Waits", "Old.", None, 9, (1.0,), None, "old call", None)
    output, context = named(
        KINDS["classification"](), lambda *_: words_of("Waits"), "frontier", size=3, earlier=[old]
    )
    assert "Names that other patterns have already: Waits." in context.prompts[0]
    assert output.patterns[0].name != "Waits"


def test_diagnoses_of_the_nearest_other_cluster_are_shown_for_contrast() -> None:
    _, context = named(KINDS["numeric"](), lambda *_: None, "frontier", size=1)
    first, second = context.prompts
    assert (
        first.index("Cause number 0")
        < first.index("# The nearest other")
        < first.index("Cause number 1")
    )
    assert (
        second.index("Cause number 1")
        < second.index("# The nearest other")
        < second.index("Cause number 0")
    )
    _, alone = named(KINDS["numeric"](), lambda *_: None, "frontier", size=9)
    assert "other cluster" not in alone.prompts[0]


def stated(*rules: str) -> Diagnosed:
    """Return the three diagnoses with a rule each, the last ones without where there are fewer."""
    padded = [*rules, "", "", ""]
    return Diagnosed(
        tuple(
            replace(d, convention=rule)
            for d, rule in zip(DIAGNOSED.diagnoses, padded[:3], strict=True)
        )
    )


ONE, OTHER = 'The word "in" belongs to a time span.', "A first and last name are two fields."


def test_rules_of_annotation_are_gathered_each_once_those_of_most_failures_first() -> None:
    rules = [*six(OTHER, OTHER, ONE, ONE.lower(), ONE, "none")]
    kept, drops = gathered(rules, (), lambda _: None, embed_words)
    assert [(c.text, c.failures) for c in kept] == [(ONE, 3), (OTHER, 2)]
    alike = "The word in belongs to a span of time."
    output, _ = run(lambda *_: GOOD, diagnosed=stated(ONE, alike, "none"))
    assert list(output.conventions) == [ONE]
    later, _ = run(lambda *_: GOOD, diagnosed=stated(alike, OTHER, OTHER), before=output)
    assert list(later.conventions) == [ONE, OTHER], "known ones stay, in their words"
    assert not drops


def test_two_rows_of_any_call_and_of_any_round_must_show_a_rule() -> None:
    first, _ = run(lambda *_: GOOD, diagnosed=stated(ONE, OTHER))
    assert not first.conventions
    again, _ = run(lambda *_: GOOD, diagnosed=stated(ONE), earlier=[stated(ONE, OTHER)])
    assert not again.conventions, "the same row twice is one row"
    other, _ = run(lambda *_: GOOD, diagnosed=stated("", ONE), earlier=[stated(ONE, OTHER)])
    assert list(other.conventions) == [ONE]


def six(*rules: str) -> list[Diagnosis]:
    """Return a diagnosis for each rule, of a row and a call of its own."""
    return [
        replace(DIAGNOSED.diagnoses[0], id=f"d{i}", example=f"e{i}", call=f"c{i}", convention=rule)
        for i, rule in enumerate(rules)
    ]


def near(pairs: Sequence[tuple[str, str]], similarity: float) -> Any:
    """Return an embedder for which the texts of each pair are as near as that, and all others as near as 0.3."""

    def embed(texts: Sequence[str]) -> Any:
        known = list(dict.fromkeys(texts))
        cosines = np.full((len(known), len(known)), 0.3)
        np.fill_diagonal(cosines, 1.0)
        for one, other in pairs:
            if one in known and other in known:
                i, j = known.index(one), known.index(other)
                cosines[i, j] = cosines[j, i] = similarity
        vectors = np.linalg.cholesky(cosines)
        return np.stack([vectors[known.index(text)] for text in texts]).astype(np.float32)

    return embed


@pytest.mark.parametrize(("nearness", "one"), [(0.7, True), (0.5, False)])
def test_rules_nearer_than_what_is_told_apart_in_one_call_are_one(
    nearness: float, one: bool
) -> None:
    said = ["A wait is late, whoever tells it.", "Whatever comes behind its time counts as delay."]
    apart = [
        replace(DIAGNOSED.diagnoses[0], id=f"s{i}", example=f"s{i}", scenario=f"Scenario {i}.")
        for i in range(9)
    ]
    embed = near([("Scenario 0.", "Scenario 1."), ("Scenario 2.", "Scenario 3.")], 0.6)
    rules_near = near([(said[0], said[1])], nearness)
    by_text = lambda texts: (rules_near if texts[0] in said else embed)(texts)  # noqa: E731
    rules, _ = gathered([*apart, *six(*said)], (), lambda _: None, by_text)
    assert [(rule.text, rule.failures) for rule in rules] == ([(said[0], 2)] if one else [])
    few, _ = gathered([*apart[:6], *six(*said)], (), lambda _: None, by_text)
    assert not few, "with too few texts told apart only words say what is the same"


@pytest.mark.parametrize(
    ("text", "is_rule"),
    [
        ("None stated.", False),
        ("none here", False),
        ("N/A", False),
        ("No rule can be seen in these rows.", False),
        ("No clear convention is shown.", False),
        ("There is no such rule in the right answers.", False),
        ("None can be told from these rows.", False),
        ("没有规则", False),
        ("ไม่มี", False),
        ("Late means parcel", True),
        ("None of the names has its title.", True),
        ("No label is given to rows without a verb.", True),
        ("时间包括介词", True),
        ("日付は数字で書く", True),
    ],
)
def test_what_says_that_there_is_no_rule_is_none_in_whatever_script(
    text: str, is_rule: bool
) -> None:
    rules, drops = gathered(six(text, text), (), lambda _: None, embed_words)
    assert ([rule.text for rule in rules], drops) == ([text] if is_rule else [], [])


def test_rules_of_annotation_are_known_in_a_round_without_clusters() -> None:
    before, _ = run(lambda *_: GOOD, diagnosed=stated(ONE, ONE))
    output, context = run(no_reply, [], diagnosed=stated(OTHER, OTHER), before=before)
    assert list(output.conventions) == [ONE, OTHER]
    assert not output.patterns
    assert not context.asked


def test_a_rule_of_annotation_that_quotes_an_evaluation_row_is_told_nobody() -> None:
    quote = f"It is rude where {VALIDATION[2].inputs['text']}."
    output, _ = run(lambda *_: GOOD, diagnosed=stated(quote, quote), earlier=[stated(ONE, "", ONE)])
    assert list(output.conventions) == [ONE]
    (drop,) = [d for d in output.drops if d.reason == "convention_quotes"]
    assert drop.item == DIAGNOSED.diagnoses[0].id
    assert "swore" not in drop.detail


def test_rules_of_annotation_are_bounded() -> None:
    many = [f"rule{i} part{i} of form{i}" for i in range(3 * MOST_CONVENTIONS)]
    kept, _ = gathered(six(*many, *many), (), lambda _: None, embed_words)
    assert len(kept) == MOST_CONVENTIONS


def test_of_wordings_one_that_quotes_nothing_is_told() -> None:
    rules, drops = gathered(
        six(ONE, ONE, "The word in belongs to a span of time."),
        (),
        lambda text: "it quotes" if text == ONE else None,
        embed_words,
    )
    assert [(rule.text, rule.failures) for rule in rules] == [
        ("The word in belongs to a span of time.", 3)
    ]
    assert not drops


@pytest.mark.parametrize("failures", [8, 16])
def test_only_where_mistakes_are_not_shown_is_it_said(failures: int) -> None:
    one = case(
        "classification",
        [({"text": "a"}, "l0")],
        [({"text": f"row {i}"}, f"l{i % 4}", f"l{(i + 1) % 4}") for i in range(failures)],
        labels=[f"l{i}" for i in range(4)],
    )
    _, context = named(one, lambda *_: None, "standard", size=failures)
    assert "- `parts`: empty if" in context.prompts[0]
    assert ("Mistakes that are not shown" in context.prompts[0]) is (failures > 12)


LONG = "It waits for what does not happen at all"


def test_a_name_of_too_many_words_is_asked_for_once_more_and_then_cut() -> None:
    output, context = again(words_of(LONG), words_of("It waits in vain"))
    assert [p.name for p in output.patterns] == ["It waits in vain"]
    assert "has 9 words: say it in 6 at most" in context.prompts[1].split("# Once more")[1]
    stubborn, _ = again(words_of(LONG), words_of(LONG))
    small, _ = again({"name": LONG, "description": "Waiting."}, pack="small")
    for cut in (*stubborn.patterns, *small.patterns):
        assert cut.name == "It waits for what does not…"
        assert cut.guard is None
