"""Users' regular expressions: which can be used, and why others cannot."""

from __future__ import annotations

import pytest

from engine.sql.patterns import check_pattern


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(open", "missing )"),
        ("(?=ahead)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("(a{900}){900}", "invalid repetition size"),
        ("x*", "matches the empty text"),
        ("a|", "matches the empty text"),
        ("", "is empty"),
    ],
)
def test_patterns_that_cannot_be_used_say_why(pattern: str, message: str) -> None:
    fault = check_pattern(pattern)
    assert fault is not None
    assert message in fault.message
    assert fault.hint


def test_good_patterns_pass() -> None:
    assert check_pattern(r"(?i)\b[a-z]+@[a-z.]+\b") is None
