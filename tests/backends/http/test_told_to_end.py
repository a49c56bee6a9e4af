"""A conversation in a thread, which no Ctrl-C reaches, ends when it is told to; what is in flight is given up."""

from __future__ import annotations

import threading

import pytest

from engine.backends import BACKENDS
from engine.backends.protocol import Message, Request
from engine.errors import Interrupted
from engine.system import stopping
from tests.servers.endpoint import Behaviour, Endpoint

pytestmark = pytest.mark.runs

LONG = 600.0
"""Seconds that the server takes: nobody waits for its reply."""


def test_what_is_in_flight_is_given_up_at_once() -> None:
    stop, ended = stopping.Stop(), threading.Event()
    raised: list[BaseException] = []
    with Endpoint(Behaviour(latency=LONG)) as server:
        settings = {"base_url": server.url, "structured": "json_schema", "timeout_s": LONG}
        model = BACKENDS["openai"].open("generator", None, "m", settings)
        asked = [Request((Message("user", "?"),), {"type": "object"}, 10, 0.0, "m")]

        def talk() -> None:
            with stopping.under(stop):
                try:
                    list(model.complete_many(asked, frozenset()))  # type: ignore[union-attr]
                except BaseException as error:
                    raised.append(error)
            ended.set()

        threading.Thread(target=talk, daemon=True).start()
        while not server.log.asked:
            assert not ended.wait(0.01)
        stop.tell()
        assert ended.wait(60)
    assert [type(error) for error in raised] == [Interrupted]
