"""Data sets of the Hub and saved ones: from the local cache without a network, streamed, and from a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest

from engine.data.reading import read_source
from engine.data.sources.hub import Hub
from engine.data.sources.origins import resolve_path
from engine.errors import RecipeError

pytestmark = pytest.mark.runs

COMMIT, OTHER = "0123456789" * 4, "9876543210" * 4
ROWS = {"text": ["a", "b", "c"], "label": [1, 0, -1]}
FEATURES = datasets.Features(
    {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
)


def data_set() -> Any:
    return datasets.Dataset.from_dict(ROWS, features=FEATURES)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache in which `datasets` once put the data set own/tiny, at one commit."""
    file = tmp_path / "source.parquet"
    data_set().to_parquet(str(file))
    made = tmp_path / "made"
    rows = datasets.load_dataset("parquet", data_files={"train": str(file)}, cache_dir=str(made))
    assert rows["train"].num_rows == 3
    [version] = (made / "parquet").glob("*/*")
    [folder] = [each for each in version.iterdir() if each.is_dir()]
    place = tmp_path / "cache" / "own___tiny" / "default" / "0.0.0" / COMMIT
    place.parent.mkdir(parents=True)
    folder.rename(place)
    for arrow in place.glob("parquet-*.arrow"):
        arrow.rename(place / arrow.name.replace("parquet-", "tiny-"))
    info = place / "dataset_info.json"
    text = info.read_text().replace('"dataset_name": "parquet"', '"dataset_name": "tiny"')
    config = version.parent.name
    text = text.replace(str(file), f"hf://datasets/own/tiny@{COMMIT}/train.parquet")
    info.write_text(text.replace(f'"config_name": "{config}"', '"config_name": "default"'))
    return tmp_path / "cache"


def offline(code: str, cache: Path) -> str:
    """Run code in a process whose only data is the cache, and whose Hub is a closed port of this machine."""
    environment = {"HF_DATASETS_CACHE": str(cache), "HF_HOME": str(cache / "home"),
                   "HF_ENDPOINT": "http://127.0.0.1:9", "PATH": ""}  # fmt: skip
    opening = (
        "from pathlib import Path\n"
        "from engine.data.reading import read_source\n"
        "from engine.data.sources.origins import resolve_path\n"
        "def rows(path, **o):\n"
        "    return [r.values for r in read_source(resolve_path(path, Path(), **o)).records]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", opening + code], env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_local_cache_serves_without_a_network(cache: Path) -> None:
    code = (
        "place = resolve_path('hf://own/tiny/train', Path())\n"
        "print(place.cached(), resolve_path('hf://own/other/train', Path()).cached())\n"
        f"print(resolve_path('hf://own/tiny@{COMMIT}/train', Path()).cached())\n"
        f"print(resolve_path('hf://own/tiny@{OTHER}/train', Path()).cached())\n"
        "print(rows('hf://own/tiny/train'))\n"
        f"print(rows('hf://own/tiny@{COMMIT}/train')[0])\n"
        "print(len(place.digest()))\n"
        "print(resolve_path('hf://own/other/train', Path()).reachable().message)\n"
    )
    said = offline(code, cache).splitlines()
    assert said[:3] == ["True False", "True", "False"]
    expected = [{"text": "a", "label": "yes"}, {"text": "b", "label": "no"}, {"text": "c", "label": None}]  # fmt: skip
    assert said[3] == str(expected)
    assert said[4] == str(expected[0])
    assert said[5] == "64"
    assert said[6].startswith("this data set cannot be loaded")


@pytest.mark.models
def test_what_is_streamed_is_read_as_far_as_needed_and_known_by_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from engine.data.records import Choice

    read: list[int] = []

    def rows() -> Any:
        for number in range(100_000):
            read.append(number)
            yield {"text": f"row {number}"}

    asked: dict[str, Any] = {}

    def load_dataset(*_: Any, **options: Any) -> Any:
        asked.update(options)
        return datasets.IterableDataset.from_generator(rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(Hub, "reachable", lambda _: None)
    place = resolve_path(f"hf://o/n@{COMMIT}/train", Path(), streaming=True)
    found = read_source(place, Choice(limit=5)).records
    assert [record.values["text"] for record in found] == [f"row {n}" for n in range(5)]
    assert asked["streaming"] is True
    assert len(read) < 2000
    read.clear()
    assert (
        place.digest() != resolve_path(f"hf://o/n@{OTHER}/train", Path(), streaming=True).digest()
    )
    assert not read


def test_streaming_needs_a_pinned_commit() -> None:
    with pytest.raises(RecipeError, match="needs a pinned commit"):
        resolve_path("hf://o/n@main/train", Path(), streaming=True)


def test_a_network_that_fails_while_rows_are_streamed_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        features = None

        def __iter__(self) -> Any:
            yield {"text": "a"}
            raise ConnectionError("gone")

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: Broken())
    monkeypatch.setattr(Hub, "reachable", lambda _: None)
    with pytest.raises(RecipeError, match="gone"):
        read_source(Hub(f"hf://o/n@{COMMIT}/train", streaming=True))


def test_a_saved_folder_is_read_like_a_file(tmp_path: Path) -> None:
    data_set().save_to_disk(str(tmp_path / "saved"))
    place = resolve_path("saved", tmp_path)
    found = read_source(place).records
    assert [(r.line, r.values["text"], r.values["label"]) for r in found] == [
        (1, "a", "yes"), (2, "b", "no"), (3, "c", None),
    ]  # fmt: skip
    assert all(file.is_relative_to(tmp_path) for file in place.files)
    before = place.digest()
    data_set().select([0, 1]).save_to_disk(str(tmp_path / "saved"))
    assert resolve_path("saved", tmp_path).digest() != before


def test_class_names_stand_for_numbers_inside_lists_and_mappings_too(tmp_path: Path) -> None:
    import datasets

    kind = datasets.ClassLabel(names=["yes", "no"])
    features = datasets.Features(
        {"labels": datasets.List(kind), "both": {"kind": kind, "n": datasets.Value("int64")}}
    )
    rows = {"labels": [[0, 1], [], None], "both": [{"kind": 1, "n": 1}, {"kind": -1, "n": 2}, None]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    found = [record.values for record in read_source(resolve_path("saved", tmp_path)).records]
    assert [row["labels"] for row in found] == [["yes", "no"], [], None]
    assert [row["both"] for row in found][:2] == [{"kind": "no", "n": 1}, {"kind": None, "n": 2}]


def test_of_a_folder_of_splits_one_must_be_named(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": data_set(), "test": data_set()}).save_to_disk(
        str(tmp_path / "s")
    )
    with pytest.raises(RecipeError, match="name one: s/test, s/train"):
        resolve_path("s", tmp_path)
    assert len(read_source(resolve_path("s/test", tmp_path)).records) == 3


def test_a_damaged_saved_folder_is_an_error(tmp_path: Path) -> None:
    data_set().save_to_disk(str(tmp_path / "s"))
    next((tmp_path / "s").glob("*.arrow")).write_bytes(b"x")
    with pytest.raises(RecipeError, match="cannot be loaded"):
        read_source(resolve_path("s", tmp_path))
