"""The process that computes: `python -P -m engine.sandbox.child PARENT_PID MODULE…`.

Asked on stdin, answers on stdout; of each module the function `prepare` is called first of all.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from engine.sandbox import limits, wire
from engine.system import platforms


def _answer(ask: wire.Ask, opened: Iterator[Any] | None) -> tuple[str, Any]:
    """Return `value`, `end` or `raised`, and what."""
    try:
        if ask.kind == "call":
            assert ask.function is not None
            return "value", ask.function(*ask.arguments)
        assert opened is not None
        for value in opened:
            return "value", value
        return "end", None
    except MemoryError:
        return "raised", limits.Overrun("memory")
    except Exception as error:
        # Its frames hold what filled the memory.
        return "raised", error.with_traceback(None)


def _packed(kind: str, what: Any) -> bytes:
    try:
        content = wire.packed((kind, what))
    except MemoryError:
        content = b""
    except Exception as error:
        text = f"{type(what).__name__}: {what} ({error})"
        content = wire.packed(("raised", RuntimeError(text[:1000])))
    if 0 < len(content) <= wire.MOST:
        return content
    return wire.packed(("raised", limits.Overrun("memory")))


def main(parent: int, *modules: str) -> None:
    """Answer until nobody asks any more."""
    platforms.kill_with_parent()
    if os.getppid() != parent:
        return
    asked, answers = os.dup(0), os.dup(1)
    # What libraries print must not get between the messages.
    os.dup2(2, 1)
    for module in modules:
        importlib.import_module(module).prepare()
    opened: Iterator[Any] | None = None
    while True:
        try:
            ask: wire.Ask = wire.unpacked(wire.read(lambda size: os.read(asked, size)))
        except EOFError:
            return
        limits.use(limits.Limits(ask.seconds, ask.memory, ask.rows))
        if ask.prepare is not None:
            ask.prepare()
        if ask.kind == "open":
            assert ask.function is not None
            opened = iter(ask.function(*ask.arguments))
        with platforms.bounded(ask.seconds, int(ask.memory * 1e9)):
            kind, what = _answer(ask, opened) if ask.kind != "open" else ("value", None)
            content = _packed(kind, what)
        if kind != "value":
            opened = None
        del ask, what
        wire.write(answers, content)
        if len(content) > 1 << 24:
            gc.collect()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
