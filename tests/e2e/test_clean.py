"""`pada clean` after runs that really trained: what stays is usable, what goes is what nobody needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.runs import pada, rows
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project that was run once and cleaned with the default --keep: its recipe and its state folder."""
    folder = tmp_path_factory.mktemp("cleaned")
    recipe, state = write_project(folder / "project"), folder / "state"
    recipe.write_text(recipe.read_text("utf-8").replace("rounds: 2", "rounds: 0"), "utf-8")
    for arguments in (["run", str(recipe)], ["clean", "--yes"]):
        ended = pada(*arguments, "--state", str(state))
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return recipe, state


def test_the_model_of_a_kept_run_stays(cleaned: tuple[Path, Path]) -> None:
    _, state = cleaned
    (model,) = rows(state, "SELECT path FROM model")
    assert (state / model["path"] / "adapter_model.safetensors").is_file()


def test_a_run_after_it_trains_nothing_and_predicts_with_the_model_that_stayed(
    cleaned: tuple[Path, Path],
) -> None:
    recipe, state = cleaned
    # A metric that needs the model's own numbers: each student is asked again.
    text = recipe.read_text("utf-8").replace("macro_f1]", "macro_f1, perplexity]")
    recipe.write_text(text, "utf-8")
    ended = pada("run", str(recipe), "--state", str(state))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    statuses = {
        row["name"]: row["status"]
        for row in rows(state, "SELECT name, status FROM run_node WHERE run = 'r0002'")
    }
    assert statuses["seed-0/round-0/train"] == "cached"
    assert statuses["seed-0/round-0/predict"] == "done"
