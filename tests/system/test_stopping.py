"""The word that work is to end, as it reaches other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from engine.errors import Interrupted
from engine.system import stopping


def in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


def test_who_works_under_a_word_hears_it_and_others_do_not() -> None:
    stop, other = stopping.Stop(), stopping.Stop()
    heard: list[str] = []
    ready, told = threading.Event(), threading.Event()

    def wake() -> None:
        heard.append("woken")
        told.set()

    def tell() -> None:
        ready.wait(60)
        other.tell()
        stop.tell()

    def work() -> None:
        with stopping.under(stop), stopping.heard(wake):
            stopping.check()
            ready.set()
            assert told.wait(60)
            assert stopping.told()
            with pytest.raises(Interrupted):
                stopping.check()

    teller = threading.Thread(target=tell)
    teller.start()
    in_thread(work)
    teller.join()
    assert heard == ["woken"]
    assert not stopping.told()
    stopping.check()


def test_a_word_that_was_said_before_is_heard_at_once_and_a_block_that_is_over_hears_none() -> None:
    stop = stopping.Stop()
    heard: list[int] = []
    with stop.heard(lambda: heard.append(1)):
        pass
    stop.tell()
    assert heard == []
    with stop.heard(lambda: heard.append(2)):
        assert heard == [2]


def test_without_a_word_nothing_is_heard() -> None:
    with stopping.heard(lambda: pytest.fail("nobody said it")):
        assert not stopping.told()
