"""Other systems, by taking away what they lack."""

from __future__ import annotations

import ast
import ctypes
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from engine.backends.training import child
from engine.errors import EngineError
from engine.system import platforms

ENGINE = Path(platforms.__file__).parents[1]
ONLY_HERE = {
    *("fcntl", "ctypes", "msvcrt", "resource", "platform"),
    *("sys.platform", "os.name", "os.uname", "os.sched_getaffinity", "os.sched_setaffinity"),
    *("cpu_affinity", "os.fsync", "os.fdatasync"),
}


def asked_for(module: Path) -> Iterator[str]:
    """Yield what a module imports, and the attributes it names with and without what they belong to."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Attribute):
            yield node.attr
            if isinstance(node.value, ast.Name):
                yield f"{node.value.id}.{node.attr}"


def test_what_systems_differ_in_is_asked_for_in_one_module() -> None:
    elsewhere = {
        f"{module.relative_to(ENGINE)}: {name}"
        for module in ENGINE.rglob("*.py")
        if module != Path(platforms.__file__)
        # Most modules have none of these words at all, and need not be parsed.
        if any(name in module.read_text("utf-8") for name in ONLY_HERE)
        for name in asked_for(module)
        if name in ONLY_HERE
    }
    assert elsewhere == set()


@pytest.mark.runs
def test_windows_is_refused_at_once_and_told_what_works() -> None:
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "from engine.cli import main; import os\n"
        "os.name, sys.platform, sys.argv = 'nt', 'win32', ['pada', '--version']\n"
        "main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(
        "error: PaDA Engine runs on Linux and macOS, not yet on this system (win32)"
    )
    assert "WSL 2" in ended.stderr


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_linux_and_macos_are_supported(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    platforms.require_supported()


def test_an_error_of_the_engine_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "java")
    with pytest.raises(EngineError, match="not yet on this system"):
        platforms.require_supported()
    monkeypatch.undo()


def test_cores_are_counted_where_a_process_cannot_be_confined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    confined = platforms.usable_cpus()
    assert 1 <= platforms.usable_cores() <= confined
    # macOS has neither.
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(psutil.Process, "cpu_affinity")
    assert platforms.usable_cpus() == os.cpu_count()
    assert 1 <= platforms.usable_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: None)
    assert platforms.usable_cores() == os.cpu_count(), "physical cores are not known everywhere"


@pytest.mark.models
def test_training_finds_its_threads_where_a_process_cannot_be_confined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []
    torch = SimpleNamespace(
        set_num_threads=threads.append,
        use_deterministic_algorithms=lambda *_, **__: None,
        utils=SimpleNamespace(deterministic=SimpleNamespace()),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(psutil.Process, "cpu_affinity")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert child.prepare_torch("cpu") == "cpu"
    assert threads == [platforms.usable_cores()]


def test_macos_flushes_the_disks_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []

    def control(handle: int, command: int) -> int:
        flushed.append(command)
        return 0

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    with (tmp_path / "file").open("wb") as stream:
        platforms.sync(stream.fileno())
    assert flushed == [51]


def test_a_file_system_that_knows_no_full_flush_is_flushed_as_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, command: int) -> int:
        raise OSError(45, "Operation not supported")

    flushed: list[int] = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(os, "fsync", flushed.append)
    with (tmp_path / "file").open("wb") as stream:
        platforms.sync(stream.fileno())
        assert flushed == [stream.fileno()]


def test_only_linux_kernels_are_asked_to_kill_with_the_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_such_call(_: object) -> object:
        raise AssertionError("macOS has no prctl")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", no_such_call)
    platforms.kill_with_parent()
