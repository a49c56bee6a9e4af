"""Processes that are told apart from later ones with the same number: by when they began."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.system import platforms

_SAME = 0.05
"""Seconds by which two readings of the same process's beginning may differ."""


class Process(NamedTuple):
    """One process, and the command that it is."""

    pid: int
    began: float
    """Seconds since the epoch, as the system tells it."""
    argv: tuple[str, ...] = ()
    """What follows the program's name; empty where it is not known."""
    folder: str = ""
    """The one in which it was started."""
    is_pada: bool = False
    """Whether it is the command `pada`, and no program of the user that calls the engine."""

    @classmethod
    def this(cls) -> Process:
        """Return the process that asks."""
        program = Path(sys.argv[0]) if sys.argv else Path()
        is_pada = program.name == "pada" or program.parts[-3:] == ("engine", "cli", "__main__.py")
        began = _began(os.getpid()) or 0.0
        try:
            folder = os.getcwd()
        except OSError:
            # Somebody removed it meanwhile.
            folder = ""
        return cls(os.getpid(), began, tuple(sys.argv[1:]), folder, is_pada)

    @classmethod
    def of(cls, pid: int, argv: tuple[str, ...], folder: str) -> Process:
        """Return a process that was started here as the command `pada`."""
        return cls(pid, _began(pid) or 0.0, argv, folder, is_pada=True)

    @classmethod
    def read(cls, value: Any) -> Process | None:
        """Return the process that `stored` wrote; None for anything else."""
        try:
            argv = tuple(str(word) for word in value["argv"])
            folder, is_pada = str(value["folder"]), value["is_pada"] is True
            return cls(int(value["pid"]), float(value["began"]), argv, folder, is_pada)
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    @property
    def stored(self) -> Mapping[str, Any]:
        """It as a file has it."""
        return self._asdict()

    @property
    def lives(self) -> bool:
        """Whether it is there still, and not another one that has its number now."""
        return (began := _began(self.pid)) is not None and abs(began - self.began) < _SAME

    def interrupt(self) -> None:
        """Do what Ctrl-C does; where it hears no Ctrl-C, as in the background of a script, what a process manager does.

        Raises ProcessLookupError where it has ended.
        """
        self._send(signal.SIGTERM if platforms.ignores(self.pid, signal.SIGINT) else signal.SIGINT)

    def kill(self) -> None:
        """End it at once; raises ProcessLookupError where it has ended."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with platforms.held(self.pid) as send:
            # Looked at once it is held: its number cannot become another's in between.
            if not self.lives:
                raise ProcessLookupError
            send(number)


class Started(NamedTuple):
    """A run that was started for somebody who does not wait for it."""

    process: Process
    log: str
    """Name of the file with what it prints."""
    run: str = ""
    """Id of the run that it goes on with; empty for what is begun."""


def _began(pid: int) -> float | None:
    """Return when a process began; None where there is none of this user, or it has ended and is only remembered."""
    import psutil

    try:
        process = psutil.Process(pid)
        ours = process.uids().real == os.getuid() and process.status() != psutil.STATUS_ZOMBIE
        return float(process.create_time()) if ours else None
    except (psutil.Error, ValueError, OverflowError):
        return None
