"""`pada` in processes that are forked from one in which torch is loaded: to load it takes each of them seven seconds.

Everything else is as with `python -m engine.cli`: its arguments, environment, folder and streams are the process's own.
So it is with the trainings that it starts, which are processes of their own too.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from engine.backends.training import child, finetune
from engine.cli import main

LIBRARIES = (
    "transformers.models.llama.modeling_llama",
    "peft",
    "engine.backends.local.greedy",
    "engine.backends.training.loop",
)
"""What a run with a student of transformers and its trainings load; they bring torch."""


def start(
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    out: Path,
    errors: Path,
    *,
    trains_here: bool = True,
) -> BaseProcess:
    """Start `pada` and return its process; what it prints goes into two files.

    With `trains_here` its trainings are forked as it is itself; else they are its children, as a user's are.
    """
    given = (list(arguments), cwd, dict(environment), out, errors)
    if sys.platform == "linux":
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload([__name__, *LIBRARIES])
        process: BaseProcess = forks.Process(target=_pada, args=(*given, trains_here))
    else:
        # A process with threads of its system's libraries is not safe to fork there.
        process = multiprocessing.get_context("spawn").Process(target=_pada, args=given)
    process.start()
    return process


def _pada(
    arguments: list[str],
    cwd: Path,
    environment: dict[str, str],
    out: Path,
    errors: Path,
    trains_here: bool = False,
) -> None:
    for stream, path in ((1, out), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pada", *arguments]
    if trains_here:
        # The server that forked this process is asked for more: left alone, multiprocessing would start another.
        forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
        forking = SimpleNamespace(**{**vars(subprocess), "Popen": _Training})
        pytest.MonkeyPatch().setattr(finetune, "subprocess", forking)
    main()


class _Training:
    """What fine-tuning needs of `subprocess.Popen`, as long as nobody interrupts it."""

    def __init__(
        self, command: list[str], *, stderr: IO[bytes], env: Mapping[str, str], **_: Any
    ) -> None:
        forks = multiprocessing.get_context("forkserver")
        reader, writer = forks.Pipe(duplex=False)
        # python -P -m MODULE JOB PARENT
        given = (command[4], Path.cwd(), dict(env), writer, Path(stderr.name).absolute())
        self._process = forks.Process(target=_train, args=given)
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()

    def wait(self) -> int | None:
        self._process.join()
        return self.poll()

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


def _train(job: str, cwd: Path, environment: dict[str, str], out: Connection, log: Path) -> None:
    os.dup2(out.fileno(), 1)
    out.close()
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(child.main([job, str(os.getppid())]))
