"""Data is read once and handed on: one parse and one digest per file, and rows in memory in one form at a time."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.data.sources import files
from engine.data.sources.hub import Hub
from engine.data.sources.query import Query
from engine.data.sources.readers import READERS, Reader
from engine.data.splits import read_splits
from engine.errors import RecipeError
from engine.fingerprint import file_digest
from engine.plan.graph import Plan
from engine.project import Project
from engine.rows import SPLITS
from engine.run.execute import Outcome
from engine.spec.loader import load
from engine.spec.recipe import Format
from engine.stages.load import LoadInputs, LoadParams
from engine.stages.load import load as load_stage
from tests.data.test_splits import HEAD, ROWS, TAIL, write
from tests.stages.loading import run_load

pytestmark = pytest.mark.runs

COMMIT = "0123456789" * 4


def recipe(folder: Path, data: str, head: str = HEAD) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(f"{head}data:\n{data}{TAIL}", encoding="utf-8")
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was parsed and hashed."""
    counts: Counter[str] = Counter()

    def counted(reader: Reader) -> Reader:
        def read(file: Path, form: Format) -> Iterator[Any]:
            counts[f"parse {file.name}"] += 1
            yield from reader.rows(file, form)

        return replace(reader, rows=read)

    def digest(file: Path) -> str:
        counts[f"digest {file.name}"] += 1
        return file_digest(file)

    readers = {ending: counted(reader) for ending, reader in READERS.items()}
    monkeypatch.setattr(files, "READERS", readers)
    monkeypatch.setattr(files, "file_digest", digest)
    return counts


@pytest.fixture
def only_load(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Lets a run go as far as its first node; what that gave is in the list."""
    outputs: list[Any] = []

    def execute(plan: Plan, *_: Any) -> Outcome:
        params = plan.nodes["load"].params
        assert isinstance(params, LoadParams)
        outputs.append(load_stage(params, LoadInputs(), None))  # type: ignore[arg-type]
        return Outcome("done", "", "r0001")

    monkeypatch.setattr("engine.project.execute", execute)
    monkeypatch.setattr("engine.project.fetch_missing", lambda *_: False)
    return outputs


def test_a_run_parses_and_hashes_each_file_once(
    tmp_path: Path, reads: Counter[str], only_load: list[Any]
) -> None:
    """Checks, table, plan, estimate and run; two splits share a file, and one takes its rows from another."""
    write(tmp_path, "data/a.jsonl", ROWS[:40])
    write(tmp_path, "data/b.jsonl", ROWS[40:])
    path = recipe(
        tmp_path,
        "  train: {path: 'data/*.jsonl', where: \"label <> 'd'\"}\n"
        "  validation: {split_from: {rows: 6}}\n"
        "  test: {path: 'data/*.jsonl', where: \"label = 'a'\"}\n",
    )
    project = Project.open(path, tmp_path / "state")
    project.validate()
    assert project.profile.splits
    project.plan()
    once = {"parse a.jsonl": 1, "parse b.jsonl": 1, "digest a.jsonl": 1, "digest b.jsonl": 1}
    assert reads == once
    project.run()
    assert reads == once
    assert len(only_load[0].examples) == 80
    assert project.examined.splits.rows == {}


def test_data_that_is_only_called_otherwise_leaves_nothing_pending(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", ROWS)

    def fingerprints(name: str) -> list[str]:
        data = "".join(f"  {split}: {{path: {name!r}}}\n" for split in SPLITS)
        project = Project.open(recipe(tmp_path, data), tmp_path / "state")
        return [node.id for node in project.plan().plan.nodes.values()]

    before = fingerprints("a.jsonl")
    (tmp_path / "a.jsonl").rename(tmp_path / "rows.JSONL")
    assert fingerprints("rows.JSONL") == fingerprints("rows") == fingerprints("*.JSONL") == before


def test_validating_hashes_no_file(tmp_path: Path, reads: Counter[str]) -> None:
    write(tmp_path, "a.jsonl", ROWS)
    data = "".join(f"  {split}: {{path: a.jsonl}}\n" for split in SPLITS)
    Project.open(recipe(tmp_path, data)).validate()
    assert reads == {"parse a.jsonl": 1}


def test_a_query_is_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    rows = Query.rows

    def counted(self: Query) -> Iterator[Any]:
        runs.append(self.sql)
        yield from rows(self)

    monkeypatch.setattr(Query, "rows", counted)
    write(tmp_path, "a.jsonl", ROWS)
    query = "sql: \"SELECT text, label FROM 'a.jsonl' ORDER BY text\""
    loaded = load(
        recipe(
            tmp_path,
            f"  train: {{{query}}}\n  validation: {{{query}, where: \"label = 'a'\"}}\n"
            f"  test: {{{query}, sample: {{n: 3}}}}\n",
        )
    )
    splits = read_splits(loaded)
    digests = splits.digests()
    assert len(set(digests.values())) == 1
    assert len(runs) == 1
    assert read_splits(loaded)._origins["train"].digest() == digests["train"]


def test_a_query_of_which_only_the_first_rows_are_used_has_the_digest_of_all(
    tmp_path: Path,
) -> None:
    write(tmp_path, "a.jsonl", ROWS)
    query = "sql: \"FROM 'a.jsonl'\""
    data = "".join(f"  {split}: {{{query}, limit: 2}}\n" for split in SPLITS)
    splits = read_splits(load(recipe(tmp_path, data)))
    before = splits.digests()
    write(tmp_path, "a.jsonl", [*ROWS[:-1], {"text": "another", "label": "a"}])
    assert read_splits(load(recipe(tmp_path, data))).digests() != before


def test_splits_of_one_file_do_not_see_what_the_task_makes_of_each_others_rows(
    tmp_path: Path,
) -> None:
    write(tmp_path, "a.jsonl", [{"text": n, "label": [f"l{n % 3}", "x"]} for n in range(9)])
    head = HEAD.replace("target: label, ", "target: label, params: {many: true}, ")
    data = (
        '  train: {path: a.jsonl}\n  validation: {path: a.jsonl, columns: {label: "label[1:1]"}}\n'
        '  test: {path: a.jsonl, rename: {body: text}, columns: {text: body}, where: "body > 2"}\n'
    )
    splits = read_splits(load(recipe(tmp_path, data, head)))
    assert not splits.problems
    first = {split: rows.records[0].values for split, rows in splits.rows.items()}
    assert first == {
        "train": {"text": "0", "label": '["l0", "x"]'},
        "validation": {"text": "0", "label": '["l0"]'},
        "test": {"body": 3, "label": '["l0", "x"]', "text": "3"},
    }


def test_one_split_may_stop_where_another_goes_on(tmp_path: Path) -> None:
    bad: dict[str, Any] = {"text": None, "label": "a"}
    rows = [*ROWS[:30], bad, *ROWS[30:]]
    write(tmp_path, "a.jsonl", rows)
    data = (
        "  train: {path: a.jsonl, limit: 30}\n  validation: {path: a.jsonl}\n"
        "  test: {path: a.jsonl, where: \"lable = 'a'\"}\n"
    )
    splits = read_splits(load(recipe(tmp_path, data)))
    assert [len(r.records) for r in splits.rows.values()] == [30]
    errors = [p.message for p in splits.problems if p.level == "error"]
    assert errors == ["the column 'text' has no value", "data.test.where: no column 'lable'"]


def test_rows_that_were_taken_are_read_again_by_whoever_needs_them(
    tmp_path: Path, reads: Counter[str]
) -> None:
    write(tmp_path, "a.jsonl", ROWS)
    loaded = load(recipe(tmp_path, "".join(f"  {s}: {{path: a.jsonl}}\n" for s in SPLITS)))
    splits = read_splits(loaded)
    first = run_load(loaded, splits)
    assert reads["parse a.jsonl"] == 1
    assert run_load(loaded, splits).rows == first.rows
    assert reads == {"parse a.jsonl": 2, "digest a.jsonl": 1}


def test_a_file_that_changes_after_it_was_read_is_no_longer_what_was_checked(
    tmp_path: Path,
) -> None:
    write(tmp_path, "a.jsonl", ROWS)
    loaded = load(recipe(tmp_path, "".join(f"  {s}: {{path: a.jsonl}}\n" for s in SPLITS)))
    splits = read_splits(loaded)
    write(tmp_path, "a.jsonl", ROWS[:-1])
    with pytest.raises(RecipeError, match=r"a\.jsonl: error: this was changed while"):
        splits.digests()
    splits = read_splits(loaded)
    splits.digests()
    splits.take()
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(RecipeError, match="this was changed while"):
        splits.take()


class Remote:
    """A data set of the Hub that is not on this machine."""

    features = None

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()

    def load(self, name: str, *_: Any, split: str, **__: Any) -> Any:
        remote = self

        class Rows:
            features = None

            def __iter__(self) -> Iterator[dict[str, Any]]:
                remote.read[f"{name}/{split}"] += 1
                yield from ROWS

        return Rows()


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    import datasets

    far = Remote()
    monkeypatch.setattr(Hub, "cached", lambda _: False)
    monkeypatch.setattr(Hub, "reachable", lambda _: None)
    monkeypatch.setattr(Hub, "_from_cache", lambda _: None)
    monkeypatch.setattr(datasets, "load_dataset", far.load)
    return far


def test_a_data_set_that_must_be_fetched_is_read_when_the_plan_needs_it_and_then_no_more(
    tmp_path: Path, remote: Remote, only_load: list[Any]
) -> None:
    write(tmp_path, "a.jsonl", ROWS[:20])
    data = (
        "  train: {path: 'hf://o/n@main/train'}\n  validation: {split_from: {rows: 8}}\n"
        "  test: {path: a.jsonl}\n"
    )
    project = Project.open(recipe(tmp_path, data), tmp_path / "state")
    [warning] = [p for p in project.validate() if p.code == "hub"]
    assert "are checked when the run reads them, not here" in warning.message
    assert set(project.examined.splits.rows) == {"test"}
    assert not remote.read
    project.run()
    assert remote.read == {"o/n/train": 1}
    assert [len(only_load[0].split(split)) for split in SPLITS] == [72, 8, 20]


def test_what_is_streamed_is_read_by_the_estimate_or_the_run(
    tmp_path: Path, remote: Remote, only_load: list[Any]
) -> None:
    write(tmp_path, "a.jsonl", ROWS[:20])
    source = f"path: 'hf://o/n@{COMMIT}/train', streaming: true"
    data = (
        f"  train: {{{source}, limit: 40}}\n  validation: {{path: a.jsonl}}\n"
        f"  test: {{{source}, limit: 9}}\n"
    )
    project = Project.open(recipe(tmp_path, data), tmp_path / "state")
    project.validate()
    digests = project.examined.splits.digests()
    assert set(digests) == set(SPLITS)
    assert not remote.read
    project.run()
    assert remote.read == {"o/n/train": 1}
    assert [len(only_load[0].split(split)) for split in SPLITS] == [40, 20, 9]


def test_rows_of_a_data_set_that_cannot_be_used_are_said_when_they_are_taken(
    tmp_path: Path, remote: Remote
) -> None:
    write(tmp_path, "a.jsonl", [{"text": "x", "label": "new"}])
    data = (
        "  train: {path: 'hf://o/n@main/train'}\n  validation: {split_from: {rows: 900}}\n"
        "  test: {path: a.jsonl}\n"
    )
    splits = read_splits(load(recipe(tmp_path, data)))
    with pytest.raises(RecipeError) as caught:
        splits.take()
    assert {p.message for p in caught.value.problems} == {
        "data.validation.split_from: 900 of 80 different rows are asked for, 76 can be taken",
        "the label 'new' is in no training row",
    }


def test_rows_are_not_in_memory_twice(tmp_path: Path) -> None:
    rows = [
        {"text": f"the text of row {n}", "label": f"l{n % 7}", "n": n, "more": {"a": [n], "b": n}}
        for n in range(6000)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    small = "path: a.jsonl, limit: 7"
    data = f"  train: {{path: a.jsonl}}\n  validation: {{{small}}}\n  test: {{{small}}}\n"
    loaded = load(recipe(tmp_path, data))
    tracemalloc.start()
    try:
        splits = read_splits(loaded)
        splits.digests()
        as_records = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        output = run_load(loaded, splits)
        as_examples, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(output.train) == 6000
    assert peak < 1.1 * max(as_records, as_examples), (as_records, as_examples, peak)
