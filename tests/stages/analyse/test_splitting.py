"""name, where a cluster is not coherent: it is split as the namer proposes, once, and its parts are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.rows import Pattern, PatternMember
from engine.stages.analyse.splitting import links_of_parts
from engine.stages.outputs import NamedPatterns
from tests.stages.analyse.kinds import KINDS, Case, case, named
from tests.stages.scripted_context import ScriptedContext

CAUSES = [("The date is overlooked.", "A date is told.")] * 4 + [
    (f"The sum is wrong in way {way}.", "A sum is told.") for way in ("one", "two", "three")
]
"""Four diagnoses word for word, shown as d1, and three that are shown as d2, d3 and d4."""


def seven() -> Case:
    labels = ("late", "rude", "broken")
    return case(
        "classification",
        [({"text": label}, label) for label in labels],
        [({"text": f"row {i}"}, labels[i % 3], labels[(i + 1) % 3]) for i in range(len(CAUSES))],
    )


def words(name: str, parts: Sequence[Sequence[str]] = (), coherent: bool = False) -> dict[str, Any]:
    return {
        "reasoning": "They differ.", "name": name, "description": "It is told by what is there.",
        "includes": [], "excludes": [], "coherent": coherent,
        "parts": [{"cause": "It has one.", "diagnoses": list(ids)} for ids in parts],
    }  # fmt: skip


def split(
    *replies: Any, pack: str = "frontier", **changes: Any
) -> tuple[NamedPatterns, ScriptedContext]:
    left = iter(replies)
    return named(seven(), lambda *_: next(left), pack, size=7, words=CAUSES, **changes)


def sizes(output: NamedPatterns) -> list[tuple[str, int]]:
    return [(pattern.name, pattern.size) for pattern in output.patterns]


def test_the_parts_are_those_that_the_namer_proposes_and_are_named_in_their_place() -> None:
    output, context = split(
        words("Both", [["d1"], ["d2", "d3"]]), words("Dates"), words("Sums", [["d1"], ["d2"]])
    )
    # What was not put into a part, d4, is nearest to the sums.
    assert sizes(output) == [("Dates", 4), ("Sums", 3)]
    dates, sums = output.patterns
    assert {dates.split_from, sums.split_from} == {"p-0"}
    assert len({dates.id, sums.id, "p-0"}) == 3
    by_pattern = output.by_pattern
    assert {m.example for m in by_pattern[dates.id]} == {f"validation {i}" for i in range(4)}
    assert {m.example for m in by_pattern[sums.id]} == {f"validation {i}" for i in range(4, 7)}
    assert all(m.distance < 0.3 for members in by_pattern.values() for m in members)
    linked = [(link.pattern, link.parent, link.kind, link.shared) for link in output.links]
    assert linked == [(dates.id, "p-0", "part", 4), (sums.id, "p-0", "part", 3)]
    assert all(0.3 < (link.similarity or 0) < 1 for link in output.links)
    assert len(context.asked) == 3, "a part is not split again"
    whole, *parts = context.prompts
    assert "- d1: 4 mistakes:" in whole
    assert "`parts`" in whole
    for prompt in parts:
        assert not re.search("`parts`|- d1|Both", prompt)
    assert "parts" in (context.asked[0].schema or {})["properties"]
    assert "parts" not in (context.asked[1].schema or {})["properties"]
    # The other part is what it must be told apart from.
    assert "# The nearest other cluster" in parts[0]


def test_what_a_reply_says_of_ids_that_are_none_or_twice_is_a_drop_and_the_rest_holds() -> None:
    output, _ = split(
        words("Both", [["d1", "d4"], ["D2", "d3", "d4", "d99"]]), words("Dates"), words("Sums")
    )
    assert sizes(output) == [("Dates", 4), ("Sums", 3)]
    assert [(drop.stage, drop.item, drop.reason) for drop in output.drops] == [
        ("name", "p-0 d4", "twice_in_reply"), ("name", "p-0 d99", "not_asked"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "reply",
    [
        words("One", []),
        words("One", [["d1"]]),
        # One mistake is no part.
        words("One", [["d1"], ["d2"]]),
        words("One", [["d1"], ["d9"]]),
        words("One", [["d1"], ["d2", "d3"]], coherent=True),
    ],
)
def test_a_cluster_without_two_parts_stays_whole(reply: Any) -> None:
    output, context = split(reply)
    assert sizes(output) == [("One", 7)]
    assert output.patterns[0].split_from is None
    assert len(context.asked) == 1


def test_a_cluster_of_three_has_no_two_parts_of_two_and_is_not_asked_about_them() -> None:
    _, context = named(KINDS["classification"](), lambda *_: words("One"), "frontier", size=3)
    assert "`parts`" not in context.prompts[0]
    assert "parts" not in (context.asked[0].schema or {})["properties"]


def test_a_small_teacher_splits_nothing() -> None:
    reply = {"name": "One of them", "description": "It is told by what is there."}
    output, context = split(reply, pack="small")
    assert sizes(output) == [("One of them", 7)]
    assert "parts" not in context.prompts[0]


def test_a_pattern_that_goes_on_is_not_split() -> None:
    old = Pattern("p-0", "Old", "Old words.", None, 3, (1.0,), None, "call", None, coherent=False)
    output, context = split(earlier=[old])
    assert (sizes(output), context.asked) == ([("Old", 7)], [])


def test_a_part_whose_name_is_unusable_has_a_neutral_one_and_is_still_a_part() -> None:
    output, _ = split(words("Both", [["d1"], ["d2", "d3"]]), None, words("Sums"))
    first, second = output.patterns
    assert (first.size, second.size, second.name) == (4, 3, "Sums")
    assert (first.guard or "").startswith("replaced")
    assert first.split_from == "p-0"


def test_a_part_may_come_from_an_earlier_pattern_that_another_cluster_continues() -> None:
    def pattern(name: str, size: int, of: str | None = None) -> Pattern:
        return Pattern(name, name, "", None, size, (1.0, 0.0), None, None, None, split_from=of)

    old = [PatternMember("p-old", f"e{i}", f"d{i}", 0.1, None) for i in range(3)]
    gone = [PatternMember("p-gone", f"f{i}", f"g{i}", 0.1, None) for i in range(3)]
    earlier = NamedPatterns((pattern("p-old", 3), pattern("p-gone", 3), *old, *gone))
    members = {"p-a": ["e0", "e1", "x"], "p-b": ["f0", "f1", "f2"], "p-c": ["e2", "y", "z"]}
    parts = [pattern(part, 3, "p-0") for part in members]
    links = links_of_parts(parts, members, {"p-0": (0.6, 0.8)}, [earlier], {"p-old"})
    assert [(link.pattern, link.parent, link.kind, link.shared, link.similarity) for link in links] == [
        ("p-a", "p-0", "part", 3, 0.6), ("p-a", "p-old", "split", 2, 1.0),
        ("p-b", "p-0", "part", 3, 0.6), ("p-c", "p-0", "part", 3, 0.6),
    ]  # fmt: skip


def test_every_kind_of_task_and_the_same_reply_give_the_same_parts() -> None:
    def reply(role: str, request: Request) -> Any:
        shown = "`parts`" in request.messages[-1].content
        return words(request.id[:12], [["d1", "d2"], ["d3", "d4"]] if shown else [])

    for kind in KINDS:
        one = KINDS[kind]()
        if len(one.failures) < 2:
            continue
        twice = case_of_four(one)
        output, _ = named(twice, reply, "standard", size=4)
        assert [p.size for p in output.patterns] == [2, 2]
        assert named(twice, reply, "standard", size=4)[0] == output


def case_of_four(one: Case) -> Case:
    """Return the same task with its failed rows twice, so that there are four of them."""
    failing = {f.example for f in one.failures}
    rows = [replace(e, id=f"{e.id} {copy}") for e in one.rows if e.id in failing for copy in "ab"][
        :4
    ]
    told = {p.example: p for p in one.predictions}
    return Case(
        one.task,
        (*(e for e in one.rows if e.split == "train"), *rows),
        tuple(replace(told[e.id.rsplit(" ", 1)[0]], example=e.id) for e in rows),
    )


def misfitting(reply: Any, *ids: str) -> Any:
    return {**reply, "misfits": list(ids)}


def test_misfits_are_of_no_pattern_and_each_is_a_drop() -> None:
    output, context = split(misfitting(words("Dates", coherent=True), "D4", "d9"))
    assert sizes(output) == [("Dates", 6)]
    dropped = [(drop.stage, drop.item, drop.reason) for drop in output.drops]
    assert dropped == [("name", "p-0 d9", "not_asked"), ("name", "d validation 6", "misfit")]
    assert {m.example for m in output.members} == {f"validation {i}" for i in range(6)}
    assert "- d4: " in context.prompts[0]
    assert "- `misfits`: the ids" in context.prompts[0]


def test_where_most_are_misfits_none_is() -> None:
    output, _ = split(misfitting(words("Sums", coherent=True), "d1"))
    assert sizes(output) == [("Sums", 7)]
    assert not output.drops


def test_misfits_go_into_no_part() -> None:
    whole = misfitting(words("Both", [["d1"], ["d2", "d3"]]), "d4")
    output, context = split(whole, words("Dates"), words("Sums"))
    assert sizes(output) == [("Dates", 4), ("Sums", 2)]
    assert [drop.item for drop in output.drops] == ["d validation 6"]
    assert "or among the `misfits` if it fits none" in context.prompts[0]
    assert "`misfits`" not in context.prompts[1], "of a part none is asked for"
    both = misfitting(words("Both", [["d1"], ["d2", "d3", "d4"]]), "d4")
    output, _ = split(both, words("Dates"), words("Sums"))
    assert sizes(output) == [("Dates", 4), ("Sums", 3)], "what is in two places is in none"
    assert [drop.reason for drop in output.drops] == ["twice_in_reply"]


def test_of_two_mistakes_none_is_a_misfit() -> None:
    _, context = named(KINDS["classification"](), lambda *_: words("One"), "frontier", size=2)
    assert "`misfits`" not in context.prompts[0]
    assert "misfits" not in (context.asked[0].schema or {})["properties"]


def test_of_explanations_worded_alike_neither_parts_nor_misfits_are_asked_for() -> None:
    one = KINDS["classification"]()
    alike = [("The date is overlooked.", "A date is told.")] * len(one.failures)
    _, context = named(one, lambda *_: words("One"), "frontier", size=9, words=alike)
    assert not re.search("`parts`|`misfits`|- d1", context.prompts[0])
