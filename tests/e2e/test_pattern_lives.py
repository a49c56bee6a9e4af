"""Patterns over rounds and runs: what became of them, and where each was first seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of one recipe, whose version and seeds change, and one of another with a cause more."""
    folder = tmp_path_factory.mktemp("lives")
    recipe = write_project(folder / "project", ROUNDS="2", ROWS="4", PATTERNS="{cluster: {k: 3}}")
    text = recipe.read_text("utf-8")
    for version, seeds in (("1.2", "[0]"), ("1.2", "[0]"), ("1.3", "[1, 2]")):
        changed = text.replace("name: estimated\n", f"name: estimated\nversion: '{version}'\n")
        recipe.write_text(changed.replace("seeds: [0]", f"seeds: {seeds}"), "utf-8")
        assert pada_here("run", recipe, "--state", folder / "state").code == 0
    other = write_project(folder / "other", groups=4, ROWS="4", PATTERNS="{cluster: {k: 4}}")
    other.write_text(other.read_text("utf-8").replace("name: estimated", "name: other"), "utf-8")
    assert pada_here("run", other, "--state", folder / "state").code == 0
    return folder / "state"


def test_a_pattern_goes_on_from_round_to_round_and_its_rows_are_counted(state: Path) -> None:
    lives = rows(
        state,
        "SELECT round, life, found IS NOT NULL AS found, rows, failed, failing, control_failing"
        " FROM all_pattern_life WHERE run = 'r0001' ORDER BY pattern, round",
    )
    assert [(one["round"], one["life"], one["found"]) for one in lives] == [
        (0, "new", True),
        (1, "unclear", True),
        (2, "unclear", False),
    ] * 3
    assert all(
        one["failed"] <= one["rows"] and one["failing"] == one["failed"]
        for one in lives
        if one["round"]
    )
    links = rows(state, "SELECT DISTINCT kind, pattern = parent AS same FROM pattern_link")
    assert links == [{"kind": "continued", "same": True}]


def test_the_store_says_where_a_pattern_was_first_seen(state: Path) -> None:
    found = rows(
        state,
        "SELECT run, version, seed, count(*) AS n, count(DISTINCT root) AS roots, sum(is_new::INT)::INT AS new,"
        " any_value(first_run) AS first_run, any_value(first_version) AS first_version"
        " FROM all_pattern_origins WHERE recipe = 'estimated' GROUP BY ALL ORDER BY run, seed",
    )
    told = [(o["run"], o["version"], o["seed"], o["n"], o["roots"], o["new"]) for o in found]
    assert told == [
        ("r0001", "1.2", 0, 3, 3, 3),
        ("r0002", "1.2", 0, 3, 3, 0),
        ("r0003", "1.3", 1, 3, 3, 0),
        ("r0003", "1.3", 2, 3, 3, 0),
    ]
    assert {(one["first_run"], one["first_version"]) for one in found} == {("r0001", "1.2")}
    ((first, last),) = {
        (str(row["first_seen"]), str(row["started"]))
        for row in rows(
            state,
            "SELECT o.first_seen, r.started FROM pattern_origin o JOIN run r ON r.id = 'r0001'"
            " JOIN run x ON x.id = o.run JOIN recipe c ON c.id = x.recipe WHERE c.name = 'estimated'",
        )
    }
    assert first == last


def test_of_a_run_that_takes_everything_over_nothing_is_compared(state: Path) -> None:
    kept = rows(state, "SELECT similarity, shared FROM pattern_origin WHERE run = 'r0002'")
    assert all(one["similarity"] is None and one["shared"] > 0 for one in kept)


def test_a_recipe_of_another_name_has_patterns_of_its_own(state: Path) -> None:
    assert rows(
        state, "SELECT DISTINCT first_run, is_new FROM all_pattern_origins WHERE recipe = 'other'"
    ) == [{"first_run": "r0004", "is_new": True}]


def test_what_is_cleaned_away_is_still_known_as_the_first(state: Path) -> None:
    assert pada_here("clean", "--state", state, "--keep", "2", "--yes").code == 0
    assert rows(
        state, "SELECT DISTINCT run, first_run, first_version FROM pattern_origin ORDER BY 1"
    ) == [
        {"run": "r0003", "first_run": "r0001", "first_version": "1.2"},
        {"run": "r0004", "first_run": "r0004", "first_version": ""},
    ]
