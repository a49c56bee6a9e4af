"""`pada deps`: its arguments; packages are fetched, locked and checked by what it calls."""

from __future__ import annotations

from typing import Annotated

import typer


def deps(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="With --upgrade: these packages alone, by name or address."),
    ] = None,
    upgrade: Annotated[
        bool,
        typer.Option(
            "--upgrade", help="Resolve anew what pada.yaml asks for, and write pada.lock."
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Change nothing and ask nobody: exit code 2 where pada.lock does not fit pada.yaml, or a package is "
            "not installed or was changed.",
        ),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no server; what was fetched before is enough.")
    ] = False,
) -> None:
    """Install the packages of pada.yaml as pada.lock has them; the lock changes with --upgrade alone."""
    from engine.cli.packages.deps import deps_command

    deps_command(names or [], upgrade=upgrade, check=check, offline=offline)


__all__ = ["deps"]
