"""`pada show prompt`: what a teacher or a judge would be sent, turn by turn, without sending it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from engine.cli.recipes import overrides, values_of
from engine.cli.terminal.output import make_console, say
from engine.errors import EngineError, Location
from engine.project import Project
from engine.registry import did_you_mean
from engine.rehearsal import Prompted, Rehearsal, sheet


def show_prompt(
    recipe: str,
    assignments: Sequence[str],
    state: Path,
    limit: int | None,
    stage: str,
    operator: str | None,
    settings: Sequence[str] = (),
    *,
    with_schema: bool,
    row: int | None = None,
    console: Console | None = None,
) -> None:
    """Print the first request of a stage with each of its prompts.

    Args:
        recipe: File, folder or name.
        assignments: `name=value` for its vars.
        state: Folder of the store.
        limit: At most so many rows of each split.
        stage: Whose requests are shown.
        operator: Of the stage `generate`, the operator whose request is shown; all when left out.
        settings: `key=value` over the recipe's own.
        with_schema: Whether the schema of the reply is shown too.
        row: The number of a training row, from 1: the requests that it stands in, where it does.
        console: Where to print.

    Raises:
        EngineError: the recipe has an error, does without the stage or the operator, or nothing would be asked.
    """
    console = console or make_console()
    project = Project.open(recipe, state, overrides(assignments), limit, values_of(settings))
    project.validate()
    rehearsal = project.rehearse(stage, row)
    shown = _chosen(rehearsal, operator)
    for line in _origin(project, rehearsal):
        say(console, line)
    for number, prompted in enumerate(shown, start=1):
        if len(shown) > 1:
            say(console, f"\n=== prompt {number} of {len(shown)}")
        for text in prompt_lines(project, prompted, with_schema=with_schema):
            say(console, text)


def _chosen(rehearsal: Rehearsal, operator: str | None) -> Sequence[Prompted]:
    stage = rehearsal.node.stage
    if not rehearsal.prompts:
        raise EngineError(
            f"with these rows the stage '{stage}' would ask nothing",
            "is there a failure by the recipe's `failure`, an operator for each pattern?",
        )
    if operator is None:
        return rehearsal.prompts
    if stage != "generate":
        raise EngineError(
            f"--operator {operator}: the stage '{stage}' has no operators", "leave it out"
        )
    by_name = {Path(one.prompt.name).parent.name: one for one in rehearsal.prompts}
    if operator not in by_name:
        hint = did_you_mean(operator, by_name) or f"operators that are asked: {', '.join(by_name)}"
        raise EngineError(f"the operator '{operator}' is asked for nothing here", hint)
    return (by_name[operator],)


def _origin(project: Project, rehearsal: Rehearsal) -> Iterator[str]:
    """Say for which round it is, and what the rows in it come from."""
    yield f"what {rehearsal.node.name} would ask; nothing is sent"
    if rehearsal.stored:
        yield f"from the store in {project.state}: {', '.join(rehearsal.stored)}"
    if rehearsal.made_up:
        yield f"stand-ins, made of training rows: {', '.join(rehearsal.made_up)}"
    if rehearsal.unanswered:
        yield f"as if no reply could be used: {', '.join(rehearsal.unanswered)}"


def prompt_lines(project: Project, prompted: Prompted, *, with_schema: bool) -> Iterator[str]:
    """Yield what is said of one request: whom it is for, its file, its length, its turns."""
    one = sheet(project.resources, prompted)
    about = "" if one.tokens.exact else "about "
    thinking = f", {one.thinking_tokens:,} of them to think" if one.thinking_tokens else ""
    pack = f", pack {one.pack}" if one.pack else ""
    yield f"{one.role}: {one.model} ({one.backend}){pack}"
    yield f"file: {Location.at(one.file)}"
    requests = "1 request" if one.alike == 1 else f"{one.alike:,} requests"
    which = "the one with this row" if one.has_row else "the first"
    yield f"{requests} with it; {which} has {one.characters:,} characters,"
    yield f"  {about}{one.tokens.tokens:,} tokens ({one.tokens.how});"
    if one.max_tokens:
        yield f"  its reply has at most {one.max_tokens:,} tokens{thinking}"
    else:
        yield "  its answer is chosen among options by their likelihood"
    for message in one.turns:
        yield f"\n[[{message.role}]]\n{message.content}"
    if with_schema and one.schema is not None:
        yield f"\nschema of the reply:\n{json.dumps(one.schema, indent=2, ensure_ascii=False)}"
