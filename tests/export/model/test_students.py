"""Which student is the one to use: by validation, and by name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.cli.export.written import best_model
from engine.errors import EngineError
from engine.export import Which, best_of, export_model
from engine.export.model.students import best_student
from engine.store import reader
from tests.export.invented import changed
from tests.report.invented import full, ident

RECIPE = {"metrics": ["accuracy"], "loop": {"stop": {"metric": "accuracy"}}}

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("state")
    full(seeds=(0, 1), rounds=1).save(state)
    return state


def test_the_best_is_that_of_the_seed_with_the_best_validation_score(
    state: Path, tmp_path: Path
) -> None:
    better = (
        "UPDATE metric SET value = CASE WHEN seed = ?::INT THEN 0.9 ELSE 0.1 END"
        " WHERE metric = 'accuracy' AND split = 'validation' AND round = 1"
    )
    for seed in ("0", "1"):
        found = best_of(Which(changed(state, tmp_path / seed, better, seed)))
        assert found is not None
        assert (found.seed, found.round) == (int(seed), 1)


def test_of_a_round_it_is_that_of_the_best_seed_too(state: Path, tmp_path: Path) -> None:
    better = (
        "UPDATE metric SET value = CASE WHEN seed = 1 THEN 0.9 ELSE 0.1 END"
        " WHERE metric = 'accuracy' AND split = 'validation' AND round = 0"
    )
    state = changed(state, tmp_path / "state", better)
    with reader(state) as query:
        found = best_student(query, "r0001", RECIPE, state, round=0)
        assert (found.seed, found.round) == (1, 0)
        with pytest.raises(EngineError, match="trained no student in round 7"):
            best_student(query, "r0001", RECIPE, state, round=7)


def test_of_each_seed_it_is_the_round_that_the_stop_rule_chose(state: Path, tmp_path: Path) -> None:
    kept = "UPDATE decision SET best_round = 0 WHERE node = ?"
    state = changed(state, tmp_path / "state", kept, ident("node", "decide.1", 1))
    with reader(state) as query:
        chosen = [best_student(query, "r0001", RECIPE, state, seed).round for seed in (0, 1)]
        named = best_student(query, "r0001", RECIPE, state, 1, 1)
        assert chosen == [1, 0]
        assert (named.seed, named.round, named.path) == (1, 1, state / "models/1")
        with pytest.raises(EngineError, match="no student of seed 1 in round 7") as refused:
            best_student(query, "r0001", RECIPE, state, 1, 7)
    assert "seed 0 round 0" in refused.value.hint


def test_the_end_of_a_run_says_where_the_best_model_is_and_how_to_take_it_along(
    state: Path,
) -> None:
    where, how = best_model("desk recipe", ["data=x y"], state, "r0001")
    assert where.startswith(f"Best model: {state / 'models'}/")
    assert how == (
        "Use it elsewhere: pada export model 'desk recipe' --to my-model --var 'data=x y'"
        f" --state {state}"
    )


def test_a_run_without_a_model_says_so(state: Path, tmp_path: Path) -> None:
    state = changed(state, tmp_path / "state", "DELETE FROM model")
    assert best_of(Which(state)) is None
    assert best_model("desk", [], state, "r0001") == []
    with pytest.raises(EngineError, match="no student was fine-tuned") as refused:
        export_model(Which(state), tmp_path / "out")
    assert "pada export data" in refused.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("status", "live", "said", "hint"),
    [
        ("running", "r0001", "no model yet: it is still going", "export it when it is done"),
        ("running", None, "ended as killed before a student was", "`pada run RECIPE` goes on"),
        (
            "interrupted",
            None,
            "ended as interrupted before a student was",
            "`pada run RECIPE` goes on",
        ),
    ],
)
def test_a_run_that_has_not_come_to_a_model_yet_says_that(
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    live: str | None,
    said: str,
    hint: str,
) -> None:
    held = None if live is None else SimpleNamespace(run=live)
    monkeypatch.setattr("engine.export.model.students.holder", lambda _: held)
    state = changed(state, tmp_path / "state", "DELETE FROM model")
    state = changed(state, tmp_path / "other", "UPDATE run SET status = ?", status)
    with pytest.raises(EngineError, match=said) as refused:
        export_model(Which(state), tmp_path / "out")
    assert hint in refused.value.hint
    assert "elsewhere" not in refused.value.hint


def test_a_model_that_was_cleaned_away_is_missed_before_anything_is_written(
    state: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=r"is gone: there is no .*models/1"):
        export_model(Which(state), tmp_path / "out")
    assert not (tmp_path / "out").exists()
