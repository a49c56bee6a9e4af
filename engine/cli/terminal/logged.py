"""The options `--log-file` and `--log-level` of every verb: what it did, how it ended, errors with tracebacks."""

from __future__ import annotations

import inspect
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from engine.cli.terminal.ending import BUG, as_condition
from engine.errors import EngineError, Interrupted, Problem, RecipeError
from engine.version import __version__

_log = logging.getLogger(__name__)

LogFileOption = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        envvar="PADA_LOG_FILE",
        help="Append what is done to this file, one JSON object per line, errors with their whole traceback.",
    ),
]
LogLevelOption = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", envvar="PADA_LOG_LEVEL", help="What --log-file is told of."),
]
_GIVEN = re.compile(r"(?i)(key|token|secret|passw\w*|credential\w*)=.+")
"""An assignment on the command line that may hold a key."""


def add_log_options(app: typer.Typer) -> None:
    """Give every verb of an app, and of the apps in it, the two options."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _logged(command.callback)
    for group in app.registered_groups:
        inner = group.typer_instance
        if inner is None:
            continue
        add_log_options(inner)
        listing = inner.registered_callback
        # A group that does something by itself, such as `pada calls`.
        if (
            listing is not None
            and listing.callback is not None
            and listing.invoke_without_command is True
        ):
            listing.callback = _logged(listing.callback)


def _logged(verb: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(verb, eval_str=True)
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, default, annotation in (
            ("log_file", None, LogFileOption),
            ("log_level", "info", LogLevelOption),
        )
    ]

    @wraps(verb)
    def run(*args: Any, log_file: Path | None, log_level: str, **given: Any) -> Any:
        if log_file is None:
            return verb(*args, **given)
        from engine.system.log_writing import log_to

        with log_to(log_file, log_level), _told(log_file):
            return verb(*args, **given)

    parameters = [*signature.parameters.values(), *options]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def log_problems(problems: Iterable[Problem]) -> None:
    """Log what is wrong with a recipe, or may be, a line for each."""
    for problem in problems:
        fields = {"where": str(problem.where), "code": problem.code, "hint": problem.hint}
        level = logging.ERROR if problem.level == "error" else logging.WARNING
        _log.log(level, "%s", problem.message, extra={"fields": fields})


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Log that a verb begins, how it ends and by what; a bug's traceback stands in the log alone."""
    began = time.monotonic()
    arguments = [_GIVEN.sub(r"\1=***", word) for word in sys.argv[1:]]
    fields = {
        "arguments": arguments, "folder": os.getcwd(), "version": __version__,
        "python": sys.version.split()[0],
    }  # fmt: skip
    _log.info("pada begins", extra={"fields": fields})
    code = 0
    try:
        yield
    except typer.Exit as ended:
        code = ended.exit_code
        raise
    except (Interrupted, KeyboardInterrupt, typer.Abort) as error:
        code = Interrupted.exit_code
        _log.warning("%s", error or "interrupted")
        raise
    except BrokenPipeError:
        raise
    except EngineError as error:
        code = error.exit_code
        log_problems(error.problems if isinstance(error, RecipeError) else ())
        _log.error("%s", error, exc_info=error)
        raise
    except Exception as error:
        code = BUG if as_condition(error) is None else EngineError.exit_code
        _log.error("%s: %s", type(error).__name__, error, exc_info=error)
        if code == BUG:
            error.add_note(f"its whole traceback is at the end of {file}")
        raise
    finally:
        seconds = round(time.monotonic() - began, 1)
        _log.info("pada ends", extra={"fields": {"exit_code": code, "seconds": seconds}})
