"""Prompts on pages, rendered with rows of the recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.site.pages.gathering import Wanted, facts_of
from tests.site.trees import WORDS, write_recipe, write_tree

pytestmark = pytest.mark.runs


def test_prompts_are_shown_with_training_rows_alone_and_without_what_is_redacted(
    tmp_path: Path,
) -> None:
    root = write_tree(tmp_path / "mail").resolve()
    rule = "privacy: {redact: [{pattern: number, with: HIDDEN}]}\nmetrics: [accuracy]"
    recipe = write_recipe(root / "invoices", ("metrics: [accuracy]", rule))
    facts = facts_of(Wanted(recipe, root, rows=True))
    assert not facts.problems
    shown = {prompt.stage: prompt for prompt in facts.prompts if prompt.rendered}
    assert shown.keys() >= {"predict", "diagnose", "name", "generate"}
    text = "\n".join(words for prompt in facts.prompts for _, words in prompt.turns)
    assert f"{WORDS['train']} bill HIDDEN" in text
    assert "bill number" not in text
    assert WORDS["validation"] not in text
    assert WORDS["test"] not in text


def test_rows_that_are_not_here_leave_prompts_as_they_are_written(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail").resolve()
    (root / "invoices" / "data" / "test.jsonl").unlink()
    facts = facts_of(Wanted(root / "invoices" / "recipe.yaml", root, rows=True))
    assert not facts.is_broken
    assert facts.graph is not None
    assert not any(prompt.rendered for prompt in facts.prompts)
    assert "rows are not on this machine" in facts.prompts_note
