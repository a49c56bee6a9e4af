"""generate: what is asked for, with which seeds, and what later attempts are told; replies are scripted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.operators import MINED, find_operators
from engine.operators.folder import read_operator
from engine.rows import Candidate, Pattern, Prediction, Strategy, Verdict
from engine.spec.recipe import LeakLimits
from engine.stages.augment.calls import UsedOperator
from engine.stages.augment.generate import GENERATE, GenerateInputs, GenerateParams
from engine.stages.augment.planning import COVERAGE, NEAR, History
from engine.stages.augment.prompts import usual_words
from engine.stages.augment.reading import whole_sentences
from engine.stages.blocks import Briefing
from engine.stages.outputs import (
    Attempt,
    Clustered,
    Drafted,
    Generated,
    Judged,
    Loaded,
    NamedPatterns,
    Predicted,
    Scored,
)
from tests.operators.writing import OPERATOR, write_operator
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import (
    BROKEN,
    LATE,
    LOADED,
    RUDE,
    SCORED,
    TRAIN,
    VALIDATION,
    example,
    failure,
    member,
    task_view,
)

PATTERN = Pattern("p", "Late and broken", "Both.", None, 3, (1.0,), None, None, None)
PAIRS = (
    {"right": LATE, "wrong": BROKEN, "share": 0.75},
    {"right": RUDE, "wrong": LATE, "share": 0.25},
)
STRATEGY = Strategy("s", "p", "Say when it came.", (LATE, BROKEN), None, None, pairs=PAIRS)
OPERATORS = find_operators(None)
ITEM = re.compile(r"^- (r\d+): (.*)$", re.M)


def used(name: str = "new_situation", pack: str = "frontier", **changes: Any) -> UsedOperator:
    operator = OPERATORS[name]
    settings = operator.params.model_validate(changes.pop("params", {}))
    return UsedOperator(
        operator=operator, prompt=operator.prompt(pack), name=name, digest="", settings=settings, **changes
    )  # fmt: skip


def params(*operators: UsedOperator, **changes: Any) -> GenerateParams:
    settings: dict[str, Any] = {
        "task": task_view(), "briefing": Briefing(), "guard": LeakLimits(), "rows_per_round": 12, "oversample": 1.0,
        "coverage": 0.0, "rows_per_call": 10, "seeds_shown": 4, "temperature": 0.9,
    }  # fmt: skip
    return GenerateParams(operators=operators or (used(),), **settings | changes)


def inputs(**changes: Any) -> GenerateInputs:
    settings: dict[str, Any] = {
        "load": LOADED, "predict": Predicted(), "score": SCORED, "name": NamedPatterns((PATTERN,)),
        "strategy": Drafted((STRATEGY,)),
        "cluster": Clustered(tuple(member("p", row) for row in VALIDATION)),
    }  # fmt: skip
    return GenerateInputs(**settings | changes)


def asked_items(request: Request) -> dict[str, str]:
    """Return what a prompt asks for, by id."""
    return dict(ITEM.findall(request.messages[-1].content))


def answer(_: str, request: Request) -> Any:
    """Write what is asked for, in words of its own."""
    properties = request.schema["properties"]["rows"]["items"]["properties"]  # type: ignore[index]
    rows = []
    ids = list(asked_items(request)) if "id" in properties else ["r1"]
    for name in ids:
        row: dict[str, Any] = {"text": f"words {request.id[:8]} {name}"}
        if "id" in properties:
            row |= {"id": name, "plan": "a plan"}
        if "rationale" in properties:
            row["rationale"] = "because"
        if "target" in properties:
            row["target"] = "3"
        rows.append(row)
    count = request.schema["properties"]["rows"]["minItems"]  # type: ignore[index]
    return {"rows": rows if "id" in properties else rows * count}


def run(
    settings: GenerateParams,
    given: GenerateInputs,
    reply: Callable[[str, Request], Any] = answer,
    **context: Any,
) -> tuple[Generated, ScriptedContext]:
    ctx = ScriptedContext(reply, **{"attempt": len(given.attempts) + 1, **context})
    return GENERATE.run(settings, given, ctx), ctx


def judged(
    output: Generated, number: int, reject: Mapping[str, tuple[str, str]] | None = None
) -> Attempt:
    """Return an attempt whose candidates are accepted, but for those whose target is in `reject`: reason, feedback."""
    verdicts = []
    for candidate in output.candidates:
        reason, feedback = (reject or {}).get(candidate.target, ("accepted", ""))
        verdicts.append(
            Verdict(
                candidate.id, reason == "accepted", reason, "", feedback, None, None, None, None, None, None, None
            )
        )  # fmt: skip
    return Attempt(number, output, Judged(tuple(verdicts)))


def sides(output: Generated) -> Counter[tuple[str, str | None]]:
    return Counter((c.target, c.attributes.get(NEAR)) for c in output.candidates)


# Feedback.


@pytest.mark.parametrize("pack", ["standard", "frontier"])
@pytest.mark.parametrize("name", ["new_situation", "contrast_pair", "paraphrase"])
def test_a_rejected_row_is_shown_with_its_target_and_why_to_requests_for_the_same_target_alone(
    name: str, pack: str
) -> None:
    """Feedback was kept by seed row and ordered whatever came next from it: wrong labels in 48 of 94 prompts."""
    settings = params(used(name, pack), rows_per_call=1)
    first, _ = run(settings, inputs())
    assert {c.target for c in first.candidates} >= {LATE, BROKEN}
    feedback = "It reads like broken: make it clearly late."
    attempt = judged(first, 1, {LATE: ("neighbours", feedback), BROKEN: ("judge", "Too long.")})
    _, ctx = run(settings, inputs(attempts=(attempt,)))
    assert ctx.asked
    shown = Counter[str]()
    for prompt in ctx.prompts:
        (item,) = ITEM.findall(prompt)
        asked = re.findall(r"(?:target|become) \"(\w+)\"", item[1])[0]
        about = {LATE: feedback, BROKEN: "Too long."}
        for target, text in about.items():
            assert (text in prompt) == (target == asked), prompt
            shown[target] += text in prompt
        # The row itself, with its target.
        if asked in about:
            assert re.search(rf'"words \w+ r1"}}, target "{asked}": ', prompt), prompt
    assert shown[LATE]
    assert shown[BROKEN]


def test_feedback_stays_with_its_pattern() -> None:
    other = replace(PATTERN, id="q", name="Another", size=3)
    patterns = NamedPatterns((PATTERN, other))
    strategies = Drafted((STRATEGY, replace(STRATEGY, id="t", pattern="q")))
    settings = params(rows_per_call=1)
    first, _ = run(settings, inputs(name=patterns, strategy=strategies))
    of_p = Generated(tuple(c for c in first.candidates if c.pattern == "p"))
    attempt = judged(of_p, 1, {LATE: ("judge", "Not about a delay.")})
    _, ctx = run(settings, inputs(name=patterns, strategy=strategies, attempts=(attempt,)))
    told = [prompt for prompt in ctx.prompts if "Not about a delay." in prompt]
    assert told
    assert all("Late and broken" in prompt for prompt in told)
    assert any("Another" in prompt and 'target "late"' in prompt for prompt in ctx.prompts)


def test_a_row_rejected_as_a_leak_is_shown_to_nobody() -> None:
    settings = params(rows_per_call=1)
    first, _ = run(settings, inputs())
    attempt = judged(first, 1, {LATE: ("leak", "Write another one.")})
    secret = {c.inputs["text"] for c in first.candidates if c.target == LATE}
    _, ctx = run(settings, inputs(attempts=(attempt,)))
    assert ctx.asked
    assert not [p for p in ctx.prompts for text in secret if f'"{text}"' in p]


def test_without_labels_a_rejected_row_is_shown_to_its_pattern() -> None:
    train = [example(f"add {i} and {i + 1}", str(2 * i + 1)) for i in range(6)]
    given = inputs(
        load=Loaded(tuple(train)), score=Scored(), strategy=Drafted((replace(STRATEGY, pairs=()),))
    )
    settings = params(task=task_view("numeric"), rows_per_call=4)
    first, _ = run(settings, given)
    assert {c.target for c in first.candidates} == {"3"}
    attempt = judged(first, 1, {"3": ("unverified", "Two solvers came to 4.")})
    _, ctx = run(settings, replace(given, attempts=(attempt,)))
    assert all("Two solvers came to 4." in prompt for prompt in ctx.prompts)


# What is asked for.


def test_two_thirds_of_a_confusion_are_on_the_side_that_fails() -> None:
    output, _ = run(params(), inputs())
    assert sides(output) == {
        (LATE, BROKEN): 6, (RUDE, LATE): 2, (BROKEN, LATE): 3, (LATE, RUDE): 1,
    }  # fmt: skip
    assert {c.operator for c in output.candidates} == {"new_situation"}


def test_both_sides_of_a_confusion_stand_in_one_call() -> None:
    _, ctx = run(params(rows_per_call=9), inputs())
    first = asked_items(ctx.asked[0])
    assert len(first) == 9
    assert sum('target "late"' in line and '"broken"' in line for line in first.values()) == 6
    assert sum('target "broken"' in line and '"late"' in line for line in first.values()) == 3


def test_without_pairs_the_observed_confusions_count() -> None:
    bare = replace(STRATEGY, pairs=(), labels=())
    output, _ = run(params(), inputs(strategy=Drafted((bare,))))
    # Late was taken for rude, broken for late, rude could not be read.
    assert sides(output) == {
        (LATE, RUDE): 3, (BROKEN, LATE): 3, (RUDE, None): 2, (RUDE, LATE): 2, (LATE, BROKEN): 2,
    }  # fmt: skip


def test_coverage_goes_to_the_labels_with_the_fewest_rows() -> None:
    output, _ = run(params(coverage=0.25), inputs())
    apart = Counter(c.target for c in output.candidates if c.pattern == COVERAGE)
    everything = Counter(c.target for c in output.candidates)
    assert apart.total() == 3
    assert LATE not in apart
    assert everything.total() == 12
    assert max(everything[RUDE], everything[BROKEN]) <= 4


def test_without_analysis_all_labels_get_equally_many_rows() -> None:
    nothing = inputs(name=None, strategy=None, cluster=None)
    output, ctx = run(params(used(), used("contrast_pair"), errors_first=False), nothing)
    assert Counter(c.target for c in output.candidates) == {LATE: 4, BROKEN: 4, RUDE: 4}
    assert {(c.pattern, c.strategy, c.operator) for c in output.candidates} == {
        (COVERAGE, COVERAGE, "new_situation")
    }
    # Nothing of what fails is looked at, and nothing is said of mistakes.
    assert not any("mistake" in prompt for prompt in ctx.prompts)


@pytest.mark.parametrize("oversample", [1.0, 1.5, 2.4])
@pytest.mark.parametrize("wanted", [1, 2, 7, 12, 31])
def test_never_more_is_asked_for_than_wanted_times_oversample(
    wanted: int, oversample: float
) -> None:
    many = [replace(PATTERN, id=f"p{i}", size=i + 1) for i in range(5)]
    strategies = [replace(STRATEGY, id=f"s{i}", pattern=f"p{i}") for i in range(5)]
    settings = params(
        used(), used("contrast_pair"), used("paraphrase"),
        rows_per_round=wanted, oversample=oversample, coverage=0.2, rows_per_call=4,
    )  # fmt: skip
    output, ctx = run(
        settings, inputs(name=NamedPatterns(tuple(many)), strategy=Drafted(tuple(strategies)))
    )
    asked = sum(len(asked_items(request)) for request in ctx.asked)
    assert asked == len(output.candidates) == int(wanted * oversample)


def test_operators_share_the_rows_by_their_own_shares_the_recipes_or_the_strategys() -> None:
    three = [used("new_situation"), used("contrast_pair"), used("paraphrase")]
    own = params(*three, rows_per_round=18)
    assert operators(run(own, inputs())[0]) == {
        "new_situation": 12, "contrast_pair": 4, "paraphrase": 2,
    }  # fmt: skip
    equal = params(*(replace(each, share=1.0) for each in three), rows_per_round=18)
    assert operators(run(equal, inputs())[0]) == dict.fromkeys((u.name for u in three), 6)
    told = replace(STRATEGY, operators={"contrast_pair": 0.5, "new_situation": 0.5, "gone": 3})
    assert operators(run(own, inputs(strategy=Drafted((told,))))[0]) == {
        "new_situation": 9, "contrast_pair": 9,
    }  # fmt: skip


def operators(output: Generated) -> Counter[str]:
    return Counter(c.operator for c in output.candidates)


def test_attributes_and_difficulty_vary_from_row_to_row() -> None:
    varied = replace(
        STRATEGY, attributes={"tone": ["angry", "calm", "curt"]}, difficulty={"easy": 0.25, "hard": 0.75}
    )  # fmt: skip
    output, ctx = run(params(), inputs(strategy=Drafted((varied,))))
    assert Counter(c.attributes["tone"] for c in output.candidates) == {
        "angry": 4,
        "calm": 4,
        "curt": 4,
    }
    assert Counter(c.attributes["difficulty"] for c in output.candidates) == {"easy": 3, "hard": 9}
    assert "tone: angry" in ctx.prompts[0]


def test_a_row_gets_two_of_the_attributes_and_no_length() -> None:
    """All at once they contradict each other: a remark and a question, and two names, in seven words."""
    varied = replace(
        STRATEGY,
        attributes={
            "form": ["question", "command"],
            "length": ["up to 7 words", "8 to 13 words"],
            "size of it": ["up to 7 words", "14 to 22 words"],
            "name in it": ["a bank", "a brand", "none"],
            "tone": ["plain", "polite"],
            "how long it took": ["a day", "a week"],
        },
    )
    output, _ = run(params(), inputs(strategy=Drafted((varied,))))
    got = [{k: v for k, v in c.attributes.items() if k != NEAR} for c in output.candidates]
    assert {len(each) for each in got} == {2}
    names = Counter(name for each in got for name in each)
    assert set(names) == {"form", "name in it", "tone", "how long it took"}
    assert set(names.values()) == {6}
    assert Counter(each["form"] for each in got if "form" in each) == {"question": 3, "command": 3}
    assert len({frozenset(each) for each in got}) == 6


def test_a_confusion_seen_once_gets_rows_of_its_right_label_near_no_other() -> None:
    """Rows of a pair that nobody confuses are forced; where all were seen once, they are all that is known."""
    more = [example(f"it came so late that {i} burst", BROKEN, "validation") for i in range(2)]
    rows = (*VALIDATION, *more)
    pairs = (
        {"right": BROKEN, "wrong": LATE, "share": 0.5},
        {"right": LATE, "wrong": RUDE, "share": 0.5},
    )
    failures = Scored((*SCORED.rows, *(failure(row, LATE) for row in more)))
    seen = inputs(
        load=Loaded((*LOADED.examples, *more)), score=failures,
        cluster=Clustered(tuple(member("p", row) for row in rows)),
        strategy=Drafted((replace(STRATEGY, pairs=pairs),)),
    )  # fmt: skip
    output, _ = run(params(), seen)
    assert sides(output) == {(BROKEN, LATE): 4, (LATE, None): 4, (LATE, BROKEN): 4}
    once = replace(seen, cluster=Clustered(tuple(member("p", row) for row in VALIDATION)))
    output, _ = run(params(), once)
    assert (LATE, RUDE) in sides(output)
    assert (RUDE, LATE) in sides(output)


def test_a_contrast_pair_starts_from_the_label_it_is_mistaken_for() -> None:
    output, ctx = run(params(used("contrast_pair")), inputs())
    by_id = {e.id: e for e in TRAIN}
    for candidate in output.candidates:
        assert by_id[candidate.parent].target == candidate.attributes[NEAR]
        assert candidate.rationale == "because"
    assert 'now "broken", to become "late"' in ctx.prompts[0]


def test_a_small_pack_is_asked_for_a_row_at_a_time_in_its_flat_form() -> None:
    for name in ("new_situation", "contrast_pair", "paraphrase"):
        output, ctx = run(params(used(name, "small"), rows_per_call=1), inputs())
        assert len(ctx.asked) == len(output.candidates) == 12
    several = params(used("paraphrase", "small", params={"variants": 3}), rows_per_call=1)
    output, ctx = run(several, inputs())
    assert len(output.candidates) == 12
    assert 4 <= len(ctx.asked) <= 6


# Replies.


def test_rows_that_are_missing_twice_or_not_asked_for_are_drops() -> None:
    def reply(role: str, request: Request) -> Any:
        rows = answer(role, request)["rows"]
        return {"rows": [*rows[2:], rows[2], {**rows[0], "id": "r99"}, rows[1]]}

    output, _ = run(params(rows_per_call=12), inputs(), reply)
    assert Counter(d.reason for d in output.drops) == {
        "missing_in_reply": 1, "twice_in_reply": 1, "not_asked": 1,
    }  # fmt: skip
    assert len(output.candidates) == 10
    detail = {d.reason: d.detail for d in output.drops}
    assert detail["missing_in_reply"] == "the reply has no row 'r1'"
    assert detail["twice_in_reply"] == "the reply has the row 'r3' 2 times"


def test_one_row_that_is_too_long_does_not_cost_the_others() -> None:
    longest = max(len(e.inputs["text"]) for e in TRAIN)
    _, ctx = run(params(), inputs())
    bound = ctx.asked[0].schema["properties"]["rows"]["items"]["properties"]["text"]["maxLength"]  # type: ignore[index]
    told = int(re.findall(r"No text has more than (\d+) characters", ctx.prompts[0])[0])
    assert longest < told < 1.5 * longest < 2 * longest < bound


def test_a_call_without_a_usable_reply_is_a_drop_for_every_row() -> None:
    output, _ = run(params(rows_per_call=5), inputs(), lambda role, request: None)
    assert not output.candidates
    assert [d.reason for d in output.drops] == ["schema"] * 12


def test_a_text_cut_at_the_limit_keeps_its_whole_sentences() -> None:
    text = "My box is late. Where is it? I have been waiting for"
    assert whole_sentences(text, len(text)) == "My box is late. Where is it?"


def test_a_text_below_the_limit_is_left_alone_and_one_without_an_end_too() -> None:
    assert whole_sentences("My box is late. Where", 90) == "My box is late. Where"
    assert whole_sentences("v1.5 and nothing that ends", 26) == "v1.5 and nothing that ends"


# Seeds.


def test_errors_are_seeds_first_then_what_costs_the_student_most() -> None:
    nats = {TRAIN[1].id: 3.0, TRAIN[3].id: 2.0}
    answers = [
        Prediction(e.id, "train", "", e.target, "ok", 0.9, "", nats.get(e.id, 0.1), 1) for e in TRAIN
    ]  # fmt: skip
    settings = params(rows_per_round=1, seeds_shown=1)
    output, _ = run(settings, inputs(predict=Predicted(tuple(answers))))
    assert output.candidates[0].parent == TRAIN[0].id
    right = inputs(predict=Predicted(tuple(answers)), score=Scored())
    output, _ = run(settings, right)
    assert output.candidates[0].parent == TRAIN[1].id


def test_seeds_near_the_pattern_come_first_where_all_else_is_equal() -> None:
    near = ScriptedContext().embed(["half of the eggs are cracked"])[0]
    pattern = replace(PATTERN, centroid=tuple(map(float, near)))
    pair = {"right": BROKEN, "wrong": LATE, "share": 1.0}
    given = inputs(
        name=NamedPatterns((pattern,)), strategy=Drafted((replace(STRATEGY, pairs=(pair,)),)), score=Scored()
    )  # fmt: skip
    output, _ = run(params(rows_per_round=1, seeds_shown=1), given)
    assert output.candidates[0].seeds == (TRAIN[3].id,)


def test_no_seed_is_used_far_more_than_others() -> None:
    train = [
        example(f"text {label} number {i}", label)
        for label in (LATE, BROKEN, RUDE)
        for i in range(9)
    ]
    given = inputs(load=Loaded(tuple(train)), score=Scored())
    settings = params(used("paraphrase"), rows_per_round=27)
    output, _ = run(settings, given)
    first = Counter(c.parent for c in output.candidates if c.target == LATE)
    assert max(first.values()) - min(first[e.id] for e in train[:9]) <= 1
    # A later attempt goes on with those that were used least.
    attempt = judged(output, 1, dict.fromkeys((LATE, BROKEN, RUDE), ("judge", "No.")))
    again, _ = run(settings, replace(given, attempts=(attempt,)))
    both = Counter(c.parent for c in (*output.candidates, *again.candidates) if c.target == LATE)
    assert max(both.values()) - min(both[e.id] for e in train[:9]) <= 1


def test_a_training_row_that_is_an_evaluation_row_is_never_shown() -> None:
    same = replace(VALIDATION[0], id="train: same", split="train")
    given = inputs(load=Loaded((same, *TRAIN, *VALIDATION)))
    output, ctx = run(params(used(), used("paraphrase"), used("contrast_pair")), given)
    assert [d.item for d in output.drops if d.reason == "seed_equals_evaluation"] == [same.id]
    assert not [p for p in ctx.prompts if same.inputs["text"] in p]
    assert same.id not in {seed for c in output.candidates for seed in c.seeds}


def test_a_row_that_no_operator_can_start_is_a_drop() -> None:
    lost = replace(STRATEGY, pairs=({"right": LATE, "wrong": BROKEN, "share": 1.0},))
    # All rows of one label are evaluation rows too.
    twins = [
        replace(e, id=f"validation: {e.id}", split="validation")
        for e in TRAIN
        if e.target == BROKEN
    ]
    given = inputs(load=Loaded((*TRAIN, *twins)), strategy=Drafted((lost,)))
    output, _ = run(params(used("paraphrase")), given)
    assert sides(output) == {(LATE, BROKEN): 8}
    found = [(d.item, d.detail) for d in output.drops if d.reason == "no_seed"]
    why = "a row for 'broken': no operator of the recipe has a training row to start from"
    assert found == [("p", why)] * 4


# Later attempts.


def test_a_later_attempt_asks_for_what_is_missing_by_what_was_accepted() -> None:
    settings = params(oversample=1.0)
    first, _ = run(settings, inputs())
    attempt = judged(first, 1, {BROKEN: ("judge", "No.")})
    second, _ = run(settings, inputs(attempts=(attempt,)))
    # 9 of 12 were accepted: 3 rows are missing, so 4 are asked for.
    assert sides(second) == {(BROKEN, LATE): 4}
    done, ctx = run(settings, inputs(attempts=(attempt, judged(second, 2))))
    assert not ctx.asked
    assert not done.candidates


def test_nothing_more_is_asked_of_a_dry_pattern_and_the_others_make_up_for_it() -> None:
    other = replace(PATTERN, id="q", name="Another")
    given = inputs(
        name=NamedPatterns((PATTERN, other)),
        strategy=Drafted((STRATEGY, replace(STRATEGY, id="t", pattern="q"))),
    )
    settings = params()
    attempts: list[Attempt] = []
    for number in (1, 2):
        output, _ = run(settings, replace(given, attempts=tuple(attempts)))
        good = [c.id for c in output.candidates if c.pattern == "q"]
        verdicts = [
            replace(v, accepted=v.candidate in good, reason="accepted" if v.candidate in good else "judge")
            for v in judged(output, number).judge.verdicts
        ]  # fmt: skip
        attempts.append(Attempt(number, output, Judged(tuple(verdicts))))
    third, _ = run(settings, replace(given, attempts=tuple(attempts)))
    assert {c.pattern for c in third.candidates} == {"q"}
    assert len(third.candidates) == 6
    (drop,) = third.drops
    assert (drop.item, drop.reason) == ("p", "dry")


def test_what_was_mined_says_nothing_of_how_writers_fare_nor_uses_up_their_seeds() -> None:
    first, _ = run(params(), inputs())
    mined = Generated(tuple(replace(c, operator=MINED, attempt=0) for c in first.candidates))
    no = {label: ("judge", "No.") for label in (LATE, BROKEN, RUDE)}
    rejected = judged(mined, 0, no)
    history = History(params(), (rejected,))
    assert history.oversample("p", 1.5) == 1.5
    assert not History(params(), (rejected, judged(first, 1, no))).dry("p")
    after, _ = run(params(), inputs(attempts=(rejected,)), attempt=1)
    assert [c.parent for c in after.candidates] == [c.parent for c in first.candidates]


def test_accepted_rows_are_shown_so_that_they_are_not_repeated() -> None:
    first, _ = run(params(), inputs())
    attempt = judged(first, 1, {BROKEN: ("judge", "No.")})
    _, ctx = run(params(), inputs(attempts=(attempt,)))
    assert (
        sum(
            f'"{c.inputs["text"]}"' in ctx.prompts[0]
            for c in first.candidates
            if c.target != BROKEN
        )
        == 3
    )


def test_another_seed_or_attempt_is_another_sample() -> None:
    _, one = run(params(), inputs())
    _, two = run(params(), inputs(), seed=1)
    assert {r.id for r in one.asked}.isdisjoint({r.id for r in two.asked})


def test_an_operator_for_some_patterns_writes_for_no_other(tmp_path: Path) -> None:
    sorted_ = replace(PATTERN, category="short")
    only = used("contrast_pair", patterns=("long",))
    output, _ = run(params(used(), only), inputs(name=NamedPatterns((sorted_,))))
    assert {c.operator for c in output.candidates} == {"new_situation"}
    output, ctx = run(params(only), inputs(name=NamedPatterns((sorted_,))))
    assert not ctx.asked


def test_an_operator_of_ones_own_that_asks_for_several_rows_of_a_seed(tmp_path: Path) -> None:
    operator = read_operator(write_operator(tmp_path, OPERATOR), own=True)
    own = UsedOperator(
        operator=operator, prompt=operator.prompt("small"), name="shorten", digest="", settings=operator.params()
    )  # fmt: skip
    output, ctx = run(params(own), inputs())
    assert len(output.candidates) == 12
    assert all(len({c.parent for c in output.candidates if c.call == r.id}) == 1 for r in ctx.asked)
    assert isinstance(output.candidates[0], Candidate)


def test_the_usual_length_is_that_of_eight_in_ten_training_rows() -> None:
    lengths = [1, *range(5, 13), 90]
    train = [example(" ".join(["word"] * n), LATE) for n in lengths]
    assert usual_words(task_view(), train) == (5, 12)
    assert usual_words(task_view(), []) == (5, 20)
