"""What goes between the two processes: pickles, each with its length before it.

Both ends are this engine. What is computed reaches no code of ours but as values, and the process that computes has the
rights of the one that asks: that pickles could run code in it adds nothing.
"""

from __future__ import annotations

import os
import pickle  # nosec B403 # see above
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

LENGTH = struct.Struct("!Q")
MOST = 1 << 28
"""Bytes of an answer: 256 MB."""


class Ask(NamedTuple):
    """What is to be done."""

    kind: str
    """`call`, or `open` for what gives several values, and then `next` for each."""
    seconds: float
    memory: float
    rows: int
    function: Callable[..., Any] | None = None
    arguments: tuple[Any, ...] = ()
    prepare: Callable[[], object] | None = None
    """What is done first, before any limit holds: modules are loaded."""


def packed(value: Any) -> bytes:
    """Return a value as the other process reads it; raises what pickle does for one that does not go there."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def unpacked(content: bytes) -> Any:
    """Return the value in a message of the other process."""
    return pickle.loads(content)  # nosec B301 # from the engine itself, see above


def write(handle: int, content: bytes) -> None:
    """Write a message whole; raises OSError."""
    left = memoryview(LENGTH.pack(len(content)) + content)
    while left:
        left = left[os.write(handle, left) :]


def read(take: Callable[[int], bytes]) -> bytes:
    """Return a message, given what returns some of the next bytes, at most so many; raises EOFError at the end."""
    (size,) = LENGTH.unpack(_exactly(take, LENGTH.size))
    return bytes(_exactly(take, size))


def _exactly(take: Callable[[int], bytes], size: int) -> bytearray:
    content = bytearray()
    while len(content) < size:
        part = take(min(size - len(content), 1 << 20))
        if not part:
            raise EOFError
        content += part
    return content
