"""`pada init` with data sets of the Hub, here a stub, and with saved ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.data.records import Record
from engine.data.sources.hub import Hub, Saved
from engine.errors import Location, Problem, RecipeError
from tests.authoring.trials import init, recipe, write


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a Hub with the data set own/tiny, whose splits are train and test."""

    def rows(self: Hub) -> Iterator[Record]:
        name, _, split = self.path.rpartition("/")
        if name != "hf://own/tiny" or split not in ("train", "test"):
            problem = Problem(Location(self.path), "this data set cannot be loaded: no such split")
            raise RecipeError([problem])
        for number in range(40):
            yield Record(
                number + 1, {"text": f"{split} message {number}", "label": "ab"[number % 2]}
            )

    monkeypatch.setattr(Hub, "rows", rows)
    monkeypatch.setattr(Hub, "cached", lambda self: True)


@pytest.mark.usefixtures("hub")
def test_the_splits_of_a_data_set_of_the_hub_are_those_that_it_has(tmp_path: Path) -> None:
    assert init(tmp_path, "hf://own/tiny", "--yes", "--name", "tiny").error == ""
    data = recipe(tmp_path).data
    assert (data.train.path, data.test.path) == ("hf://own/tiny/train", "hf://own/tiny/test")
    assert data.validation.split_from is not None


@pytest.mark.usefixtures("hub")
def test_a_data_set_that_is_not_there_is_said_with_how_to_name_its_parts(tmp_path: Path) -> None:
    done = init(tmp_path, "hf://own/other", "--yes")
    assert "cannot be loaded" in done.error
    assert "hf://own/other/CONFIG/SPLIT" in done.error
    assert done.new == []


def test_of_saved_data_sets_in_a_folder_each_is_a_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "test"):
        write(tmp_path, {f"saved/{split}/state.json": '{"_data_files": []}'})
    write(tmp_path, {"saved/dataset_dict.json": "{}"})

    def rows(self: Saved) -> Iterator[Record]:
        for number in range(40):
            values = {"text": f"{self.folder.name} message {number}", "label": "ab"[number % 2]}
            yield Record(number + 1, values)

    monkeypatch.setattr(Saved, "rows", rows)
    assert init(tmp_path, "saved", "--yes").error == ""
    made = recipe(tmp_path)
    assert (made.data.train.path, made.data.test.path) == ("saved/train", "saved/test")
    assert made.task.labels == ["a", "b"]
