"""Nothing that came compressed, or has no end, fills the memory: a reply, a line, a row, a workbook."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from engine.backends.entry import ModelRef
from engine.backends.http import connection
from engine.backends.http.connection import LARGEST, Connection
from engine.backends.http.exchange import Exchange
from engine.backends.openai import PROTOCOL, OpenAISettings
from engine.cli import main
from engine.data.sources import delimited, excel, json_values, texts
from engine.data.sources.readers import READERS, ending
from engine.errors import RecipeError
from engine.spec.recipe import Format
from tests.security.test_gate import RECIPE

MIB = 1 << 20
REPLY = json.dumps({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}).encode()

# Replies.


def _deflated(data: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(1, wbits=bits)
    return packer.compress(data) + packer.flush()


LONG = b'{"error": {"message": "no' + b"!" * (32 * MIB)
BOMB = _deflated(LONG, 31)


class Answers:
    """A server on loopback that answers everything with one body."""

    status, encoding, body = 200, "", b""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked = dict(self.headers)
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/json")
                if outer.encoding:
                    self.send_header("Content-Encoding", outer.encoding)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                try:
                    self.wfile.write(outer.body)
                except OSError:
                    # The client has read enough.
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.asked: dict[str, str] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def ask(self, body: bytes, encoding: str = "", status: int = 200) -> Exchange:
        self.body, self.encoding, self.status = body, encoding, status

        async def asked() -> Exchange:
            settings = OpenAISettings(base_url=self.url, timeout_s=20)
            client = Connection(ModelRef("m", None), settings, PROTOCOL)
            await client.open()
            try:
                return await client.post(b"{}")
            finally:
                await client.close()

        return asyncio.run(asked())


@pytest.fixture(scope="module")
def server() -> Iterator[Answers]:
    answers = Answers()
    answers.thread.start()
    yield answers
    answers.server.shutdown()
    answers.server.server_close()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", BOMB),
        ("X-GZip", BOMB),
        ("deflate", _deflated(LONG, -15)),
        ("deflate", b"\0\0\0\xff\xff" * (LARGEST // 5 + 1)),
        ("", b" " * (LARGEST + 1)),
    ],
    ids=["gzip", "x-gzip", "deflate", "blocks of nothing", "plain"],
)
def test_a_reply_that_grows(encoding: str, body: bytes, server: Answers) -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        exchange = server.ask(body, encoding)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (exchange.kind, exchange.status) == ("too_large", 200)
    assert "more than 4,194,304 bytes (4 MiB), decompressed" in exchange.detail
    assert "look at what the server sends" in exchange.detail
    # The pieces, and once more all of them joined.
    assert peak - before < 4 * LARGEST


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "bad_request"), (401, "auth"), (429, "rate_limit"), (500, "server_error")],
)
def test_a_refusal_that_grows_is_that_refusal(status: int, kind: str, server: Answers) -> None:
    exchange = server.ask(BOMB, "gzip", status)
    assert (exchange.kind, exchange.status) == (kind, status)
    assert exchange.detail.startswith('{"error": {"message": "no!!!')
    assert len(exchange.detail) <= 500


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", REPLY),
        ("identity", REPLY),
        ("gzip", _deflated(REPLY, 31)),
        ("deflate", _deflated(REPLY, 15)),
        ("deflate", _deflated(REPLY, -15)),
        ("gzip", gzip.compress(REPLY[:20]) + gzip.compress(REPLY[20:])),
    ],
    ids=["plain", "identity", "gzip", "deflate", "bare deflate", "two parts"],
)
def test_a_reply_is_decompressed(encoding: str, body: bytes, server: Answers) -> None:
    assert server.ask(body, encoding).text == "yes"
    assert server.asked["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("encoding", "body", "kind", "said"),
    [
        ("gzip", _deflated(REPLY, 31)[:-9], "truncated_body", "ends early"),
        ("gzip", b"no gzip at all", "truncated_body", "incorrect header"),
        ("deflate", b"x\x9cno deflate at all", "truncated_body", "Error -3"),
        ("gzip", gzip.compress(b"", mtime=0) * 1001, "truncated_body", "more than 1,000 parts"),
        ("br", REPLY, "bad_body", "compressed as 'br', and gzip or deflate was asked for"),
        ("zstd", REPLY, "bad_body", "compressed as 'zstd'"),
        ("gzip, gzip", REPLY, "bad_body", "compressed as 'gzip, gzip'"),
    ],
)
def test_a_reply_that_cannot_be_decompressed(
    encoding: str, body: bytes, kind: str, said: str, server: Answers
) -> None:
    exchange = server.ask(body, encoding)
    assert exchange.kind == kind
    assert said in exchange.detail


# Lines and rows of data files.


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Make the longest row short, so that files may be."""
    most = 1 << 14
    for module in (texts, delimited, json_values, excel):
        monkeypatch.setattr(module, "LONGEST", most)
    monkeypatch.setattr(delimited, "_CHARACTERS_LOOKED_AT", most)
    monkeypatch.setattr(json_values, "_BLOCK", 1 << 12)
    return most


def refusal(file: Path) -> str:
    with pytest.raises(RecipeError) as error:
        list(READERS[ending(file)].rows(file, Format()))
    (problem,) = error.value.problems
    assert problem.hint
    return str(problem)


def written(file: Path, content: bytes) -> Path:
    if file.suffix == ".gz":
        content = gzip.compress(content)
    elif file.suffix == ".zst":
        import pyarrow as pa

        content = pa.compress(content, codec="zstd", asbytes=True)
    file.write_bytes(content)
    return file


LETTERS = b"a" * (1 << 16)
ROW = b'{"text": "a", "label": "b"}\n'


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.jsonl.gz", ROW + b'{"text": "' + LETTERS, ":2:1: error: this line has more than"),
        ("a.jsonl.zst", ROW + ROW + b'{"text": "' + LETTERS, ":3:1: error: this line has more than"),
        ("a.jsonl", ROW + b'{"text": "' + LETTERS + b'"}\n', ":2:1: error: this line has more than"),
        ("a.jsonl.gz", b"\xff\xfe" + LETTERS, ":1:1: error: this line has more than"),
        ("a.json.gz", b'[{"text": "' + LETTERS, ":1:2: error: this value has more than"),
        ("a.json.zst", b"[" + ROW + b",\n[" + b"[]," * (1 << 14), ":3:1: error: this value has more than"),
        ("a.json", ROW + b'{"text": "' + LETTERS, ":2:1: error: this value has more than"),
        ("a.csv.gz", b"text,label\na,b\n" + LETTERS, ":3:1: error: this line has more than"),
        ("a.csv.gz", b'text,label\n"' + b"a\n" * (1 << 14), ":2:1: error: this row has more than"),
        ("a.csv.gz", b"text\n" + b'"a\n",' * (1 << 13), ":2:1: error: this row has more than"),
        ("a.tsv.zst", b"text\tlabel\n" + LETTERS, ":2:1: error: this line has more than"),
        ("a.csv", b"text,label\n\xe4,b\n" + LETTERS, ":3:1: error: this line has more than"),
    ],
)  # fmt: skip
def test_a_row_without_an_end(
    name: str, content: bytes, place: str, small: int, tmp_path: Path
) -> None:
    file = written(tmp_path / name, content)
    said = refusal(file)
    assert f"{name}{place} 16,384" in said
    assert "it is not read on" in said
    assert "no row is that long" in said


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.json"])
def test_a_row_that_just_has_an_end(name: str, small: int, tmp_path: Path) -> None:
    text = "a" * (small - 30)
    contents = {
        ".jsonl": json.dumps({"text": text}) + "\n",
        ".json": json.dumps([{"text": text}, {"text": text}]),
        ".csv": f"text,label\n{text},b\n{text},c\n",
    }
    file = tmp_path / name
    written(file, contents[ending(file)].encode())
    found = list(READERS[ending(file)].rows(file, Format()))
    assert len(found) >= 1
    assert all(isinstance(row[1], dict) and row[1]["text"] == text for row in found)


def test_the_longest_row_as_it_is_and_the_command_that_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pada.yaml").touch()
    (tmp_path / "data").mkdir()
    bomb = tmp_path / "data/train.jsonl.zst"
    written(bomb, ROW + b'{"text": "' + b"a" * (40 * MIB))
    assert bomb.stat().st_size < 10_000
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("train.jsonl", "train.jsonl.zst"), "utf-8")
    monkeypatch.setattr(sys, "argv", ["pada", "validate", str(recipe)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = "".join(capsys.readouterr())
    assert ended.value.code == 2
    assert "train.jsonl.zst:2:1: error: this line has more than 16,777,216 bytes (16 MiB)" in said
    assert "leave this line out" in said
    assert "Traceback" not in said


def workbook(file: Path, rows: int = 3, text: str = "a") -> Path:
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    for number in range(rows):
        book.active.append([f"{text}{number}", "b"])
    book.save(file)
    return file


def changed(file: Path, **replacements: tuple[bytes, bytes]) -> Path:
    """Change parts of a workbook, or add some."""
    with zipfile.ZipFile(file) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    for part, (words, instead) in replacements.items():
        parts[part] = parts.get(part, words).replace(words, instead, 1)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)
    assert file.stat().st_size < 20_000
    return file


def test_a_workbook_whose_row_has_no_end(small: int, tmp_path: Path) -> None:
    sheet = "xl/worksheets/sheet1.xml"
    long = b"<c><v>1</v></c>" * 4000 + b"</row>"
    said = refusal(changed(workbook(tmp_path / "a.xlsx"), **{sheet: (b"</row>", long)}))
    assert f"a.xlsx:1:1: error: this Excel file is not read: a row of {sheet} has more than" in said
    assert "save the sheet as CSV or Parquet" in said


def test_a_workbook_with_more_texts_than_memory_holds(
    small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "_LARGEST_PART", 1 << 15)
    texts_of = {"xl/sharedStrings.xml": (b"", b"<si><t>a</t></si>" * 4000)}
    said = refusal(changed(workbook(tmp_path / "a.xlsx"), **texts_of))
    assert "xl/sharedStrings.xml has 68,000 bytes, more than 32,768" in said


def test_a_workbook_that_is_too_large_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = workbook(tmp_path / "a.xlsx")
    monkeypatch.setattr(excel, "_LARGEST", 1000)
    assert "bytes, more than 1,000" in refusal(file)


def test_a_workbook_of_many_rows_is_read(small: int, tmp_path: Path) -> None:
    file = workbook(tmp_path / "a.xlsx", 2000)
    found = list(READERS[".xlsx"].rows(file, Format()))
    assert len(found) == 2000


def test_what_is_read_at_most() -> None:
    """docs/security.md and docs/data.md name these."""
    assert connection.LARGEST == 4 * MIB
    assert texts.LONGEST == 16 * MIB
