"""Request files by themselves: which requests go where, what is remembered, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.backends.batch import BatchFile, BatchSettings
from engine.backends.entry import ModelRef
from engine.backends.files.requests import read_asked, request_files
from engine.backends.protocol import Askings, Message, PendingRequest, Request, always
from engine.errors import BackendError
from engine.run.batches import file_states, import_results, write_batch
from engine.run.budget import BudgetTracker
from engine.run.ledger import Ledger
from engine.spec.recipe import Budget
from engine.store import Spent, Store

pytestmark = pytest.mark.runs

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


def model(name: str = "oracle") -> BatchFile:
    return BatchFile(ModelRef(name, None), BatchSettings())


def ask(text: str, role: str = "teacher", node: str = "n") -> PendingRequest:
    return PendingRequest(
        node, role, Request((Message("user", text),), SCHEMA, 10, 0.0, "batch:oracle")
    )


def waiting(*asks: PendingRequest) -> list[PendingRequest]:
    return list(asks)


def answers(path: Path, *texts: tuple[str, str]) -> Path:
    path.write_text(
        "".join(json.dumps({"custom_id": i, "text": t}) + "\n" for i, t in texts), "utf-8"
    )
    return path


def test_one_model_is_one_file_and_two_models_are_two(tmp_path: Path) -> None:
    oracle, other = model(), model("other")
    [one] = write_batch({oracle: waiting(ask("a"), ask("b", "judge"))}, tmp_path, "r0001", always)
    assert (one.file.name, one.requests, one.new) == ("requests.jsonl", 2, True)
    asks = {oracle: waiting(ask("c")), other: waiting(ask("d", "judge"))}
    two = write_batch(asks, tmp_path, "r0002", always)
    assert [batch.file.name for batch in two] == ["requests-teacher.jsonl", "requests-judge.jsonl"]
    assert [read_asked(batch.file)[0].header.model for batch in two] == ["oracle", "other"]
    assert {batch.file.parent.name for batch in two} == {"r0002"}
    assert len(request_files(tmp_path)) == 3


def test_files_are_listed_by_age_however_often_a_run_waited(tmp_path: Path) -> None:
    oracle = model()
    written = []
    for trip in range(11):
        [*_, last] = write_batch({oracle: waiting(ask(f"q{trip}"))}, tmp_path, "r0001", always)
        written.append(last.file)
    [new] = write_batch({oracle: waiting(ask("later"))}, tmp_path, "r0002", always)
    assert written[-1].parent.name == "r0001-11"
    assert request_files(tmp_path) == [*written, new.file]


def test_what_waits_is_not_written_again_and_only_the_new_is(tmp_path: Path) -> None:
    oracle = model()
    [first] = write_batch({oracle: waiting(ask("a"), ask("b"))}, tmp_path, "r0001", always)
    old, new = write_batch({oracle: waiting(ask("b"), ask("c"))}, tmp_path, "r0002", always)
    assert old == (first.file, 1, False)
    assert [each.request for each in read_asked(new.file)] == [ask("c").request]
    [still] = write_batch({oracle: waiting(ask("a"))}, tmp_path, "r0003", always)
    assert still == (first.file, 1, False)
    assert not (tmp_path / "batch" / "r0003").exists()


def test_what_is_not_permitted_is_not_written_but_what_waits_counts(tmp_path: Path) -> None:
    left = 2

    def reserve(requests: Sequence[Request]) -> bool:
        nonlocal left
        left -= len(requests)
        return left >= 0

    oracle = model()
    write_batch({oracle: waiting(ask("a"))}, tmp_path, "r0001", always)
    _, new = write_batch(
        {oracle: waiting(ask("x"), ask("y"), ask("a"))}, tmp_path, "r0002", reserve
    )
    assert [each.request for each in read_asked(new.file)] == [ask("x").request]
    assert write_batch({oracle: waiting(ask("z"))}, tmp_path, "r0003", reserve) == []


class Full(BatchFile):
    """A model whose file finds no room."""

    def write_batch(self, asks: Askings, run: str, file: Path) -> None:
        super().write_batch(asks, run, file)
        raise BackendError("cannot write: No space left on device")


def test_two_files_are_written_both_or_neither(tmp_path: Path) -> None:
    asks = {
        model(): waiting(ask("a")),
        Full(ModelRef("other", None), BatchSettings()): waiting(ask("b", "judge")),
    }
    with pytest.raises(BackendError, match="No space"):
        write_batch(asks, tmp_path, "r0001", always)
    assert list((tmp_path / "batch").iterdir()) == []


def test_a_run_number_that_comes_again_finds_another_folder(tmp_path: Path) -> None:
    write_batch({model(): waiting(ask("a"))}, tmp_path, "r0001", always)
    [second] = write_batch({model(): waiting(ask("b"))}, tmp_path, "r0001", always)
    assert second.file.parent.name == "r0001-2"


def test_answers_to_several_files_in_one_import(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    [first] = write_batch({model(): waiting(ask("a"), ask("b"))}, tmp_path, "r0001", always)
    write_batch({model(): waiting(ask("c", "judge"))}, tmp_path, "r0002", always)
    ids = [each.custom_id for file in request_files(tmp_path) for each in read_asked(file)]
    done = import_results(store, answers(tmp_path / "r.jsonl", *((i, "{}") for i in reversed(ids))))
    assert (done.taken, done.known, done.failed.total()) == (3, 0, 0)
    assert [state.missing for state in done.files] == [0, 0]
    found = store.replies([i.split("-")[0] for i in ids])
    assert sorted(call.run for call in found.values()) == ["r0001", "r0001", "r0002"]
    assert {call.role for call in found.values()} == {"teacher", "judge"}
    assert all(call.reply == "{}" and call.error is None for call in found.values())
    assert next((s.file, s.answered) for s in file_states(Store.open(tmp_path))) == (first.file, 2)


def test_an_answer_after_a_failure_is_taken_and_a_second_failure_of_the_same_asking_is_not(
    tmp_path: Path,
) -> None:
    store, results = Store.open(tmp_path), tmp_path / "r.jsonl"
    [batch] = write_batch({model(): waiting(ask("a"))}, tmp_path, "r0001", always)
    [asked] = read_asked(batch.file)
    for _ in range(2):
        done = import_results(store, answers(results, (asked.custom_id, "no")))
    assert (done.failed.total(), done.known) == (0, 1)
    assert done.files[0].failed == 1
    [failures] = store.failures([asked.request.id]).values()
    assert [call.error for call in failures] == ["invalid_json"]
    tracker = BudgetTracker(Budget(), Spent(0, 0, 0.0))
    failed = Ledger(store, "r0002", tracker).failures([asked.request])[asked.request.id]
    again = PendingRequest("n", "teacher", asked.request, tuple(failed))
    write_batch({model(): waiting(again)}, tmp_path, "r0002", always)
    # Late, the first asking is answered well after all; the second brings nothing new then.
    done = import_results(
        store, answers(results, (f"{asked.request.id}-2", "{}"), (asked.custom_id, "{}"))
    )
    assert (done.taken, done.known) == (1, 1)


KILLED = """
import os, sys
from pathlib import Path
from engine.run.batches import import_results
from engine.store import Store
Store._end = lambda store: os._exit(9)
import_results(Store.open(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.runs
def test_an_import_killed_before_the_store_has_it_is_not_lost(tmp_path: Path) -> None:
    Store.open(tmp_path)
    [batch] = write_batch({model(): waiting(ask("a"), ask("b"))}, tmp_path, "r0001", always)
    one, two = (each.custom_id for each in read_asked(batch.file))
    results = answers(tmp_path / "r.jsonl", (one, "{}"), (two, "no"))
    arguments = [sys.executable, "-c", KILLED, str(tmp_path), str(results)]
    assert subprocess.run(arguments, check=False).returncode == 9
    store = Store.open(tmp_path)
    assert list(store.replies([one[:-2], two[:-2]])) == [one[:-2]]
    done = import_results(store, results)
    assert (done.taken, done.failed.total(), done.known) == (0, 0, 2)
