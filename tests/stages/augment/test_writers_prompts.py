"""generate: what a writer is told and what not: secret rows, labels near the targets, whom a strategy binds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from engine.rows import Convention
from engine.stages.augment.generate import GENERATE
from engine.stages.augment.prompts import MOST_NEAR
from engine.stages.outputs import Clustered, Drafted, Loaded, NamedPatterns, Scored
from tests.stages.augment.test_generate import (
    PATTERN,
    STRATEGY,
    answer,
    inputs,
    judged,
    params,
    run,
    used,
)
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import BROKEN, LATE, LOADED, VALIDATION, example, task_view

# Secret rows.


class Warned(ScriptedContext):
    """A context in which a stage may warn."""

    warned = ""

    def warn(self, text: str) -> None:
        self.warned += text


def test_what_cannot_be_asked_at_all_is_not_sent_and_is_a_drop_for_every_row() -> None:
    quoting = replace(PATTERN, name=VALIDATION[0].inputs["text"])
    output, ctx = run(params(), inputs(name=NamedPatterns((quoting,))))
    assert not ctx.asked
    assert Counter(d.reason for d in output.drops) == {"prompt_leak": 12}


def test_a_sentence_that_holds_an_evaluation_row_is_not_told_and_costs_no_row() -> None:
    secret = VALIDATION[0].inputs["text"]
    about = replace(PATTERN, description=f"It is late. As in {secret}! No more.")
    quoting = replace(
        STRATEGY, text=f"Say when. Write as in: {secret}.", must=("be short", secret), must_not=()
    )
    ctx = Warned(answer, attempt=1)
    given = inputs(name=NamedPatterns((about,)), strategy=Drafted((quoting,)))
    output = GENERATE.run(params(), given, ctx)
    assert len(output.candidates) == 12
    assert not output.drops
    (prompt, *_) = ctx.prompts
    assert "It is late. No more." in prompt
    assert "How to write rows that help: Say when.\n" in prompt
    assert "- be short\n" in prompt
    assert not [p for p in ctx.prompts if secret in p]
    assert "'Late and broken'" in ctx.warned


def test_an_earlier_row_that_holds_an_evaluation_row_is_not_shown_and_costs_no_row() -> None:
    """Every later call of a pattern was refused for one short evaluation row in an accepted row."""
    first, _ = run(params(), inputs())
    secret = VALIDATION[0].inputs["text"]
    holding = tuple(
        replace(c, inputs={"text": f"well {secret} and more"}) if c.target == LATE else c
        for c in first.candidates
    )
    attempt = judged(replace(first, rows=holding), 1, {BROKEN: ("judge", "No.")})
    second, ctx = run(params(), inputs(attempts=(attempt,)))
    assert second.candidates
    assert not second.drops
    assert "Rows that were written already" in ctx.prompts[0]


def test_a_training_row_in_which_an_evaluation_row_stands_is_left_out_once_and_costs_no_row() -> (
    None
):
    secret = VALIDATION[0].inputs["text"]
    train = [example(f"add {i} and {i + 1}", str(2 * i + 1)) for i in range(6)]
    train.append(example("what do they say", f"they say {secret} each day"))
    task = task_view("generation")
    given = inputs(load=Loaded((*train, *VALIDATION)), score=Scored(), strategy=None, name=None)
    output, ctx = run(params(used(), used("paraphrase"), task=task, rows_per_call=3), given)
    assert [(d.item, d.reason) for d in output.drops] == [(train[-1].id, "seed_holds_evaluation")]
    assert len(output.candidates) == 12
    assert not [p for p in ctx.prompts if secret in p]


def test_where_training_rows_meet_as_an_evaluation_row_the_call_is_planned_again() -> None:
    """Two rows side by side in the list that stands for a label read as one evaluation row."""
    train = [example(f"my {word} box has come", LATE) for word in ("first", "next", "last")]
    train += [example(f"the {word} jar is broken", BROKEN) for word in ("blue", "green", "big")]
    meeting = example("box has come my next box", LATE, "validation")
    given = inputs(load=Loaded((*train, meeting)), score=Scored(), cluster=Clustered())
    output, ctx = run(params(rows_per_call=4), given)
    assert meeting.inputs["text"] not in " ".join(ctx.prompts).replace('"; "', " ")
    assert not [d for d in output.drops if d.reason == "prompt_leak"]


def test_a_row_that_cannot_be_asked_for_costs_no_other_row() -> None:
    """The rows that define one label read as an evaluation row in whatever order they stand."""
    load = many_labels(labels=20)
    one, two = "w5 w6 sort one", "w5 w6 sort two"
    secret = [example(f"{a} {b}", "label05", "validation") for a, b in ((one, two), (two, one))]
    given = inputs(
        load=Loaded((*load.examples, *secret)),
        score=Scored(), name=None, strategy=None, cluster=None,
    )  # fmt: skip
    output, ctx = run(params(rows_per_call=10, rows_per_round=20), given)
    # It is defined for its own rows, and for those of the labels on both sides of it.
    refused = Counter(d.item for d in output.drops if d.reason == "prompt_leak")
    by_id = {e.id: e.target for e in load.examples}
    assert {by_id[item] for item in refused} == {"label04", "label05", "label06"}
    assert refused.total() == 3
    assert len(output.candidates) == 17
    assert not [p for p in ctx.prompts if f'"{one}"; "{two}"' in p or f'"{two}"; "{one}"' in p]


def test_the_prompts_own_words_are_no_secret() -> None:
    """A prompt that says by itself what an evaluation row says could never be sent."""
    own = example("The model still makes mistakes of one kind", LATE, "validation")
    listed = example("broken late rude", LATE, "validation")
    output, _ = run(params(), inputs(load=Loaded((*LOADED.examples, own, listed))))
    assert len(output.candidates) == 12


# Labels that are told.


def many_labels(*, labels: int) -> Loaded:
    """Return rows of labels that lie in a line: each shares a word with the next."""
    return Loaded(
        tuple(
            example(f"w{i} w{i + 1} sort {side}", f"label{i:02}")
            for i in range(labels)
            for side in ("one", "two")
        )
    )


@pytest.mark.parametrize("analysed", [True, False])
def test_the_labels_nearest_to_the_targets_are_defined_too(analysed: bool) -> None:
    pair = {"right": "label05", "wrong": "label06", "share": 1.0}
    changes: dict[str, Any] = {"load": many_labels(labels=20), "score": Scored()}
    if analysed:
        changes["strategy"] = Drafted((replace(STRATEGY, pairs=(pair,)),))
    else:
        changes |= {"name": None, "strategy": None, "cluster": None}
    _, ctx = run(params(rows_per_call=2, rows_per_round=2), inputs(**changes))
    (prompt,) = ctx.prompts
    targets = {int(label) for label in re.findall(r'target "label(\d\d)"', prompt)}
    wanted = {n + step for n in targets for step in (-1, 0, 1)} & set(range(20))
    defined = {int(label) for label in re.findall(r'^- label(\d\d): "w', prompt, re.M)}
    assert defined == wanted


def test_a_call_for_many_labels_defines_them_and_a_bounded_number_of_others() -> None:
    load = many_labels(labels=60)
    given = inputs(load=load, score=Scored(), name=None, strategy=None, cluster=None)
    _, ctx = run(params(rows_per_round=30, rows_per_call=10), given)
    for prompt in ctx.prompts:
        targets = set(re.findall(r'target "(label\d\d)"', prompt))
        defined = set(re.findall(r'^- (label\d\d): "w', prompt, re.M))
        assert targets < defined
        assert len(defined) <= len(targets) + MOST_NEAR


# Whom a strategy binds.


@pytest.mark.parametrize("name", ["new_situation", "contrast_pair"])
def test_a_strategys_features_bind_no_row_whose_label_they_would_make_wrong(name: str) -> None:
    binding = replace(STRATEGY, must=("say it is late",), must_not=("name a jar",))
    _, ctx = run(params(used(name)), inputs(strategy=Drafted((binding,))))
    label = "target" if name == "new_situation" else "new label"
    for prompt in ctx.prompts:
        assert f"must, unless that would make its {label} wrong:\n- say it is late\n" in prompt
        assert f"No row may, unless its {label} needs it:\n- name a jar\n" in prompt


def test_where_rows_bring_their_own_target_a_strategys_features_bind_all() -> None:
    train = [example(f"add {i} and {i + 1}", str(2 * i + 1)) for i in range(6)]
    binding = replace(STRATEGY, pairs=(), must=("carry a digit",))
    given = inputs(
        load=Loaded(tuple(train)), score=Scored(), cluster=None, strategy=Drafted((binding,))
    )
    _, ctx = run(params(task=task_view("numeric")), given)
    assert ctx.prompts
    assert all("Every row must:\n- carry a digit\n" in prompt for prompt in ctx.prompts)
    assert not any("for contrast" in prompt for prompt in ctx.prompts)


def test_rows_of_the_label_given_by_mistake_need_not_be_like_the_mistakes() -> None:
    _, ctx = run(params(), inputs())
    assert all("are there for contrast: they need not" in prompt for prompt in ctx.prompts)
    nothing = inputs(name=None, strategy=None, cluster=None)
    _, ctx = run(params(errors_first=False), nothing)
    assert ctx.prompts
    assert not any('"near"' in prompt for prompt in ctx.prompts)


def test_a_call_is_told_the_rules_for_the_labels_of_its_rows_and_rules_of_annotation() -> None:
    rule = Convention("v", "A jar is a box.", 2, "call")
    secret = Convention("w", VALIDATION[0].inputs["text"], 2, "call")
    bound = replace(
        STRATEGY, must=("say when", "be short"), rule_labels={"must": {"say when": ("no such",)}}
    )
    given = inputs(name=NamedPatterns((PATTERN, rule, secret)), strategy=Drafted((bound,)))
    _, ctx = run(params(), given)
    for prompt in ctx.prompts:
        assert "show:\n- A jar is a box.\n" in prompt
        assert secret.text not in prompt
        assert "- be short\n" in prompt
        assert "say when" not in prompt


@pytest.mark.parametrize(
    ("lengths", "said"), [((4, 4), "4 words:"), ((1, 1), "1 word:"), ((2, 3), "2 to 3 words:")]
)
def test_a_range_with_equal_ends_is_one_number(lengths: tuple[int, int], said: str) -> None:
    texts = [" ".join(f"w{i}{n}" for n in range(lengths[i % 2])) for i in range(10)]
    train = [example(text, (LATE, BROKEN)[i % 2]) for i, text in enumerate(texts)]
    given = inputs(load=Loaded((*train, *VALIDATION)), score=Scored(), cluster=Clustered())
    for operator in ("new_situation", "paraphrase", "contrast_pair"):
        _, ctx = run(params(used(operator)), given)
        assert f"training rows have {said} keep" in ctx.prompts[0]
