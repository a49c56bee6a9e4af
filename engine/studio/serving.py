"""`pada studio` at work: a socket of this machine alone, and the server behind it until it is stopped."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from engine.errors import EngineError, reason_of
from engine.studio.application import make
from engine.studio.guard import Pass
from engine.studio.routes import ROUTES
from engine.studio.settings import Settings

HOST = "127.0.0.1"
LIBRARIES = ("starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a studio is open."""

    port: int
    token: str

    @property
    def url(self) -> str:
        """What is opened in a browser; it lets whoever has it in."""
        return f"http://{HOST}:{self.port}/?token={self.token}"


def serve(
    settings: Settings,
    port: int,
    opened: Callable[[Address], None],
    told: Callable[[Exception], None],
) -> None:
    """Answer this machine's browsers until the process is interrupted.

    Args:
        settings: What is shown.
        port: 0 takes one that is free.
        opened: Is told where, once it is open.
        told: Is told of what nobody foresaw.

    Raises:
        EngineError: the libraries of the extra `studio` are missing, or the port is taken.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise EngineError(
            f"the studio needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            "install what it needs: pip install 'pada-engine[studio]'",
        )
    import uvicorn

    with _listening(port) as listening:
        ticket = Pass(listening.getsockname()[1])
        config = uvicorn.Config(
            make(settings, ticket, ROUTES, told), log_config=None, access_log=False, lifespan="off",
            server_header=False, proxy_headers=False, ws="none", timeout_graceful_shutdown=2,
            # The parser that bounds what a header may weigh, whichever others are installed.
            http="h11",
        )  # fmt: skip
        opened(Address(ticket.port, ticket.token))
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    """Return a socket of this machine alone that others may knock at already; raises EngineError."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise EngineError(
            f"port {port} cannot be used ({reason_of(error)})",
            "choose another with --port, or leave it out: one that is free is taken",
        ) from error
    return listening
