"""What a stage asks: built once, put down as it is built, and read by blocks with its replies."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import Completion, Message, PendingRequest, Request, Reserve, always
from engine.backends.replies import completion, failed, read
from engine.errors import RunError
from engine.run.asking import asked as module
from engine.run.asking.asked import Desk
from engine.run.asking.node import NodeAsks
from engine.run.asking.scratch import FILE, Scratch
from engine.run.budget import BudgetTracker
from engine.run.ledger import Ledger, entry
from engine.spec.recipe import Budget
from engine.stages.protocol import Pending
from engine.store import Spent, Store
from tests.store import small

SCHEMA = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"maximum": 2**70}}}


def request(name: object, **more: Any) -> Request:
    return Request((Message("user", f"{name}"),), SCHEMA, 10, 0.0, "m", **more)


def reply(asked: Request, text: str = '{"b": 1}') -> Completion:
    return completion(asked, read(asked, text), text=text, finish="stop", method="scripted")


def unusable(asked: Request) -> Completion:
    return completion(asked, failed("schema", "no"), text="no", finish="stop", method="scripted")


def keep(desk: Desk, *replies: Completion) -> None:
    desk.keep((done, "n") for done in replies)


def answer(ledger: Ledger, *replies: Completion) -> None:
    """Have a model give these replies."""
    ids = {done.request for done in replies}
    asked = [PendingRequest("n", "judge", one) for one in map(request, "abcde") if one.id in ids]
    assert [*ledger.ask(Given(list(replies)), asked, frozenset())]


class Given:
    """A model whose replies are given."""

    def __init__(self, replies: list[Completion]) -> None:
        self._replies = replies

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        assert len([*requests]) == len(self._replies)
        yield self._replies


class Counted:
    """Requests that say how often and how far they were built."""

    def __init__(self, names: Iterable[object]) -> None:
        self.names, self.begun, self.built = list(names), 0, 0

    def __iter__(self) -> Iterator[Request]:
        self.begun += 1
        for name in self.names:
            self.built += 1
            yield request(name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    with store.lock_run():
        small.start(store)
        yield store


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, "r0001", BudgetTracker(Budget(), Spent(0, 0, 0.0)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Scratch(tmp_path))


def pending(asks: NodeAsks, requests: Iterable[Request]) -> list[Request]:
    asks.begin()
    with pytest.raises(Pending) as caught:
        asks.ask("judge", requests)
    assert caught.value.role == "judge"
    return list(caught.value.requests)


def test_requests_are_built_once_however_often_the_stage_is_called(ledger: Ledger) -> None:
    asks, first, second = NodeAsks("n", ledger), Counted("abca"), Counted("de")
    missing = pending(asks, first)
    assert missing == [request(name) for name in "abc"], "in order, each once"
    answer(ledger, reply(missing[0]), reply(missing[2]))
    assert pending(asks, first) == missing, "one in the middle is missing: all are pending"
    answer(ledger, reply(missing[1], '{"b": 2}'))
    asks.begin()
    found = list(asks.ask("judge", first))
    assert [done.request for done in found] == [request(name).id for name in "abca"]
    assert [done.value for done in found] == [{"b": 1}, {"b": 2}, {"b": 1}, {"b": 1}]
    with pytest.raises(Pending):
        asks.ask("judge", second)
    answer(ledger, *map(reply, second))
    asks.begin()
    assert [*asks.ask("judge", first)] == found
    assert len([*asks.ask("judge", second)]) == 2
    assert (first.begun, first.built) == (1, 4)
    assert second.begun == 2, "once here, and once by this test"


def test_what_a_stage_keeps_from_one_call_to_the_next_is_the_same(ledger: Ledger) -> None:
    asks = NodeAsks("n", ledger)
    made: list[int] = asks.remembered("ways", list)
    made.append(3)
    asks.begin()
    assert asks.remembered("ways", list) == [3]


def test_requests_and_replies_are_read_by_blocks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUESTS_AT_ONCE", 2)
    monkeypatch.setattr(module, "REPLIES_AT_ONCE", 3)
    most: list[int] = []
    whole = Scratch.read

    def watched(self: Scratch, query: str, *values: Any) -> list[Any]:
        rows = whole(self, query, *values)
        most.append(len(rows))
        return rows

    asked = desk.put_down("judge", map(request, range(8)))
    monkeypatch.setattr(Scratch, "read", watched)
    requests = iter(asked)
    assert next(requests) == request(0)
    assert most == [2]
    assert [*requests] == [request(name) for name in range(1, 8)]
    keep(desk, *map(reply, asked))
    most.clear()
    done = asked.completions()
    assert next(done).request == request(0).id
    assert most == [3]
    assert len([*done]) == 7
    assert max(most) == 3


def test_a_request_is_read_as_it_was_put_down(desk: Desk) -> None:
    turns = (Message("system", "é\n\x00"), Message("user", "?"))
    plain = Request(turns, None, 7, 0.3, "m", attempt=4, thinking_tokens=5)
    several = [request(name, thinking_tokens=2) for name in "ab"]
    found = list(desk.put_down("judge", [plain, *several]))
    assert found == [plain, *several]
    assert [one.id for one in found] == [plain.id, *(one.id for one in several)]
    assert [one.thinking_tokens for one in found] == [5, 2, 2]
    assert found[1].schema is found[2].schema, "validators are made per object"


def test_schemas_are_read_again_with_their_order_and_their_numbers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORMS", 1)
    other = Request((Message("user", "?"),), {"type": "string"}, 10, 0.0, "m")
    first, second, third = desk.put_down("judge", [request("a"), other, request("b")])
    assert repr(first.schema) == repr(third.schema) == repr(SCHEMA)
    assert second.schema == {"type": "string"}
    assert Request(first.messages, first.schema, 10, 0.0, "m").id == first.id


@pytest.mark.parametrize("text", ['{"n": 1180591620717411303424}', '{"n": 0.1, "b": [1, 1.0]}'])
def test_a_reply_is_read_as_it_was_kept(desk: Desk, text: str) -> None:
    asked = desk.put_down("judge", [request("a")])
    done = reply(request("a"), text)
    keep(desk, done)
    [again] = asked.completions()
    assert (again, repr(again.value)) == (done, repr(done.value))


def test_a_reply_in_words_may_hold_half_a_character(desk: Desk) -> None:
    plain = Request((Message("user", "?"),), None, 10, 0.0, "m")
    asked = desk.put_down("judge", [plain])
    done = completion(plain, read(plain, "a\ud800"), text="a\ud800", finish="stop", method="text")
    keep(desk, done)
    assert list(asked.completions()) == [done]


def test_what_breaks_off_while_it_is_built_leaves_nothing_behind(ledger: Ledger) -> None:
    def broken() -> Iterator[Request]:
        yield request("a")
        raise ValueError("no more")

    asks = NodeAsks("n", ledger)
    with pytest.raises(ValueError, match="no more"):
        asks.ask("judge", broken())
    assert asks.asked == []
    assert pending(asks, [request("b")]) == [request("b")]


def test_what_an_interruption_cut_off_does_not_refuse_the_replies_that_come_after_it(
    desk: Desk,
) -> None:
    asked = desk.put_down("judge", [request("a"), request("b")])
    with desk.scratch.at_once() as file:
        pass
    # As where it comes behind the beginning of a transaction, before anything would end it.
    file.execute("BEGIN")
    keep(desk, reply(request("a")), reply(request("b")))
    assert [done.request for done in asked.completions()] == [request("a").id, request("b").id]


def test_a_finished_node_leaves_what_others_wait_for_and_what_nobody_could_use(desk: Desk) -> None:
    own = desk.put_down("judge", map(request, "abc"))
    others = desk.put_down("judge", map(request, "bd"))
    keep(desk, reply(request("a")), reply(request("b")), unusable(request("c")))
    desk.forget([own])
    assert (len(list(own)), own.lacks()) == (0, 0)
    assert [request(name).id in desk for name in "abc"] == [False, True, True]
    assert (others.lacks(), list(others)) == (1, [request("b"), request("d")])


def test_two_nodes_that_ask_the_same_are_told_apart_from_the_second_on(desk: Desk) -> None:
    first = desk.put_down("judge", map(request, "ab"))
    second = desk.put_down("judge", map(request, "bcc"))
    assert list(second.requests([first])) == [request("c")]
    assert (second.count(), second.count([first]), second.lacks([first])) == (2, 1, 1)
    assert second.among([request("b").id, request("x").id]) == 1
    keep(desk, reply(request("c")))
    assert (second.lacks(), second.lacks([first])) == (1, 0)


def test_none_usable_is_told_with_the_first_of_them(desk: Desk) -> None:
    asked = desk.put_down("judge", map(request, "ab"))
    keep(desk, unusable(request("a")), unusable(request("b")))
    assert asked.unusable() == (["schema"], unusable(request("a")))
    keep(desk, reply(request("b")))
    assert asked.unusable() is None


def test_replies_of_the_store_are_found_and_noted_once_as_taken_from_others(
    store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.ledger.LOOKED_UP", 2)
    for name, node in zip("abcde", "noooo", strict=True):
        asked = PendingRequest(node, "judge", request(name))
        store.record_calls([entry("r0001", asked, reply(request(name)))])
    noted: list[tuple[str, str]] = []

    def note(rows: Sequence[Any]) -> None:
        noted.extend((row.node, row.call) for row in rows)

    monkeypatch.setattr(store, "note", note)
    asks = NodeAsks("n", ledger)
    for _ in range(2):
        asks.begin()
        assert len([*asks.ask("judge", map(request, "abcd"))]) == 4
        assert len([*asks.ask("judge", map(request, "de"))]) == 2
    assert noted == [("n", request(name).id) for name in "bcde"]


def test_the_file_is_there_as_long_as_something_is_asked_and_no_longer(
    tmp_path: Path, ledger: Ledger
) -> None:
    (tmp_path / FILE).write_bytes(b"left by a kill")
    ledger.forget_all()
    assert not (tmp_path / FILE).exists()
    asked = ledger.put_down("judge", [request("a")])
    assert (tmp_path / FILE).stat().st_mode & 0o77 == 0, "prompts are the user's alone"
    ledger.forget_all()
    assert not (tmp_path / FILE).exists()
    again = ledger.put_down("judge", [request("b")])
    assert (list(asked), list(again)) == ([], [request("b")]), "places are not given twice"


def test_who_still_reads_from_a_file_that_was_removed_gets_nothing_of_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORMS", 1)
    schemas: list[dict[str, Any]] = [{"type": "string"}, {"type": "integer"}]
    old, new = (Request((Message("user", "?"),), schema, 10, 0.0, "m") for schema in schemas)
    requests = iter(desk.put_down("judge", [request("a"), old]))
    assert next(requests) == request("a")
    desk.scratch.clear()
    later = desk.put_down("judge", [new, request("b")])
    assert list(requests) == [], "not with the schema of another"
    assert list(later) == [new, request("b")]


def test_a_file_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(RunError, match=FILE) as caught:
        Desk(Scratch(tmp_path)).put_down("judge", [request("a")])
    assert "all replies are kept" in caught.value.hint


def test_what_fills_the_disk_is_told_with_what_to_do(desk: Desk) -> None:
    desk.put_down("judge", [request("a")])
    with desk.scratch.at_once() as file:
        (pages,) = file.execute("PRAGMA page_count").fetchone()
    desk.scratch.read(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RunError, match="full"):
        desk.put_down("judge", [request("x" * 10**6)])


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    os.symlink(elsewhere, tmp_path / FILE)
    Desk(Scratch(tmp_path)).put_down("judge", [request("a")])
    assert elsewhere.read_text() == "mine"
