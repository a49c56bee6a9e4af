from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pytest

from engine.data.records import Record
from engine.data.redaction import Rule, count_hits, redact, redact_texts
from engine.errors import RunError

MAIL = Rule(r"[\w.]+@[\w.]+", "[mail]")


def rows(*values: dict[str, Any]) -> list[Record]:
    return [Record(line, row) for line, row in enumerate(values, start=1)]


def test_every_text_of_a_row_is_redacted_but_the_kept_columns() -> None:
    found = redact(
        rows(
            {
                "text": "I am jo@x.org, not al@y.org",
                "label": "jo@x.org",
                "more": {"jo@x.org": ["a", {"deep": "jo@x.org"}], "n": 1},
            },
            {"text": "nothing here", "label": "b", "more": None},
        ),
        [MAIL],
        keep=("label",),
    )
    assert found.records[0].values == {
        "text": "I am [mail], not [mail]",
        "label": "jo@x.org",
        "more": {"[mail]": ["a", {"deep": "[mail]"}], "n": 1},
    }
    assert found.records[1].values == {"text": "nothing here", "label": "b", "more": None}
    assert [record.redacted for record in found.records] == [("text", "more"), ()]
    assert [record.line for record in found.records] == [1, 2]


def test_numbers_and_dates_that_match_become_text_and_others_stay_what_they_are() -> None:
    row = {"phone": 5551234, "born": date(1990, 5, 6), "age": 33, "yes": True, "none": None}
    found = redact(rows(row), [Rule(r"^555\d+$", "[phone]"), Rule(r"^\d{4}-\d\d-\d\d$", "[date]")])
    assert found.records[0].values == {
        "phone": "[phone]", "born": "[date]", "age": 33, "yes": True, "none": None,
    }  # fmt: skip


def test_rules_follow_each_other_and_count_what_they_changed() -> None:
    rules = [Rule("Jane", "Anna"), Rule("Anna", "[name]"), Rule("zebra", "")]
    found = redact(rows({"a": "Jane"}, {"a": "Anna"}, {"a": "Jane"}), rules)
    assert [r.values["a"] for r in found.records] == ["[name]"] * 3
    assert found.hits == [1, 2, 0]


@pytest.mark.parametrize("replacement", [r"\1", r"\\", r"\0$1", "a\\b", ""])
def test_the_replacement_is_text_and_nothing_else(replacement: str) -> None:
    assert redact(rows({"a": "x(y)"}), [Rule(r"\((y)\)", replacement)]).records[0].values == {
        "a": f"x{replacement}"
    }


def test_text_that_no_database_holds_is_redacted_all_the_same() -> None:
    found = redact(rows({"a": "jo@x.org \ud800 \x00"}, {"a": "\ud800"}), [MAIL])
    assert found.records[0].values["a"] == "[mail] \ufffd \x00"
    assert found.records[1].values["a"] == "\ud800"


def test_names_in_any_script_and_any_case() -> None:
    rule = Rule(r"(?i)\bfrau \p{L}+", "[name]")
    found = redact(rows({"a": "Grüße, FRAU Çelik und Frau Дмитриева."}), [rule])
    assert found.records[0].values["a"] == "Grüße, [name] und [name]."


@pytest.mark.runs
def test_patterns_that_take_python_for_ever_come_to_an_end() -> None:
    code = (
        "from engine.data.records import Record\n"
        "from engine.data.redaction import Rule, redact\n"
        "rows = [Record(1, {'a': 'a' * 50_000 + '!'})]\n"
        "for pattern in ('(a+)+$', '(a|a)*b', '(a|aa)+$', '(.*a){25}'):\n"
        "    redact(rows, [Rule(pattern, '')])\n"
    )
    # A process of its own: nothing but a kill ends a search that goes on for ever.
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_a_bad_pattern_never_lets_rows_through() -> None:
    with pytest.raises(RunError, match="missing"):
        redact(rows({"a": "x"}), [Rule("(", "")])


def test_acceptable_answers_beside_the_target_stay_as_they_are() -> None:
    record = Record(1, {"text": "ask jo@x.org", "to": "jo@x.org"}, references=("jo@x.org", "jo"))
    [found] = redact([record], [MAIL], keep=("to",)).records
    assert found == Record(
        1, {"text": "ask [mail]", "to": "jo@x.org"}, "", ("jo@x.org", "jo"), ("text",)
    )


def test_texts_are_redacted_and_their_hits_counted() -> None:
    rules = [MAIL, Rule("Jane", "Anna"), Rule("Anna", "[name]")]
    assert redact_texts(["jo@x.org or Jane", "Anna", "Anna"], rules) == [
        "[mail] or [name]", "[name]", "[name]",
    ]  # fmt: skip
    assert count_hits({"Jane", "Anna", "x"}, rules) == [0, 1, 2]
