"""The student's server as a child process: when it is ready, when it is not, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from engine.backends.serving import server
from engine.backends.serving.server import Weights
from engine.errors import BackendError

pytestmark = pytest.mark.runs

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = Weights(Path("/no/model"), None, "bfloat16", "cpu")
SERVER = """
import http.server, subprocess, sys, time
own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("loading", sys.argv[1:], own.pid, flush=True)
if sys.argv[1] == "fails":
    sys.exit("no such weights")
if sys.argv[1] == "hangs":
    time.sleep(600)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(str(own.pid).encode())

http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""
"""A server that starts a process of its own, as vLLM does."""


@pytest.fixture
def how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a small server in the place of a real one; the first item of the list says what it does."""
    found = ["serves"]
    (tmp_path / "small_server.py").write_text(textwrap.dedent(SERVER), "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    monkeypatch.setattr(
        server,
        "_command",
        lambda kind, weights, served, port: server._Command("small_server", (found[0], str(port))),
    )
    return found


def asked(url: str) -> str:
    with urllib.request.urlopen(url.replace("/v1", "/health"), timeout=60) as answer:
        return str(answer.read().decode())


def test_it_answers_while_the_block_lasts_and_all_of_it_ends_with_it(
    how: list[str], tmp_path: Path
) -> None:
    with server.serving(WEIGHTS, "auto", tmp_path) as served:
        own = psutil.Process(int(asked(served.base_url)))
        parent = own.parent()
        assert parent is not None
        assert served.name.startswith("transformers serve 5.")
        assert served.model == "/no/model"
    _, alive = psutil.wait_procs([own, parent], timeout=60)
    assert not alive
    with pytest.raises(OSError, match="refused"):
        asked(served.base_url)


def test_one_that_ends_shows_the_end_of_what_it_said(how: list[str], tmp_path: Path) -> None:
    how[0] = "fails"
    with (
        pytest.raises(BackendError, match="ended before it was ready") as caught,
        server.serving(WEIGHTS, "auto", tmp_path),
    ):
        pytest.fail("it does not serve")
    assert "exit code 1" in caught.value.message
    assert "loading ['fails'" in caught.value.hint
    assert caught.value.hint.endswith("no such weights")


def test_one_that_is_never_ready_is_given_up(
    how: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how[0] = "hangs"
    log = tmp_path / server.LOG_FILE

    def clock() -> float:
        """Stand still until the server has begun to load, then be beyond what it may take."""
        begun = log.is_file() and "loading" in log.read_text("utf-8")
        return time.monotonic() + (server.READY_SECONDS if begun else 0)

    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=clock, sleep=time.sleep))
    with (
        pytest.raises(BackendError, match="not ready after 900 seconds"),
        server.serving(WEIGHTS, "auto", tmp_path),
    ):
        pytest.fail("it does not serve")
    said = log.read_text("utf-8").split()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(said[-1])).wait(60)


def test_it_does_not_outlive_a_run_that_is_killed(how: list[str], tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from engine.backends.serving import server
        server._command = lambda kind, weights, served, port: server._Command("small_server", ("serves", str(port)))
        weights = server.Weights(Path("/no/model"), None, "bfloat16", "cpu")
        with server.serving(weights, "auto", Path({str(tmp_path)!r})) as served:
            print(served.base_url, flush=True)
            time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline().startswith("http://127.0.0.1:")
            children = psutil.Process(run.pid).children(recursive=True)
            assert len(children) == 2
        finally:
            run.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_the_command_says_what_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = {"memory.free": "40000", "memory.total": "80000"}
    monkeypatch.setattr(server, "graphics", memory.__getitem__)
    weights = Weights(tmp_path / "base", tmp_path / "adapter", "bfloat16", "cuda:0")
    place = ("--host", "127.0.0.1", "--port", "4711", "--dtype", "bfloat16")
    folder = str(tmp_path / "model")
    plain = server._command("transformers", weights, tmp_path / "model", 4711)
    assert plain.module == "transformers.cli.transformers"
    assert plain.arguments == ("serve", folder, "--device", "cuda:0", *place)
    fast = server._command("vllm", weights, tmp_path / "model", 4711)
    memory_and_length = ("--gpu-memory-utilization", "0.42", "--max-model-len", "-1")
    assert fast.arguments == ("serve", folder, *memory_and_length, *place)
    # Without a card it is the machine's memory, of which the run needs some itself.
    for said in ("", "[N/A]"):
        monkeypatch.setattr(server, "graphics", lambda what, said=said: said)
        assert 0 < server.share_of_memory(0.85, 0.4) < 0.5


@pytest.mark.parametrize(
    ("device", "card", "vllm", "picked"),
    [
        ("auto", "0", True, "vllm"),
        ("cuda:0", "0", True, "vllm"),
        ("cpu", "0", True, "transformers"),
        ("auto", "", True, "transformers"),
        ("auto", "0", False, "transformers"),
    ],
)
def test_vllm_is_taken_where_it_is_installed_and_there_is_a_card(
    device: str, card: str, vllm: bool, picked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "graphics", lambda what: card)
    monkeypatch.setattr(server, "_is_installed", lambda module: vllm)
    assert server._pick("auto", device) == picked
    assert server._pick("vllm", "cpu") == "vllm"


def test_children_reach_no_hub_and_no_proxy_on_the_way_to_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "intern.example")
    monkeypatch.setenv("no_proxy", "other.example")
    found = server.environment()
    assert found["HF_HUB_OFFLINE"] == "1"
    assert (
        found["no_proxy"]
        == found["NO_PROXY"]
        == "other.example,intern.example,127.0.0.1,localhost,::1"
    )
    monkeypatch.delenv("no_proxy")
    assert server.environment()["no_proxy"] == "intern.example,127.0.0.1,localhost,::1"
