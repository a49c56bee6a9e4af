"""`pada clean` after runs that really trained: what stays is usable, what goes is what nobody needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.runs import pada, rows
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project that was run once, with two seeds, and cleaned with the default --keep: its recipe and state folder."""
    folder = tmp_path_factory.mktemp("cleaned")
    recipe, state = write_project(folder / "project"), folder / "state"
    text = recipe.read_text("utf-8").replace("rounds: 2", "rounds: 0")
    recipe.write_text(f"{text}seeds: [0, 1]\n", "utf-8")
    for arguments in (["run", str(recipe)], ["clean", "--yes"]):
        ended = pada(*arguments, "--state", str(state))
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return recipe, state


def test_two_seeds_are_two_loops_on_one_load(cleaned: tuple[Path, Path]) -> None:
    _, state = cleaned
    first, second = rows(state, "SELECT seed, weights FROM model ORDER BY seed")
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["weights"] != second["weights"]
    assert rows(state, "SELECT count(*) AS n FROM node WHERE stage = 'load'") == [{"n": 1}]


def test_the_models_of_a_kept_run_stay(cleaned: tuple[Path, Path]) -> None:
    _, state = cleaned
    for model in rows(state, "SELECT path FROM model"):
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
    for seed in (0, 1):
        assert statuses[f"seed-{seed}/round-0/train"] == "cached"
        assert statuses[f"seed-{seed}/round-0/predict"] == "done"
