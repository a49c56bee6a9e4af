"""`pada` in processes that are forked from one in which torch is loaded: to load it takes each of them seven seconds.

Everything else is as with `python -m engine.cli`: its arguments, environment, folder and streams are the process's own.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from engine.cli import main

LIBRARIES = ("transformers.models.llama.modeling_llama", "peft", "engine.backends.local.greedy")
"""What a run with a student of transformers loads; they bring torch."""


def start(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], out: Path, errors: Path
) -> BaseProcess:
    """Start `pada` and return its process; what it prints goes into two files."""
    given = (list(arguments), cwd, dict(environment), out, errors)
    if sys.platform == "linux":
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload([__name__, *LIBRARIES])
        process: BaseProcess = forks.Process(target=_pada, args=given)
    else:
        # A process with threads of its system's libraries is not safe to fork there.
        process = multiprocessing.get_context("spawn").Process(target=_pada, args=given)
    process.start()
    return process


def _pada(
    arguments: list[str], cwd: Path, environment: dict[str, str], out: Path, errors: Path
) -> None:
    for stream, path in ((1, out), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pada", *arguments]
    main()
