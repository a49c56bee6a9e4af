"""Work for a page in a thread of its own, which ends when the page no longer waits, or when it takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from engine.errors import EngineError
from engine.store import Stop

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")
AT_MOST = 300.0
"""Seconds: a question holds the store, and a run that writes waits for it."""


async def in_thread(request: Request, work: Callable[[Stop], T], seconds: float = AT_MOST) -> T:
    """Return what `work` does in a thread. The request's body must have been read.

    Raises:
        EngineError: it took more than `seconds`, or the page went away; else what `work` raises.
    """
    stop = Stop()
    working = asyncio.ensure_future(asyncio.to_thread(work, stop))
    leaving = asyncio.ensure_future(_left(request))
    try:
        done, _ = await asyncio.wait(
            {working, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if working not in done:
            await _ended(working, stop)
            raise EngineError(
                "the page was left"
                if done
                else f"this took more than {seconds:,.0f} seconds and was stopped",
                "ask for less: one run, one round, a LIMIT",
            )
        return await working
    finally:
        leaving.cancel()


async def _ended(working: asyncio.Future[T], stop: Stop) -> None:
    """Stop what a thread does, and wait until it has ended, whatever it came to."""
    while not working.done():
        # Again and again: DuckDB forgets what it was told between two statements.
        stop()
        await asyncio.wait({working}, timeout=0.05)
    working.exception()


async def _left(request: Request) -> None:
    """Wait until the browser closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
