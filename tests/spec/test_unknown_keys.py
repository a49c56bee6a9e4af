"""What is said of a key that is not known: its right place, its name here, or the nearest one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.spec.reference.keys import KINDS, find, paths, schema_of
from engine.spec.reference.unknown import instead, kind_of, nearest, renamed


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_table_says_to_write_exists_and_what_it_replaces_does_not(kind: str) -> None:
    assert schema_of(kind)
    for key, entry in renamed(kind).items():
        assert entry.keys() <= {"write", "as", "why"}, key
        assert "write" in entry or "why" in entry, key
        if "write" in entry:
            assert find(kind, entry["write"]), f"{kind}: {key}: there is no {entry['write']}"
        if "." in key:
            assert key not in paths(kind), f"{kind}: {key} is a key"


@pytest.mark.parametrize(
    ("path", "beside", "hint"),
    [
        # From habit.
        (("lr",), ["train"], "write `learning_rate: …` under `train:`"),
        (("train", "lr"), ["learning_rate"], "write `learning_rate: …` here"),
        (("n_rows",), ["augment"], "write `rows_per_round: …` under `augment:`"),
        (("base_model",), ["models"], "write `model: …` under `models.student:`"),
        (("model",), ["models"], "write `model: …` under `models.student:`"),
        (("dataset",), ["data"], "write `data: …` here"),
        (("prompt",), ["task"], "write `prompt: …` under `task:`"),
        (("random_seed",), ["seeds"], "write `seeds: [0]` here"),
        (("output_dir",), [], "remove it: results lie in the state folder: `pada run --state FOLDER`"),
        (
            ("eval",),
            [],
            "write `validation: …` under `data:`: metrics stand under metrics",
        ),
        # Once a key of this engine.
        (
            ("patterns", "same_pattern"),
            [],
            "remove it: patterns are matched over rounds by their rows, and no number is needed",
        ),
        # At the wrong depth, which the schema tells.
        (("epochs",), ["train"], "it stands at the top; write it under `train:`"),
        (
            ("learning_rate",),
            ["train"],
            "it stands at the top; write it under `train:` or under `train.preference:`",
        ),
        (("train", "rounds"), ["r"], "it stands inside `train:`; write it under `loop:`"),
        (("task", "metrics"), ["kind"], "it stands inside `task:`; write it at the top"),
        (("base_url",), [], "it stands at the top; write it under `models.teacher:` or under `benchmark.endpoint:`"),
        (("data", "train", "sheet"), ["path"], "it stands inside `data.train:`; write it under `data.train.format:`"),
        # A slip.
        (("train", "epoch"), ["epochs", "r"], "did you mean 'epochs'?"),
        (("augment", "operators", 0, "shares"), ["share"], "did you mean 'share'?"),
        # Nothing is like it, or too much is.
        (("train", "kmeans"), ["epochs", "r"], "choose one of: epochs, r"),
        (("train", "description"), ["epochs"], "choose one of: epochs"),
        (("x" * 5000,), ["train"], "choose one of: train"),
        (("train", "zzz"), [], "remove it"),
        # A parameter of somebody's own operator is no key of a recipe.
        (("augment", "operators", 0, "params", "lr"), ["variants"], "choose one of: variants"),
    ],
)  # fmt: skip
def test_a_recipe(path: tuple[str | int, ...], beside: list[str], hint: str) -> None:
    assert instead("recipe", path, beside) == hint


def test_other_files() -> None:
    assert instead("method", ("train",), []) == (
        "write `train: …` under `overrides:`: what a method decides of the recipe stands together"
    )
    assert instead("operator", ("parameters",), ["params"]) == "write `params: …` here"
    assert instead("taxonomy", ("categories", 3, "name"), ["id"]) == "write `id: …` here"


def test_the_kind_is_told_by_the_format_key() -> None:
    assert kind_of({"name": "a", "operator": 1}) == "operator"
    assert kind_of({"recipe": 1, "operator": 1}) == "recipe"
    assert kind_of({}) == "recipe"


def test_nearest_paths() -> None:
    assert nearest("recipe", "lr")[0] == "train.learning_rate"
    assert nearest("recipe", "trian.epochs")[0] == "train.epochs"
    assert nearest("recipe", "q" * 10_000) == []


def test_it_is_said_of_a_recipe(tmp_path: Path) -> None:
    from engine.errors import RecipeError
    from engine.spec.loader import load

    file = tmp_path / "recipe.yaml"
    file.write_text("recipe: 1\nlearning_rate: 1e-3\nn_rows: 5\n")
    with pytest.raises(RecipeError) as caught:
        load(file)
    said = {p.message: (p.where.line, p.hint) for p in caught.value.problems}
    assert said["unknown key 'n_rows'"] == (3, "write `rows_per_round: …` under `augment:`")
    assert said["unknown key 'learning_rate'"][0] == 2
