"""A fast chat endpoint to measure clients against: answers after a set latency, far faster than any client asks.

Speaks just enough HTTP/1.1 (keep-alive, Content-Length) for the clients here. `--slots N` serves at most N
requests at a time, so that more under way only wait longer: what an adaptive client has to find.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import cast

import uvloop

CONTENT = json.dumps(
    {
        "text": "x" * 180,
        "label": "neutral",
        "scores": {"adherence": 4, "utility": 3, "relevance": 5},
    }
)
BODY = json.dumps(
    {
        "id": "c", "object": "chat.completion", "created": 0, "model": "bench",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": CONTENT}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 60, "total_tokens": 160},
    }
).encode()  # fmt: skip
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    + str(len(BODY)).encode()
    + b"\r\n\r\n"
    + BODY
)


class Slots:
    """Serves requests after the latency, at most so many at a time."""

    def __init__(self, latency: float, slots: int | None) -> None:
        self._latency, self._free = latency, slots
        self._waiting: deque[Callable[[], None]] = deque()

    def serve(self, answer: Callable[[], None]) -> None:
        if self._free is not None:
            if self._free == 0:
                self._waiting.append(answer)
                return
            self._free -= 1
        asyncio.get_running_loop().call_later(self._latency, self._done, answer)

    def _done(self, answer: Callable[[], None]) -> None:
        answer()
        if self._free is not None:
            self._free += 1
            if self._waiting:
                self.serve(self._waiting.popleft())


class Connection(asyncio.Protocol):
    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            lower = self._buffer[:head].lower()
            at = lower.find(b"content-length:")
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < head + 4 + length:
                return
            self._buffer = self._buffer[head + 4 + length :]
            self._slots.serve(self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def main(latency: float, slots: int | None) -> None:
    shared = Slots(latency, slots)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(shared), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--slots", type=int)
    given = parser.parse_args()
    uvloop.run(main(given.latency_ms / 1000, given.slots))
