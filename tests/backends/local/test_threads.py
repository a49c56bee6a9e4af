"""Work in two threads: in order, no more of it begun than is needed, and stopped when nobody wants it."""

from collections.abc import Iterator
from threading import Event

import pytest
import torch

from engine.backends.local.generation import TOP_K, Sampling
from engine.backends.local.threads import AHEAD, side_by_side

pytestmark = pytest.mark.models


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_results_come_in_order_and_parts_are_taken_as_work_can_begin() -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(9):
            taken.append(part)
            yield part

    found = []
    for done in side_by_side(lambda part: 2 * part, parts(), "cpu"):
        found.append(done)
        assert len(taken) <= len(found) + AHEAD - 1
    assert found == [2 * part for part in range(9)]


@pytest.mark.usefixtures("two_threads")
def test_two_parts_are_worked_on_at_once() -> None:
    events = [Event(), Event()]

    def work(part: int) -> bool:
        events[part].set()
        return events[1 - part].wait(10)

    assert list(side_by_side(work, range(2), "cpu")) == [True, True]


@pytest.mark.usefixtures("two_threads")
def test_work_that_nobody_waits_for_is_told_to_stop() -> None:
    stop = Event()
    results = side_by_side(lambda part: part == 0 or stop.wait(10), range(9), "cpu", stop)
    assert next(results)
    results.close()  # type: ignore[attr-defined]
    assert stop.is_set()


def test_a_draw_is_as_likely_as_its_logit_says_and_never_what_is_not_allowed() -> None:
    device = torch.device("cpu")
    logits = torch.tensor([2.0, 1.0, 0.0, -torch.inf]).repeat(20_000, 1)
    drawn = Sampling(0.5, 3, device)(torch.zeros(0), logits).argmax(-1)
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    torch.testing.assert_close(shares, (logits[0] / 0.5).softmax(-1), atol=0.01, rtol=0)
    again = Sampling(0.5, 3, device)(torch.zeros(0), logits).argmax(-1)
    other = Sampling(0.5, 4, device)(torch.zeros(0), logits).argmax(-1)
    assert torch.equal(again, drawn)
    assert not torch.equal(other, drawn)


def test_only_the_best_tokens_are_drawn() -> None:
    logits = torch.arange(200.0).repeat(500, 1) / 1000
    drawn = Sampling(1.0, 0, torch.device("cpu"))(torch.zeros(0), logits).argmax(-1)
    assert int(drawn.min()) >= 200 - TOP_K
    assert len(set(drawn.tolist())) == TOP_K
