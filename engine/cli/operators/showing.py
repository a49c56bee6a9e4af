"""`pada show operator` and `pada try operator`: what an operator is, one prompt, an example, a few rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from engine.cli.operators.listing import operators_of, place_of
from engine.cli.prompts import prompt_lines
from engine.cli.recipes import overrides, values_of
from engine.cli.terminal.consent import ask_for_keys
from engine.cli.terminal.output import make_console, say
from engine.errors import EngineError
from engine.operators import Operator, variables_of
from engine.operators.demonstration import demonstration
from engine.operators.document import facts, parameter_rows
from engine.plan.flow import uses_of
from engine.project import Project
from engine.rehearsal import Tried


def show_operator(
    name: str,
    recipe: str | None,
    assignments: Sequence[str],
    state: Path,
    pack: str,
    settings: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Print what an operator does, its parameters, one rendered prompt and one example.

    Args:
        name: The operator.
        recipe: The recipe with whose rows the prompt is rendered; with the operator's own example when left out.
        assignments: `name=value` for the recipe's vars.
        state: Folder of the store.
        pack: Of the prompt that is shown without a recipe.
        settings: `key=value` over the recipe's own.
        console: Where to print.

    Raises:
        EngineError: there is no such operator, or it does not fit the recipe's task.
    """
    console = console or make_console()
    operators, base = operators_of(recipe)
    if name not in operators:
        raise EngineError(*operators.unknown(name))
    operator = operators[name]
    lines = [*_told(operator, base), "", *_example(operator), ""]
    if operator.make is not None:
        lines += ["no prompt: its rows are made by a program"]
    elif recipe is None:
        lines += _demonstrated(operator, pack)
    else:
        project = Project.open(recipe, state, overrides(assignments), settings=values_of(settings))
        project.validate()
        alone = project.only(name)
        rehearsal = alone.rehearse("generate")
        lines += [
            line
            for prompted in rehearsal.prompts[:1]
            for line in prompt_lines(alone, prompted, with_schema=False)
        ]
    for line in lines:
        say(console, line)


def _told(operator: Operator, base: Path | None) -> Iterator[str]:
    yield f"{operator.name}, version {operator.definition.version}, from {place_of(operator, base)}"
    yield operator.description
    for key, text in facts(operator):
        yield f"  {key}: {text}"
    if rows := parameter_rows(operator):
        yield "  params:"
        yield from (f"    {name} ({kind}; {default}): {text}" for name, kind, default, text in rows)


def _example(operator: Operator) -> Iterator[str]:
    example = operator.definition.example
    if example is None:
        yield "no example: write `example` in its operator.yaml"
        return
    yield "example:"
    if example.before is not None:
        yield f"  before: {_json(example.before)}"
    yield f"  after:  {_json(example.after)}"


def _demonstrated(operator: Operator, pack: str) -> Iterator[str]:
    prompt = operator.prompt(pack)
    yield f"its prompt for the pack {pack}, with this example; --recipe shows one with rows:"
    shown = variables_of(operator, demonstration(operator), operator.params())
    for role, text in prompt.render(shown):
        yield f"\n[[{role}]]\n{text}"


def try_operator(
    name: str,
    recipe: str,
    count: int,
    assignments: Sequence[str],
    state: Path,
    settings: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Ask the recipe's own teacher for a few rows, and print them with what the gates say; stores nothing.

    Args:
        name: The operator.
        recipe: File, folder or name.
        count: Rows that are asked for.
        assignments: `name=value` for its vars.
        state: Folder of the store, which is read alone.
        settings: `key=value` over the recipe's own.
        console: Where to print.

    Raises:
        EngineError: there is no such operator, it does not fit the task, or the teacher cannot be asked here.
    """
    console = console or make_console()
    project = Project.open(recipe, state, overrides(assignments), settings=values_of(settings))
    project.validate()
    teacher = project.resources.models["teacher"]
    say(
        console,
        f"rows of '{name}', by the teacher {teacher.name} ({teacher.backend}) where it needs one:",
    )
    ask_for_keys(project.loaded, uses_of(teacher))
    trial = project.try_operator(name, count)
    if trial.calls:
        cost = f", {trial.cost:.4f} by its price" if trial.cost else ""
        calls = "once" if trial.calls == 1 else f"{trial.calls} times"
        say(console, f"it was asked {calls}{cost}")
    else:
        say(console, "it was not asked")
    if trial.made_up:
        say(console, f"stand-ins, made of training rows: {', '.join(trial.made_up)}")
    for number, tried in enumerate(trial.rows, start=1):
        for line in _tried(number, tried):
            say(console, line)
    for drop in trial.drops:
        say(console, f"not made: {drop.reason.replace('_', ' ')}: {drop.detail}")
    say(console, "nothing was stored")


def _tried(number: int, tried: Tried) -> Iterator[str]:
    row, gating, seed = tried.row, tried.gating, tried.seed
    what = "seed" if tried.made_from else "like"
    yield f"\n{number}. {what}: {_json(seed.inputs)}, target {_json(seed.target)}"
    yield f"   row:  {_json(row.inputs)}, target {_json(row.target)}"
    if row.rationale:
        yield f"   why:  {row.rationale}"
    if row.attributes:
        yield f"   asked for: {', '.join(f'{k}: {v}' for k, v in row.attributes.items())}"
    yield (
        f"   rejected by {gating.reason}: {gating.detail}"
        if gating.reason
        else "   passes the gates"
    )
    for gate, detail in gating.advice.items():
        yield f"   {gate} advises against it: {detail}"


def _json(value: Mapping[str, object] | str) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)
