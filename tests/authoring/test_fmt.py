"""`pada fmt`: keys in order, one way of writing, comments where they belong, and never another meaning."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.authoring.formatting import formatted
from engine.authoring.tree import read_tree
from engine.authoring.writing import WIDTH
from engine.errors import RecipeError
from engine.spec.package_data import shipped
from engine.spec.yaml import parse

FILE = Path("recipe.yaml")
OWN = Path(__file__).parents[2]


def fmt(text: str) -> str:
    result = formatted(dedent(text), FILE)
    assert formatted(result, FILE) == result, "not the same when formatted again"
    return result


def check(text: str, wanted: str) -> None:
    assert fmt(text) == dedent(wanted)


def test_blocks_move_with_their_comments_and_blank_lines() -> None:
    check(
        """\
        # About this file.

        # How long it is trained.
        train:
          # Rank.
          r: 8   # small
          method: lora
          # Nothing follows.

        # What it is called.
        name: desk # short
        recipe: 1
        # The end.
        """,
        """\
        # About this file.

        recipe: 1

        # What it is called.
        name: desk  # short
        # How long it is trained.
        train:
          method: lora
          # Rank.
          r: 8  # small
          # Nothing follows.
        # The end.
        """,
    )


def test_comments_at_the_top_are_about_the_file() -> None:
    check("# a\n# b\nname: x\nrecipe: 1\n", "# a\n# b\nrecipe: 1\nname: x\n")


def test_keys_are_in_the_order_of_the_documentation_and_own_names_stay() -> None:
    check(
        """\
        seeds: [1]
        models: {embedder: {model: e, backend: b}, student: {adapter: a, model: m, backend: b}}
        task: {labels: {z: Last., a: First.}, target: t, params: {context: c, max_tokens: 3}, kind: extraction}
        vars: {z: z, name: n, recipe: r}
        recipe: 1
        """,
        """\
        recipe: 1
        vars: {z: z, name: n, recipe: r}
        task: {kind: extraction, target: t, params: {context: c, max_tokens: 3}, labels: {z: Last., a: First.}}
        models: {student: {backend: b, model: m, adapter: a}, embedder: {backend: b, model: e}}
        seeds: [1]
        """,
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "name: pad\nmethod: 1\noverrides: {train: {order: mixed, r: 3}}\n",
            "method: 1\nname: pad\noverrides: {train: {r: 3, order: mixed}}\n",
        ),
        (
            "mode: open\ncategories: [{where: a, id: b}]\ntaxonomy: 1\n",
            "taxonomy: 1\nmode: open\ncategories: [{id: b, where: a}]\n",
        ),
        (
            "rows: 1\nparams: {z: {default: 1, type: integer}, a: {}}\noperator: 1\n",
            "operator: 1\nparams: {z: {type: integer, default: 1}, a: {}}\nrows: 1\n",
        ),
        (
            "judge: {verdict: decides, rows_per_call: 1}\nname: a\npack: 1\n",
            "pack: 1\nname: a\njudge: {rows_per_call: 1, verdict: decides}\n",
        ),
    ],
)
def test_other_files(before: str, after: str) -> None:
    check(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Numbers and words stay as they are written.
        ("a: 1e-4\nb: 0x10\nc: 1_000\nd: 0o17\ne: +1\nf: .5\ng: 1.50\nh: 007", None),
        ("a: no\nb: yes\nc: off\nd: ~\ne:\nf: null\ng: True\nh: 2026-05-01\ni: 1:30", None),
        # Quotes are left out where nobody reads the text as anything else, and only there.
        ("a: 'plain text'\nb: \"x\"", "a: plain text\nb: x"),
        ("a: \"no\"\nb: 'off'\nc: '1'\nd: '1e3'\ne: ''\nf: '~'", 'a: "no"\nb: "off"\nc: "1"\nd: "1e3"\ne: ""\nf: "~"'),
        ("a: '2026-05-01'\nb: '1_000'\nc: '1:30'", 'a: "2026-05-01"\nb: "1_000"\nc: "1:30"'),
        ("a: 'x: y'\nb: ' x'\nc: '#x'\nd: 'x #y'\ne: '- x'", 'a: "x: y"\nb: " x"\nc: "#x"\nd: "x #y"\ne: "- x"'),
        ("a: '\\d+'\nb: 'say \"a\"'\nc: 'it''s: so'", "a: \\d+\nb: say \"a\"\nc: \"it's: so\""),
        ("a: '\\d: +'", None),
        ('a: "${data}/x"\nb: ["${c}"]', None),
        ('a: "\\u00e9\\n"\nb: "\\x1b[0m"', None),
        ("a: Grüße 😀\nb: \"日本: x\"\nc: '日本'", "a: Grüße 😀\nb: \"日本: x\"\nc: 日本"),
        # Brackets.
        ("a: [ 1,2 ,3 ]\nb: { x : 1,y: [] }\nc: {}\nd: [\n]", "a: [1, 2, 3]\nb: {x: 1, y: []}\nc: {}\nd: []"),
        ("a: {b, c: }", "a: {b: null, c: null}"),
        ("a: [b: 1, c]", "a: [{b: 1}, c]"),
        ('a: ["x, y", "[z", \'q\']', 'a: ["x, y", "[z", q]'),
        ("a:\n- 1\n-   - 2\n    - 3\n- b: 1\n  c: 2", "a:\n  - 1\n  - - 2\n    - 3\n  - b: 1\n    c: 2"),
        ("a:\n      b:\n           c: 1", "a:\n  b:\n    c: 1"),
        ("? a\n: b\n? [x]\n", None),
    ],
)  # fmt: skip
def test_one_way_of_writing(before: str, after: str | None) -> None:
    head = "recipe: 1\n"
    if before.startswith("?"):
        with pytest.raises(RecipeError, match="a key must be text"):
            fmt(f"{head}{before}")
        return
    assert fmt(f"{head}vars:\n" + indented(before)) == f"{head}vars:\n" + indented(after or before)


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.split("\n"))


def test_brackets_that_are_too_long_become_lines() -> None:
    names = [f"category_{number}" for number in range(12)]
    text = f"recipe: 1\nvars: {{a: [{', '.join(names)}], b: [x, y]}}\n"
    assert fmt(text) == (
        "recipe: 1\nvars:\n  a:\n" + "".join(f"    - {name}\n" for name in names) + "  b: [x, y]\n"
    )
    fits = "x" * (WIDTH - len("name: []"))
    assert fmt(f"recipe: 1\nname: [{fits}]\n") == f"recipe: 1\nname: [{fits}]\n"
    assert fmt(f"recipe: 1\nname: [{fits}x]\n") == f"recipe: 1\nname:\n  - {fits}x\n"


def test_comments_in_brackets_and_behind_dashes() -> None:
    check(
        """\
        recipe: 1
        seeds: [ # which
          0, # first
          # then
          1
          # done
        ]   # all
        metrics:
        - # why
          name: a
        # next
        -   accuracy # usual
        vars: { # none
        }
        """,
        """\
        recipe: 1
        vars:  # none
          {}
        metrics:
          # why
          - name: a
          # next
          - accuracy  # usual
        # which
        seeds:  # all
          - 0  # first
          # then
          - 1
          # done
        """.replace("vars:  # none\n          {}\n", "vars: {}  # none\n"),
    )


def test_blocks_of_text() -> None:
    check(
        """\
        recipe: 1
        vars:
            a: |      # kept
                  one
                    two

                  three
            b: >-
              long
              text

            c: |+
              x


            d: |2-
                starts with blanks
            e: "many
              lines \\
              long"
            f: plain
               text
            # end
        """,
        """\
        recipe: 1
        vars:
          a: |  # kept
            one
              two

            three
          b: >-
            long
            text

          c: |+
            x


          d: |2-
              starts with blanks
          e: "many
            lines \\
            long"
          f: plain
            text
          # end
        """,
    )
    assert fmt("recipe: 1\nname: |+\n  x\n\n\n") == "recipe: 1\nname: |+\n  x\n\n\n"
    assert fmt("recipe: 1\nname: |\n  x\n\n\n") == "recipe: 1\nname: |\n  x\n"


def test_other_marks_of_a_document_go_and_a_last_line_comes() -> None:
    assert fmt("%YAML 1.2\n---\n# a\nname: x\nrecipe: 1\n...\n") == "# a\nrecipe: 1\nname: x\n"
    assert fmt("\n\n\nrecipe: 1\n\n\n\nname: x") == "recipe: 1\n\nname: x\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe: 1\nname: a\nname: b\n", "recipe.yaml:3:1: error: the key 'name' is given twice"),
        ("recipe: 1\n\tname: a\n", "recipe.yaml:2:1: error: a tab stands here"),
        ("recipe: 1\nname: &a b\n", "the anchor '&a' is not allowed"),
        ("recipe: 1\nname: !!str b\n", "the tag '!!str' is not allowed"),
        ("recipe: [1\n", "not valid YAML"),
        ("", "the file is empty"),
        ("- a\n", "the file must be a mapping"),
        ("name: x\n", "this file does not say what it is"),
        ("recipe: 2\n", "recipe.yaml:1:9: error: this recipe has format 2 and is made for a newer engine"),
        ("recipe: '1'\n", "recipe must be a format version"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        formatted(text, FILE)
    assert said in str(caught.value)


@pytest.mark.parametrize("folder", ["recipes", "prompts", "engine/operators"])
def test_the_engines_own_files_say_the_same(folder: str) -> None:
    files = sorted(OWN.joinpath(folder).rglob("*.yaml"))
    assert files
    for file in files:
        text = file.read_text("utf-8")
        result = formatted(text, file)
        before, after = read_tree(text, file), read_tree(result, file)
        assert before.document.data == after.document.data
        assert before.comments == after.comments
        own = re.compile(r"^ *(#.*)$", re.MULTILINE)
        assert sorted(own.findall(text)) == sorted(own.findall(result))


def test_a_large_file(tmp_path: Path) -> None:
    item = (
        "  - {id: c_%d, description: 'What goes wrong here, in words that take some room.'}  # %d\n"
    )
    text = "taxonomy: 1\ncategories:\n" + "".join(item % (n, n) for n in range(300))
    result = formatted(text, tmp_path / "taxonomy.yaml")
    assert result.count("\n") == text.count("\n")
    assert 'id: c_299, description: "What goes' in result


# Documents as people might write them.

_NAMES = st.sampled_from(
    ["name", "train", "r", "vars", "task", "labels", "seeds", "a b", "no", "x", "#y", "1"]
)
_SCALARS = st.one_of(
    st.sampled_from(["no", "1e-4", "~", "a: b", "# x", "x\ny", " x ", "\\d", "'", '"', "- a", "日本", "${v}", ""]),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12),
    st.integers(-5, 10**6), st.booleans(), st.none(), st.floats(-10, 10, allow_nan=False),
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=3)
    ),
    max_leaves=10,
)
_DOCUMENTS = st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=5)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_DOCUMENTS, st.sampled_from([True, False, None]), st.randoms(use_true_random=False))
def test_whatever_is_written_keeps_its_meaning_and_its_comments(
    document: dict[str, object], flow: bool | None, random: object
) -> None:
    text = yaml.safe_dump(
        {**document, "recipe": 1},
        allow_unicode=True,
        default_flow_style=flow,
        sort_keys=False,
        width=60,
    )
    lines = []
    for number, line in enumerate(text.splitlines()):
        room = line and not line.startswith((" ", "-", "?", ":", "}")) and not flow
        if room and random.random() < 0.5:  # type: ignore[attr-defined]
            lines.append(f"# {number}")
        lines.append(line)
    commented = "\n".join(lines) + "\n"
    try:
        before = parse(commented, FILE).data
    except RecipeError:
        return
    result = formatted(commented, FILE)
    after = read_tree(result, FILE)
    assert json.dumps(after.document.data, sort_keys=True) == json.dumps(before, sort_keys=True)
    assert after.comments == sorted(line for line in commented.splitlines() if line[:2] == "# ")
    assert formatted(result, FILE) == result
    # Names of one's own stay in their order.
    if isinstance(before.get("vars"), dict):
        assert list(after.document.data["vars"]) == list(before["vars"])


def test_shipped_recipes_are_where_they_are_said_to_be() -> None:
    assert (shipped("recipes") / "quickstart" / "recipe.yaml").is_file()
