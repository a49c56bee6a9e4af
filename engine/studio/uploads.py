"""Files that a page sends: written as they come into a folder of the state folder, never held in memory."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError, reason_of
from engine.gate import own_state

if TYPE_CHECKING:
    from starlette.requests import Request

FOLDER = "studio"
"""Of the state folder: what the studio keeps there for a while."""
LARGEST = 1 << 30
"""Bytes of a file."""
_UNCHANGED = "nothing was kept"


def workroom(state: Path) -> Path:
    """Return the folder in which the studio keeps what is not finished, its user's alone; raises EngineError."""
    own_state(state)
    folder = state / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _not_kept(folder, error) from error
    return folder


@asynccontextmanager
async def received(request: Request, state: Path) -> AsyncIterator[Path]:
    """Yield the body of a request as a file, which is gone afterwards unless it was moved.

    Raises:
        EngineError: it is too large, it did not come whole, or the disk is full.
    """
    from starlette.requests import ClientDisconnect

    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > LARGEST:
        raise _too_large()
    file = workroom(state) / f"upload-{secrets.token_hex(8)}"
    size = 0
    try:
        try:
            with file.open("xb") as stream:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > LARGEST:
                        raise _too_large()
                    stream.write(chunk)
        except ClientDisconnect:
            raise EngineError(
                f"the file did not come whole: {_UNCHANGED}", "send it again"
            ) from None
        except OSError as error:
            raise _not_kept(file.parent, error) from error
        if said.isdecimal() and int(said) != size:
            raise EngineError(f"the file did not come whole: {_UNCHANGED}", "send it again")
        yield file
    finally:
        file.unlink(missing_ok=True)


def _too_large() -> EngineError:
    return EngineError(
        f"the file is larger than {LARGEST >> 30} GiB: {_UNCHANGED}",
        "put it into the project's folder yourself, and name it here: a file that lies there may have any size",
    )


def _not_kept(folder: Path, error: OSError) -> EngineError:
    return EngineError(
        f"{folder} cannot be written: {reason_of(error)}: {_UNCHANGED}",
        "check its permissions and the free space",
    )
