"""What libraries make of an interruption is told from what is wrong."""

from __future__ import annotations

from engine.cli.terminal.ending import as_condition
from engine.errors import Interrupted
from engine.system.signals import was_interrupted


def _while_loading(cause: BaseException) -> ImportError:
    """Return what a compiled library raises where something else came while it was loaded."""
    error = ImportError("initialization failed")
    error.__cause__ = cause
    return error


def test_a_library_that_is_interrupted_while_it_is_loaded_is_an_interruption() -> None:
    stopped = _while_loading(KeyboardInterrupt("SIGTERM"))
    assert was_interrupted(stopped)
    condition = as_condition(stopped)
    assert isinstance(condition, Interrupted)
    assert condition.exit_code == 130


def test_one_that_cannot_be_loaded_is_none() -> None:
    broken = _while_loading(OSError("no such file"))
    assert not was_interrupted(broken)
    assert as_condition(broken) is None


def test_what_goes_wrong_after_an_interruption_is_none() -> None:
    wrong = ValueError("then")
    wrong.__context__ = KeyboardInterrupt()
    assert not was_interrupted(wrong)
