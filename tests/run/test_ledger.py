"""What goes into the ledger comes out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import FailedExchange, Message, PendingRequest, Request, Usage
from engine.backends.replies import completion, read
from engine.run.budget import BudgetTracker
from engine.run.ledger import Ledger, entry
from engine.spec.recipe import Budget
from engine.store import Spent, Store
from tests.store import small

pytestmark = pytest.mark.runs


def test_a_reply_with_all_its_numbers_is_served_again_as_it_was(tmp_path: Path) -> None:
    request = Request((Message("user", "Hi"),), {"type": "integer"}, 10, 0.0, "m")
    numbers = Usage(*range(7, 7 + len(Usage._fields)))
    done = completion(
        request, read(request, "3"), text="3", finish="stop", method="json_schema", usage=numbers, seconds=0.5,
        cost=0.25, server="m fp", tries=(FailedExchange("timeout", None, 1.0, "late"),),
    )  # fmt: skip
    store = Store.open(tmp_path)
    with store.lock_run():
        run = store.start_run(
            recipe="r", name="n", path="p", source="s", effective={}, versions={}
        )  # fmt: skip
        store.record_calls([entry(run, PendingRequest("node", "teacher", request), done)])
        ledger = Ledger(store, run, BudgetTracker(Budget(), Spent(0, 0, 0.0)))
        asked = ledger.put_down("teacher", [request])
        assert not ledger.lacks(asked)
        assert list(asked.completions()) == [done]
        store.end_run(run, "done")


@pytest.mark.parametrize(
    "text",
    [
        '<think>1?</think>{"n": 1}',
        '{"n": 1180591620717411303424}',
        '{"n": -9223372036854775809}',
        '{"n": 0.1, "b": [1, 1.0]}',
    ],
)
def test_a_reply_is_read_again_as_it_was_read_first(tmp_path: Path, text: str) -> None:
    schema: dict[str, Any] = {"type": "object"}
    request = Request((Message("user", "?"),), schema, 10, 0.0, "m")
    done = completion(request, read(request, text), text=text, finish="stop", method="scripted")
    store = Store.open(tmp_path)
    with store.lock_run():
        run = small.start(store)
        store.record_calls([entry(run, PendingRequest("n", "teacher", request), done)])
        ledger = Ledger(store, run, BudgetTracker(Budget(), Spent(0, 0, 0.0)))
        asked = ledger.put_down("teacher", [request])
        assert not ledger.lacks(asked)
        [again] = [reply.value for reply in asked.completions()]
    store.close()
    assert done.value is not None
    assert repr(again) == repr(done.value)
