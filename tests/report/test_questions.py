"""docs/sql.md: each query runs, and answers what stands below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.questions import DOCUMENT, answer, answered, filled

pytestmark = pytest.mark.runs


def test_twenty_questions_are_answered_as_the_document_says(tmp_path: Path) -> None:
    filled().save(tmp_path)
    text = DOCUMENT.read_text("utf-8")
    found = answered(text)
    assert len(found) == text.count("```sql") == text.count("\n### ") == 20
    for query, said in found:
        now = answer(tmp_path, query)
        assert now == said, f"`python -m tests.report.questions` writes the answers anew: {query}"
        assert "\n0 rows" not in now
