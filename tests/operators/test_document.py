"""The page of operators is current, and what stands there by hand is left alone."""

from __future__ import annotations

import pytest

from engine.operators import ROW_FUNCTIONS, find_operators
from engine.operators.document import BEGIN, END, PAGE, page


def test_the_page_is_what_the_folders_say() -> None:
    current = PAGE.read_text("utf-8")
    assert page(current) == current, "run python -m engine.operators.document"


def test_every_operator_and_row_function_is_there() -> None:
    text = PAGE.read_text("utf-8").partition(BEGIN)[2]
    for name in find_operators(None):
        assert f"\n### {name}\n" in text
        assert f"\n| `{name}` |" in text
    for name in ROW_FUNCTIONS:
        assert f"\n| `{name}` |" in text


def test_what_is_written_by_hand_stays() -> None:
    written = page(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert written.startswith(f"before\n{BEGIN}\n")
    assert written.endswith(f"{END}\nafter\n")
    assert "\nold\n" not in written
    with pytest.raises(ValueError, match="has not both marks"):
        page("before and after")
