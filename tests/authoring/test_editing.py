"""A change at one place of a recipe: every other byte stays, and the recipe says what it is to say."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.authoring.editing import Edit, edited, lost_comments
from engine.authoring.exact import exact
from engine.errors import EngineError
from engine.spec.package_data import shipped
from engine.spec.reference.keys import schema_of
from engine.spec.yaml import KeyPath, parse, read_text

FILE = Path("recipe.yaml")
SHIPPED = sorted(
    file
    for file in shipped("recipes").rglob("*.yaml")
    if "recipe" in (parse(read_text(file), file).data)
)


def change(text: str, *edits: tuple[Any, ...]) -> str:
    return edited(text, FILE, [Edit(*each) for each in edits])


def paths(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    items: Any = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))


def outside(before: str, after: str) -> tuple[str, str]:
    """Return what of a text was replaced, and by what."""
    start = len(
        "".join(
            a
            for a, b in itertools.takewhile(
                lambda p: p[0] == p[1], zip(before, after, strict=False)
            )
        )
    )
    least = min(len(before), len(after)) - start
    end = sum(
        1 for _ in itertools.takewhile(lambda n: before[-1 - n] == after[-1 - n], range(least))
    )
    return before[start : len(before) - end], after[start : len(after) - end]


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("#")]


@functools.cache
def ends(text: str) -> dict[KeyPath, Any]:
    """Return the text of each key's value, by its path."""
    found: dict[KeyPath, Any] = {}

    def look(node: Any, path: KeyPath) -> None:
        found[path] = text[node.start_mark.index : node.end_mark.index].strip()
        for number, child in enumerate(node.value if not isinstance(node, yaml.ScalarNode) else ()):
            key, value = (
                (number, child)
                if isinstance(node, yaml.SequenceNode)
                else (child[0].value, child[1])
            )
            look(value, (*path, key))

    look(yaml.compose(text, Loader=yaml.BaseLoader), ())
    return found


def each_kind_of_key() -> Iterator[tuple[str, Any, KeyPath]]:
    """Yield text, data and path of each key of the shipped recipes, once for each way in which it is written."""
    seen = set()
    for file in SHIPPED:
        text = read_text(file)
        data, written = parse(text, file).data, ends(text)
        for path in paths(data):
            # An item is told by its list; in brackets or in lines; the first, the last or another one.
            beside = [one for one in written if one[:-1] == path[:-1] and one]
            place = (path == beside[0], path == beside[-1])
            kind = (str(path[-1]), written[path[:-1]][:1] in "{[", place)
            if kind not in seen:
                seen.add(kind)
                yield text, data, path


def test_each_kind_of_key_of_the_shipped_recipes_changes_at_its_place_alone() -> None:
    looked_at = 0
    for text, data, path in each_kind_of_key():
        node = data
        for part in path:
            node = node[part]
        if not isinstance(node, dict | list):
            looked_at += 1
            after = change(text, (path, "set", "new: value"))
            gone, new = outside(text, after)
            assert len(gone) <= len(ends(text)[path]), path
            assert "\n" not in new
            assert comments(after) == comments(text)
        after = change(text, (path, "remove"))
        left = text.splitlines()
        for line in after.splitlines():
            if line in left:
                left.remove(line)
        # The lines of the entry, or the one in which it stands; a comment in them is gone only with them.
        assert len(left) <= text.count("\n") - after.count("\n") + 2, path
        assert len(comments(after)) + len(comments("\n".join(left))) >= len(comments(text)), path
    assert looked_at > 60


def test_each_top_level_key_is_added_in_the_order_of_the_documentation() -> None:
    text = read_text(shipped("recipes") / "quickstart/recipe.yaml")
    for name, schema in schema_of("recipe")["properties"].items():
        if name in parse(text, FILE).data:
            continue
        after = change(text, ((name,), "set", schema["examples"][0]))
        gone, _ = outside(text, after)
        assert gone == "", name
        assert change(after, ((name,), "remove")) == text
    assert change(text, (("budget", "calls"), "set", 10)).splitlines()[-2:] == [
        "budget: {calls: 10}",
        "seeds: [0]",
    ]


TEXT = """\
# Head.

recipe: 1  # format
name:   odd
task:
  # Of the kind.
  kind: classification   # beside
  input:
  - text   # first
  # Of the second.
  - other
  description: >-
    Folded
    text.

  labels: {a: One, b: "T: wo"}   # labels
augment:
  operators:
    - name: paraphrase
      params: {variants: 3}
    - {name: typos}
vars: {
  data: data,  # where
  rows: 5
}
seeds:
"""


@pytest.mark.parametrize(
    ("edit", "gone", "new"),
    [
        ((("name",), "set", "even"), "odd", "even"),
        ((("task", "kind"), "set", "no"), "classification", '"no"'),
        ((("task", "kind"), "remove"), "kind: classification   ", ""),
        ((("task", "input", 0), "set", "a, b"), "text", "a, b"),
        ((("task", "input", 0), "remove"), "- text   ", ""),
        ((("task", "input", 2), "insert", "third"), "", "\n  - third"),
        ((("task", "input", 0), "insert", "zeroth"), "", "zeroth\n  - "),
        ((("task", "target"), "set", "label"), "", "  target: label\n"),
        ((("task", "description"), "set", "short"), ">-\n    Folded\n    text.", "short"),
        ((("task", "labels", "b"), "remove"), ', b: "T: wo"', ""),
        ((("task", "labels", "a"), "rename", "on"), "a", '"on"'),
        ((("task", "labels", "c d"), "set", "Three"), "", ", c d: Three"),
        ((("augment", "operators", 0, "name"), "remove"), "name: paraphrase\n      ", ""),
        ((("augment", "operators", 0, "params"), "remove"), "      params: {variants: 3}\n", ""),
        ((("augment", "operators", 0, "params", "variants"), "write", "0x10"), "3", "0x10"),
        ((("augment", "rows_per_round"), "set", 5), "", "  rows_per_round: 5\n"),
        ((("vars", "rows"), "remove"), None, None),
        ((("vars", "data"), "remove"), "data: data,", ""),
        ((("seeds",), "set", [0, 1]), "", " [0, 1]"),
        ((("seeds", 0), "insert", 7), "", " [7]"),
        ((("seeds",), "remove"), "seeds:\n", ""),
        ((("recipe",), "remove"), "recipe: 1  ", ""),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_change_takes_and_puts(edit: Any, gone: str | None, new: str | None) -> None:
    if gone is None:
        with pytest.raises(EngineError, match="change it in the YAML"):
            change(TEXT, edit)
        return
    after = change(TEXT, edit)
    assert sorted(outside(TEXT, after)[0]) == sorted(gone)
    assert sorted(outside(TEXT, after)[1]) == sorted(new or "")
    crlf = change(TEXT.replace("\n", "\r\n"), edit)
    assert crlf == after.replace("\n", "\r\n")


def test_items_trade_places_with_their_comments() -> None:
    after = change(TEXT, (("task", "input", 0), "swap"))
    assert "  - other\n  # Of the second.\n  - text   # first\n" in after
    after = change(TEXT, (("augment", "operators", 0), "swap"))
    assert "- {name: typos}\n    - name: paraphrase\n      params" in after


LISTED = """\
task:
  labels:
{margin}# First.
{margin}- Adresse ändern  # 32 rows

{margin}# Often wrong.
{margin}- "no"   # 2 rows
{margin}- "a: b"
  target: label
"""
NAMED = """\
task:
  labels:
    # First.
    Adresse ändern: ""  # 32 rows

    # Often wrong.
    "no": ""   # 2 rows
    "a: b": ""
  target: label
"""
LABELS = ["Adresse ändern", "no", "a: b"]


@pytest.mark.parametrize("margin", ["    ", "  "])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_list_becomes_names_and_names_a_list_with_the_comments(margin: str, ends: str) -> None:
    text = LISTED.replace("{margin}", margin).replace("\n", ends)
    named = change(text, (("task", "labels"), "set", dict.fromkeys(LABELS, "")))
    # A comment above the first item stays where it stands.
    assert named.replace("  # First.", "    # First.").replace("      #", "    #") == NAMED.replace(
        "\n", ends
    )
    back = change(named, (("task", "labels"), "set", LABELS))
    assert parse(back, FILE).data == parse(text, FILE).data
    assert [line.strip() for line in back.splitlines()] == [
        line.strip() for line in text.splitlines()
    ]


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        (LISTED.replace("{margin}", "    "), (("task", "labels"), "set", {"another": ""})),
        (LISTED.replace("{margin}", "    "), (("task", "labels"), "set", "text")),
        (NAMED, (("task", "labels"), "set", ["no"])),
        ("task: {labels: [a,  # one\n  b]}\n", (("task", "labels"), "set", {"a": "", "b": ""})),
        ("a:\n- b: 1  # one\n  c: 2\n", (("a", 0), "set", "b")),
        ("a: |  # one\n  text\nb:\n  c: 1\n  # two\n  d: 2\n", (("b",), "write", "3")),
    ],
)  # fmt: skip
def test_no_change_but_taking_out_loses_a_comment(text: str, edit: Any) -> None:
    with pytest.raises(EngineError, match="comments in it would be lost, such as '#"):
        change(text, edit)


def test_what_is_taken_out_says_which_comments_go_with_it() -> None:
    text = LISTED.replace("{margin}", "    ")
    after = change(text, (("task", "labels"), "remove"))
    assert lost_comments(text, after) == ["# First.", "# 32 rows", "# Often wrong.", "# 2 rows"]
    assert lost_comments(text, change(text, (("task", "labels", 0), "remove"))) == []


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ((("name", "below"), "set", 1), "cannot be changed"),
        ((("nothing",), "remove"), "cannot be changed"),
        ((("seeds", 3), "insert", 1), "cannot be changed"),
        ((("task", "input", 5), "remove"), "cannot be changed"),
        ((("task", "labels", "a"), "rename", "b"), "there is 'b' already"),
        ((("name",), "write", "two words"), "is no number"),
        ((("name",), "write", "1 # x"), "is no number"),
        ((("name",), "write", "1\nrecipe: 2"), "is no number"),
        ((("name",), "set", "\ud800"), "cannot be changed"),
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_changes_nothing(edit: Any, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        change(TEXT, edit)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["a\nb\n", " lead", "#no", "- x", "a: b", "${v}", "\u202e\ufeff", "🙂"])
    | st.sampled_from(["no", "1e3", "\t", "a\n\n b\n"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("ab: #-\n🙂", min_size=1, max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=40)
@given(VALUES)
def test_any_value_is_written_and_taken_out_again(value: Any) -> None:
    for path in (("task", "new"), ("augment", "operators", 0, "new"), ("vars", "new"), ("new",)):
        after = change(TEXT, (path, "set", value))
        wanted = copy.deepcopy(parse(TEXT, FILE).data)
        here: Any = wanted
        for part in path[:-1]:
            here = here[part]
        here[path[-1]] = value
        assert parse(after, FILE).data == wanted
        # What is in brackets over several lines with comments is taken out by hand.
        if path[0] != "vars":
            assert change(after, (path, "remove")) == TEXT


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_comes_back_byte_for_byte(ends: str, mark: str) -> None:
    text = mark + f"recipe: 1{ends}# 🙂 \u202e\u200b\u2028\ttab{ends}name: a{ends}"
    for one in (text, text + "\n", text + "x\r\ny\nz", ends, mark):
        raw = one.encode()
        assert exact(raw, FILE).bytes() == raw
