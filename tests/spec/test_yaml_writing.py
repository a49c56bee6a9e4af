"""What is written into a YAML file is read back as it was, and everything else stands there byte for byte."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.spec.yaml import parse
from engine.spec.yaml_writing import appended, block, flow, listed

FILE = Path("written.yaml")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", "no", "0o17", "1e3", "~", "a: b", "a #b", "- a", "x = 'it''s'", r"\bno\b", "a\nb", "{a}"]
)
PATH = ("patterns", "taxonomy", "categories")
NEW = {"id": "new", "description": "It is new: quite.", "where": r"regexp_matches(t, '\bno\b')"}


@given(
    st.lists(st.fixed_dictionaries({"id": TEXTS, "of": st.lists(TEXTS)}), min_size=1, max_size=2)
)
def test_items_are_read_back(items: list[dict[str, str | list[str]]]) -> None:
    assert parse(listed(items), FILE).data == {"categories": items}
    below = f"a:\n    b:\n{block(items, 4)}\nc: d\n"
    assert parse(below, FILE).data == {"a": {"b": items}, "c": "d"}
    assert parse(f"a: [{flow(items)}]\n", FILE).data == {"a": items}


def test_sql_stays_readable() -> None:
    sql = r"regexp_matches(text, '(?i)\bnot\W+the\b')"
    assert block([{"id": "not-the", "where": sql}]) == f"- id: not-the\n  where: {sql}"
    assert listed([]) == "categories: []"


FORMS = {
    "block list": """\
# Of the desk.
patterns:
  # How they are sorted.
  taxonomy:
    mode: hybrid   # or closed
    categories:
    -   id: one    # the first
        description: "First."

    - {id: two, description: Second.}  # the second
  cluster: {k: 3}

train: {r: 1}  # short
""",
    "indented block list that ends the file without a line break": """\
patterns:
    taxonomy:
        categories:
            - id: one
              description: |
                Two lines
                of text.
              examples:
                - a
                # not the last word
                - b""",
    "flow list": "patterns: {taxonomy: {mode: closed, categories: [{id: one, description: x}]}} # end\n",
    "flow list, one item a line": """\
patterns:
  taxonomy:
    categories: [
      {id: one, description: x},  # first
      {id: two, description: y}   # second
    ]
""",
    "flow list with a comma at its end": """\
patterns:
  taxonomy: {categories: [
    {id: one, description: x},
    {id: two, description: y}, # second
  ]}
""",
    "flow list closed behind its last item": """\
patterns:
  taxonomy: {categories: [
    {id: one, description: x},
    {id: two, description: y}]}
""",
    "empty flow list": "patterns:\n  taxonomy:\n    categories: []  # none yet\n",
    "empty key": "patterns:\n  taxonomy:\n    categories:   # none yet\n    mode: hybrid\nseeds: [0]\n",
    "empty flow key": "patterns: {taxonomy: {categories: , mode: hybrid}}\n",
    "no list": "patterns:\n  taxonomy:\n    mode: hybrid # so\n\n# The end.\nseeds: [0]\n",
    "no list in a flow mapping": "patterns: {taxonomy: {mode: hybrid}, diagnose: 4}\n",
    "no taxonomy": "patterns:\n  diagnose: 4\nseeds: [0]\n",
    "no taxonomy in a flow mapping": "patterns: {diagnose: 4}\nseeds: [0]\n",
    "empty flow mapping": "patterns: {}\nseeds: [0]\n",
    "nothing": "seeds: [0]\n",
    "folded text at the end": "seeds: [0]\npatterns:\n  description: >-\n    A text\n\n    of parts.\n\n\n",
}  # fmt: skip


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_list_grows_and_nothing_else_moves(form: str, ends: str) -> None:
    text = form.replace("\n", ends)
    written = appended(text, PATH, [NEW, {"id": "newer", "examples": ["a", "b"]}], FILE)
    assert len(parse(written, FILE).data["patterns"]["taxonomy"]["categories"]) >= 2
    # All that was there is there in its order: comments, spaces, quotes, line breaks.
    left = iter(written)
    assert all(character in left for character in text)
    for comment in (line.partition("#")[2].strip() for line in text.splitlines()):
        assert f"# {comment}" in written or not comment
    assert ("\r" in written) == (ends == "\r\n")
    assert written.count("\n") == written.count(ends)


def test_block_items_stand_where_those_before_them_stand() -> None:
    written = appended(FORMS["block list"], PATH, [NEW], FILE)
    assert written == FORMS["block list"].replace(
        "# the second\n",
        '# the second\n    - id: new\n      description: "It is new: quite."\n'
        "      where: regexp_matches(t, '\\bno\\b')\n",
    )


def test_what_cannot_be_extended_is_left_alone() -> None:
    with pytest.raises(EngineError, match=r"patterns\.taxonomy\.categories cannot be extended"):
        appended("patterns: {taxonomy: many}\n", PATH, [NEW], FILE)
