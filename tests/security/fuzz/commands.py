"""`pada` in this process: how it ended, and whether that is one of the ways that are documented."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Collection
from unittest import mock

from engine import cli
from tests.security.fuzz.worker import Wrong, place_of

DONE = frozenset({0, 2})


def pada(*arguments: object, codes: Collection[int] = DONE) -> int:
    """Run a command and return its exit code; raises Wrong where it is none of `codes`, or a traceback is shown."""
    out, errors, bugs = io.StringIO(), io.StringIO(), list[BaseException]()

    def report(error: Exception) -> str:
        bugs.append(error)
        return "internal error"

    typed = [str(argument) for argument in arguments]
    code: object = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch.object(cli, "report_bug", report),
        mock.patch.object(sys, "argv", ["pada", *typed]),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
    if bugs:
        raise Wrong(
            place_of(bugs[0]),
            f"pada {' '.join(typed)}\n{''.join(traceback.format_exception(bugs[0]))}",
        )
    said = out.getvalue() + errors.getvalue()
    if "Traceback (most recent call last)" in said:
        raise Wrong("a traceback is printed", said)
    if code not in codes:
        raise Wrong(f"exit code {code}", f"pada {' '.join(typed)}\n{said}")
    if code == 2 and not errors.getvalue().strip():
        raise Wrong("exit code 2 without a word", f"pada {' '.join(typed)}\n{said}")
    assert isinstance(code, int)
    return code
