"""Uploading an export, to a server on this machine that answers as the Hub does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.export.push import check_token, push


class Hub(ThreadingHTTPServer):
    """The few addresses of the Hub that an upload of small files needs; what it was given is kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.refuses = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub = self.server
        hub.tokens.add(self.headers.get("Authorization"))
        if hub.refuses:
            return self._say(403, {"error": "this token may not write"})
        if self.path == "/api/repos/create":
            hub.created = json.loads(body)
            return self._say(200, {"url": f"{hub.address}/{self._kind()}someone/rows"})
        if "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for file in json.loads(body)["files"]
            ]
            return self._say(200, {"files": files})
        if self.path == "/api/validate-yaml":
            return self._say(200, {"errors": [], "warnings": []})
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                hub.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        return self._say(
            200, {"commitUrl": f"{hub.address}/c/1", "commitOid": "1", "success": True}
        )

    def do_GET(self) -> None:
        self._say(200, {"id": "someone/rows", "sha": "1", "siblings": []})

    def _kind(self) -> str:
        return "datasets/" if self.server.created.get("type") == "dataset" else ""

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "data").mkdir(parents=True)
    (tmp_path / "out" / "README.md").write_text("# Rows\n", "utf-8")
    (tmp_path / "out" / "data" / "train.jsonl").write_text('{"text": "a"}\n', "utf-8")
    return tmp_path / "out"


@pytest.mark.parametrize(("kind", "place"), [("dataset", "datasets/"), ("model", "")])
def test_the_folder_is_uploaded_as_it_is_and_private(
    hub: Hub, folder: Path, kind: Any, place: str
) -> None:
    check_token("someone/rows")
    assert push(folder, "someone/rows", kind) == f"{hub.address}/{place}someone/rows"
    assert hub.created["visibility"] == "private"
    assert hub.created["name"] == "rows"
    assert hub.tokens == {"Bearer hf_mine"}
    assert hub.files == {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_refusal_says_that_the_folder_is_there(hub: Hub, folder: Path) -> None:
    hub.refuses = True
    said = r"is written, but could not be uploaded as someone/rows: .*403.*this token may not write"
    with pytest.raises(EngineError, match=said):
        push(folder, "someone/rows", "dataset")


def test_without_a_token_or_a_name_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(EngineError, match="there is no token") as refused:
        check_token("someone/rows")
    assert "HF_TOKEN" in refused.value.hint
    with pytest.raises(EngineError, match="not a name on the Hub"):
        check_token("some one/rows/x")
