"""The server itself, on a real socket: what is sent wrongly, slowly, too large, too often; it answers afterwards."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from engine.studio import application, serving
from engine.studio.guard import Pass
from engine.studio.serving import Address, serve
from engine.studio.settings import Settings


@dataclass(frozen=True)
class Served:
    """A studio that listens."""

    port: int
    cookie: str
    bugs: list[Exception]

    @property
    def head(self) -> str:
        """The lines of a request that is let in, and after which the connection is closed."""
        own = f"127.0.0.1:{self.port}"
        return (
            f"Host: {own}\r\nOrigin: http://{own}\r\nCookie: {self.cookie}\r\nConnection: close\r\n"
        )

    def answer(self, sent: bytes, *, seconds: float = 20.0) -> bytes:
        """Return all that comes back until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as line:
            got = b""
            try:
                line.sendall(sent)
                while chunk := line.recv(65_536):
                    got += chunk
            except OSError:
                # Closed while it was sent: that is an answer as well.
                pass
            return got

    def is_well(self) -> bool:
        """Return whether a page that is let in is answered."""
        answer = self.answer(f"GET /api/here HTTP/1.1\r\n{self.head}\r\n".encode())
        return answer.startswith(b"HTTP/1.1 200")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "BODY_WITHIN", 0.5)
        tickets: list[Pass] = []

        def ticket_of(port: int) -> Pass:
            tickets.append(Pass(port))
            return tickets[-1]

        patch.setattr(serving, "Pass", ticket_of)
        servers = []
        import uvicorn

        class Stoppable(uvicorn.Server):
            def __init__(self, config: uvicorn.Config) -> None:
                super().__init__(config)
                servers.append(self)

        patch.setattr(uvicorn, "Server", Stoppable)
        opened = threading.Event()
        addresses: list[Address] = []
        bugs: list[Exception] = []

        def tell(address: Address) -> None:
            addresses.append(address)
            opened.set()

        folder = tmp_path_factory.mktemp("wire")
        thread = threading.Thread(
            target=serve, args=(Settings(folder / ".pada", folder), 0, tell, bugs.append)
        )
        thread.start()
        assert opened.wait(30)
        ticket = tickets[0]
        yield Served(addresses[0].port, f"{ticket.cookie}={ticket.session}", bugs)
        servers[0].should_exit = True
        thread.join(30)
        assert not thread.is_alive()


BROKEN = {
    "two lengths": "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}",
    "a length and chunks": "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "a length that is none": "Content-Length: +2\r\n\r\n{}",
    "a length below nothing": "Content-Length: -1\r\n\r\n{}",
    "chunks that are none": "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunks within chunks": "Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a line folded": "X-A: 1\r\n Content-Length: 2\r\n\r\n{}",
    "a name with a space": "Content-Length : 2\r\n\r\n{}",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_what_two_servers_could_read_differently_is_answered_once_and_never_well(
    served: Served, sent: str
) -> None:
    answer = served.answer(f"POST /api/sql HTTP/1.1\r\n{served.head}{sent}".encode())
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b"HTTP/1.1 200" not in answer
    assert served.is_well()


@pytest.mark.parametrize("name", ["Host", "Cookie", "X-Anything"])
def test_a_header_of_a_megabyte_is_refused(served: Served, name: str) -> None:
    sent = f"GET /api/here HTTP/1.1\r\n{served.head}{name}: {'x' * 1_000_000}\r\n\r\n".encode()
    assert not served.answer(sent).startswith(b"HTTP/1.1 200")
    assert served.is_well()


def test_a_body_over_the_limit_is_refused_however_long_it_says_it_is(served: Served) -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    endless = f"POST /api/sql HTTP/1.1\r\n{served.head}Transfer-Encoding: chunked\r\n\r\n".encode()
    answer = served.answer(endless + chunk * 64)
    assert b"HTTP/1.1 200" not in answer
    said = f"POST /api/sql HTTP/1.1\r\n{served.head}Content-Length: 9999999999\r\n\r\n".encode()
    assert b"HTTP/1.1 200" not in served.answer(said + b"x" * 1_200_000)
    assert served.is_well()


def test_a_body_that_does_not_come_is_given_up(served: Served) -> None:
    sent = f"POST /api/sql HTTP/1.1\r\n{served.head}Content-Length: 20\r\n\r\n{{".encode()
    answer = served.answer(sent)
    assert b"HTTP/1.1 400" in answer
    assert b"did not arrive" in answer
    assert served.is_well()


def test_a_thousand_at_once_are_answered_and_so_is_the_next(served: Served) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most[1], most[1]))
    sent = f"GET /api/here HTTP/1.1\r\n{served.head}\r\n".encode()

    async def one() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        return answer.startswith(b"HTTP/1.1 200")

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(one() for _ in range(1_000)))

    try:
        assert all(asyncio.run(all_of_them()))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert served.is_well()
    assert served.bugs == []


def test_who_leaves_while_a_body_is_read_is_no_mistake_of_the_engine(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(
            f"POST /api/sql HTTP/1.1\r\n{served.head}Content-Length: 20\r\n\r\n{{".encode()
        )
    assert served.is_well()
    assert served.bugs == []


def test_a_stranger_is_refused_by_the_socket_as_well(served: Served) -> None:
    for head in (
        f"Host: evil.example:{served.port}\r\nCookie: {served.cookie}\r\n",
        f"Host: 127.0.0.1:{served.port}\r\nHost: evil.example\r\nCookie: {served.cookie}\r\n",
        f"Host: 127.0.0.1:{served.port}\r\nOrigin: null\r\nCookie: {served.cookie}\r\n",
        f"Host: 127.0.0.1:{served.port}\r\n",
    ):
        answer = served.answer(
            f"GET /api/here HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
        )
        assert not answer.startswith(b"HTTP/1.1 200"), head


def test_it_listens_on_this_machine_alone(served: Served) -> None:
    names = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    for name in names:
        if not name.startswith("127."):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((name, served.port), timeout=5).close()
