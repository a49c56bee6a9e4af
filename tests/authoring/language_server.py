"""A client of yaml-language-server: the protocol's messages over the standard streams, as an editor sends them."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_PATIENCE = 60
"""Seconds that an answer may take."""


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], schemas: Mapping[str, str]) -> None:
        """Take the process, and which schema (an address) is for which files (a pattern)."""
        assert process.stdin is not None
        assert process.stdout is not None
        self._out: IO[bytes] = process.stdin
        self._in: IO[bytes] = process.stdout
        self._settings = {
            "yaml": {
                "schemas": schemas, "validate": True, "hover": True, "completion": True,
                "schemaStore": {"enable": False}, "format": {"enable": False},
            }
        }  # fmt: skip
        self._number = 0
        self._answers: dict[int, Any] = {}
        self._complaints: dict[str, list[dict[str, Any]]] = {}
        self._arrived: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._ask(
            "initialize",
            {
                "processId": None, "rootUri": None,
                "capabilities": {
                    "workspace": {"configuration": True, "didChangeConfiguration": {}},
                    "textDocument": {
                        "hover": {"contentFormat": ["markdown", "plaintext"]},
                        "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
                    },
                },
            },
        )  # fmt: skip
        self._send("initialized", {})
        self._send("workspace/didChangeConfiguration", {"settings": self._settings})

    def complaints(self, uri: str, text: str) -> list[dict[str, Any]]:
        """Open a document and return its diagnostics."""
        self._send(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}},
        )
        while uri not in self._complaints:
            self._take()
        return self._complaints.pop(uri)

    def hover(self, uri: str, line: int, column: int) -> str:
        """Return what is shown of a place, in Markdown."""
        answer = self._ask("textDocument/hover", _place(uri, line, column))
        return "" if not answer else str(answer["contents"]["value"])

    def completion(self, uri: str, line: int, column: int) -> dict[str, dict[str, Any]]:
        """Return what may be written at a place: label -> item."""
        answer = self._ask("textDocument/completion", _place(uri, line, column))
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return {item["label"]: item for item in items}

    def _ask(self, method: str, params: Any) -> Any:
        self._number += 1
        self._write({"id": self._number, "method": method, "params": params})
        while self._number not in self._answers:
            self._take()
        return self._answers.pop(self._number)

    def _send(self, method: str, params: Any) -> None:
        self._write({"method": method, "params": params})

    def _write(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._out.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._out.flush()

    def _take(self) -> None:
        """Take one message: an answer, diagnostics, or something that the server wants to know."""
        message = self._arrived.get(timeout=_PATIENCE)
        if message is None:
            raise AssertionError("the language server ended")
        if message.get("method") == "textDocument/publishDiagnostics":
            self._complaints[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            asked = message["params"].get("items", ()) if message.get("params") else ()
            answer = [self._settings.get(item.get("section")) for item in asked]
            wanted = message["method"] == "workspace/configuration"
            self._write({"id": message["id"], "result": answer if wanted else None})
        elif "id" in message:
            assert "error" not in message, message
            self._answers[message["id"]] = message["result"]

    def _read(self) -> None:
        while True:
            length = 0
            while (line := self._in.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not length:
                self._arrived.put(None)
                return
            self._arrived.put(json.loads(self._in.read(length)))


def _place(uri: str, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}


@contextmanager
def running(program: Path, schemas: Mapping[str, str]) -> Iterator[Server]:
    """Start a server, and end it behind the block."""
    with subprocess.Popen(
        [program, "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield Server(process, schemas)
        finally:
            process.kill()
