"""`pada calls`: the calls of language models, listed, shown whole and sent again; each is a module here that prints.

This module holds the subcommands' arguments alone, so that `pada --help` loads nothing heavy.
"""

from __future__ import annotations

from typing import Annotated

import typer

from engine.bounds import LARGEST
from engine.cli.options import STATE, JsonOption, OwnStateOption, SetOption, StateOption, VarOption

calls_app = typer.Typer(help="The calls of language models.")
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The call's id, or its beginning.")]


@calls_app.callback(invoke_without_command=True)
def calls(
    context: typer.Context,
    state: StateOption = STATE,
    run: Annotated[str | None, typer.Option(help="Only calls made by this run.")] = None,
    role: Annotated[str | None, typer.Option(help="student, teacher or judge.")] = None,
    stage: Annotated[str | None, typer.Option(help="Stage that asked: diagnose, judge, …")] = None,
    error: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Replies or tries that failed this way: schema, timeout, …"
        ),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only unusable replies.")] = False,
    node: Annotated[
        str | None, typer.Option(help="Node's name, or the beginning of its fingerprint.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=LARGEST, help="At most this many, newest first.")
    ] = 50,
    json: JsonOption = False,
) -> None:
    """List the calls of language models, newest first; works beside a running run."""
    from engine.cli.calls.listing import Filters, list_calls

    context.obj = state
    if context.invoked_subcommand is None:
        filters = Filters(run, role, stage, error, failed, node)
        list_calls(state, filters, limit, as_json=json)


@calls_app.command("show")
def calls_show(context: typer.Context, call: IdArgument, state: OwnStateOption = None) -> None:
    """Show one call in full: prompt, schema, every reply and try, its cost and the rows made from it."""
    from engine.cli.calls.listing import show_call

    show_call(state or context.obj, call)


@calls_app.command("replay")
def calls_replay(
    context: typer.Context,
    call: IdArgument,
    recipe: Annotated[
        str, typer.Option("--recipe", help="Recipe whose teacher, judge or student is asked.")
    ],
    var: VarOption = None,
    settings: SetOption = None,
    state: OwnStateOption = None,
) -> None:
    """Send one call again and compare the reply; nothing is stored."""
    from engine.cli.calls.replay import replay

    replay(state or context.obj, call, recipe, var or [], settings or [])


__all__ = ["calls_app"]
