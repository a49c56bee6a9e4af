"""The command `pada`: parses arguments, prints, and turns errors into exit codes; it works nothing out itself.

Each verb is a thin function over `engine.project` and `engine.store`.

Exit codes: 0 done, 1 a bug, whose traceback lies in a file that the message names, 2 a mistake or a condition that the
user can mend, 75 a run that waits for the results of a request file, 130 interrupted.
Heavy libraries are loaded by the verbs that need them: `pada --help` and `pada validate` never load torch.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

from engine.cli.app import app
from engine.cli.terminal.ending import BUG, as_condition, output_failed, report_bug
from engine.cli.terminal.streams import clean_logs, echo, print_anything
from engine.errors import EngineError
from engine.system.platforms import require_supported


def main() -> None:
    """Run the command line; the console script's entry point."""
    if not sys.warnoptions:
        # What libraries warn their developers of is nothing that a user of the command can mend.
        warnings.simplefilter("ignore")
    # A command makes some hundred thousand objects while it starts, which stay: looked through seldom, not always.
    gc.set_threshold(50_000, 20, 20)
    print_anything()
    clean_logs()
    try:
        code = _done()
        if output_failed():
            code = EngineError.exit_code
    except BrokenPipeError:
        # The reader of a pipe (`pada sql … | head`) went away: nothing is wrong. What is left to write goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _done() -> str | int | None:
    """Run the command and return its exit code; what it raises is told."""
    try:
        require_supported()
        app(standalone_mode=True)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None  # typer makes it 1, which is a bug's code
        return ended.code
    except EngineError as error:
        echo(f"error: {error}" if not hasattr(error, "problems") else str(error), error=True)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        if (condition := as_condition(error)) is None:
            echo(report_bug(error), error=True)
            return BUG
        if not output_failed():
            echo(f"error: {condition}", error=True)
        return condition.exit_code
    return 0


__all__ = ["main"]
