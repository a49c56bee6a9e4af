"""The command `pada`: parses arguments, prints, and turns errors into exit codes; it works nothing out itself.

Each verb is a thin function over `engine.project` and `engine.store`.

Exit codes: 0 done, 2 a mistake or a condition that the user can mend, 75 a run that waits for the results of a request
file, 130 interrupted; a bug keeps its traceback.
Heavy libraries are loaded by the verbs that need them: `pada --help` and `pada validate` never load torch.
"""

from __future__ import annotations

import os
import sys
import warnings

from engine.cli.app import app
from engine.cli.terminal.streams import clean_logs, echo, print_anything
from engine.errors import EngineError
from engine.system.platforms import require_supported


def main() -> None:
    """Run the command line; the console script's entry point."""
    if not sys.warnoptions:
        # What libraries warn their developers of is nothing that a user of the command can mend.
        warnings.simplefilter("ignore")
    print_anything()
    clean_logs()
    try:
        require_supported()
        _typed()
    except EngineError as error:
        echo(f"error: {error}" if not hasattr(error, "problems") else str(error), error=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (`pada sql … | head`) went away: nothing is wrong. What is left to write goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _typed() -> None:
    """Run what was typed and end the process; raises BrokenPipeError, EngineError."""
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None  # typer makes it 1, which is a bug's code
        sys.stdout.flush()  # what is in the buffer would fail when Python ends, with a code of its own
        raise


__all__ = ["main"]
