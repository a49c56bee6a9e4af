"""`pada studio`: where it opens, what it prints, how it ends, and what keeps it from opening."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.studio import Settings, serve, serving

COMMAND = [sys.executable, "-m", "engine.cli", "studio", "--no-browser"]


def never(*_: object) -> None:
    pytest.fail("it must not open")


def test_it_prints_its_address_listens_here_alone_and_ends_by_an_interrupt(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", url)
        with urllib.request.urlopen(url) as page:
            assert b"PaDA studio" in page.read()
        server.send_signal(signal.SIGINT)
        rest, said = server.communicate(timeout=60)
    assert (server.returncode, rest) == (0, "")
    assert str(tmp_path / ".pada") in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port} cannot be used") as refused:
            serve(Settings(), port, never, never)
    assert "--port" in refused.value.hint


def test_without_its_libraries_it_says_which_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "LIBRARIES", ("starlette", "no_such_library"))
    with pytest.raises(
        EngineError, match="needs no_such_library, which is not installed"
    ) as refused:
        serve(Settings(), 0, never, never)
    assert "pada-engine[studio]" in refused.value.hint


def test_a_folder_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(tmp_path / "no")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no such folder" in done.stderr
