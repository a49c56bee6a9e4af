"""What is written into a YAML file is read back as it was."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.spec.yaml import parse
from engine.spec.yaml_writing import block, flow, listed

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "",
        "no",
        "0o17",
        "1e3",
        "~",
        "a: b",
        "a #b",
        "- a",
        "x = 'it''s'",
        r"(?i)\bno\b",
        "a\nb",
        "'",
        "{a}",
        "[",
        "null",
    ]
)


@given(st.lists(st.fixed_dictionaries({"id": TEXTS, "where": TEXTS}), min_size=1, max_size=3))
def test_items_are_read_back(items: list[dict[str, str]]) -> None:
    file = Path("written.yaml")
    assert parse(listed(items), file).data == {"categories": items}
    assert parse(f"a:\n    b:\n{block(items, 4)}\nc: d\n", file).data == {
        "a": {"b": items},
        "c": "d",
    }
    assert parse(f"a: [{flow(items)}]\n", file).data == {"a": items}


def test_sql_stays_readable() -> None:
    sql = r"regexp_matches(text, '(?i)\bnot\W+the\b')"
    assert block([{"id": "not-the", "where": sql}]) == f"- id: not-the\n  where: {sql}"
    assert listed([]) == "categories: []"
