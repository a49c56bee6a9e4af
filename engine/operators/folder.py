"""An operator's folder, read and checked: `operator.yaml`, a prompt per pack, and `rows.schema.json` where it has one.

Every mistake is a `Problem` with its place. Nothing outside of the folder is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import ValidationError

from engine.errors import Location, Problem, RecipeError
from engine.fingerprint import digest
from engine.operators.definition import Definition, Sight
from engine.operators.operator import SHARED, Operator
from engine.operators.parameters import check_parameters, params_model
from engine.operators.reply import read_reply_schema
from engine.registry import did_you_mean
from engine.spec.error_messages import problems_of
from engine.spec.prompts import Prompt, parse_prompt
from engine.spec.yaml import Document, decode, parse
from engine.tasks import TASKS

DEFINITION = "operator.yaml"
SCHEMA = "rows.schema.json"
_ALWAYS = (
    "count", "derived", "description", "kind", "labelled", "longest", "params", "rows", "usual",
)  # fmt: skip
"""What every prompt is given."""
_PROSE = {"operator": True, "description": True, "source": True}
"""What a definition says to its readers alone."""


def read_operator(folder: Path, *, own: bool, taken: Collection[str] = ()) -> Operator:
    """Return the operator in a folder.

    Args:
        folder: The folder, called by the operator's name.
        own: Whether it lies beside a recipe, and not in the engine.
        taken: Names that it may not have.

    Raises:
        RecipeError: with every problem found.
        OSError: a file cannot be read.
    """
    document, definition = _definition(folder)
    problems = [*_name_problems(definition.name, folder, taken, document)]
    problems += _problems(definition, document)
    reply, wrong = read_reply_schema(_inside(folder, SCHEMA))
    problems += wrong
    prompts: dict[str, Prompt] = {}
    for pack, file in _prompt_files(folder, problems).items():
        try:
            prompts[pack] = parse_prompt(f"operators/{folder.name}/{file.name}", file)
        except RecipeError as error:
            problems += error.problems
            continue
        problems += _prompt_problems(prompts[pack], definition)
    if problems:
        raise RecipeError(problems)
    return Operator(
        definition=definition,
        kinds=_kinds(definition),
        params=params_model(definition),
        prompts=MappingProxyType(prompts),
        reply=reply,
        folder=folder,
        own=own,
        digest=digest([_identity(definition), reply]),
    )


def _definition(folder: Path) -> tuple[Document, Definition]:
    file = _inside(folder, DEFINITION)
    if file is None:
        near = sorted(path.name for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
        hint = f"rename {near[0]}" if near else "docs/operators.md says what stands in it"
        message = f"this folder has no {DEFINITION}"
        raise RecipeError([Problem(Location.at(folder), message, hint, code="operator")])
    document = parse(decode(file.read_bytes(), file), file, first="operator: 1")
    try:
        return document, Definition.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, Definition)) from None


def _inside(folder: Path, name: str) -> Path | None:
    """Return a file of the folder, None where there is none; raises RecipeError for a link that leads out."""
    file = folder / name
    if not file.is_file():
        return None
    if not file.resolve().is_relative_to(folder.resolve()):
        hint = "copy the file into the folder"
        message = f"{name} is a link that leaves the operator's folder"
        raise RecipeError([Problem(Location.at(file), message, hint, code="operator")])
    return file


def _prompt_files(folder: Path, problems: list[Problem]) -> dict[str, Path]:
    """Return the prompts, by pack; notes where there is none."""
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.md")):
        if path.stem.casefold() != "readme" and (file := _inside(folder, path.name)) is not None:
            files[path.stem] = file
    if not files:
        hint = f"write {SHARED}.md for all packs, or one per pack, such as small.md"
        message = "the operator has no prompt"
        problems.append(Problem(Location.at(folder / DEFINITION), message, hint, code="prompt"))
    return files


def _name_problems(
    name: str, folder: Path, taken: Collection[str], document: Document
) -> Iterator[Problem]:
    if name != folder.name:
        hint = f"write `name: {folder.name}`, or rename the folder"
        message = f"the operator is called '{name}', and its folder '{folder.name}'"
        yield Problem(document.at(("name",)), message, hint, code="operator")
    if name in taken:
        message = f"the engine has an operator '{name}' already"
        hint = "give this one and its folder another name"
        yield Problem(document.at(("name",)), message, hint, code="operator")


def _problems(definition: Definition, document: Document) -> Iterator[Problem]:
    """Yield where the parts of a definition do not agree."""
    yield from check_parameters(definition, document)
    yield from _kind_problems(definition, document)
    at = document.at
    for index, sight in enumerate(definition.sees):
        here = at(("sees", index))
        if sight in definition.sees[:index]:
            yield Problem(here, f"'{sight}' is there twice", "leave one out", code="operator")
        if sight == "target" and definition.label == "written":
            message = "with `label: written` no target is known before the rows are written"
            yield Problem(here, message, "take 'target' out of `sees`", code="operator")
        if sight == "keep" and definition.label != "keep":
            message = f"with `label: {definition.label}` nothing of the target is kept"
            yield Problem(here, message, "take 'keep' out of `sees`", code="operator")
    rule = definition.examples
    if rule is not None and rule.of == "target" and definition.label == "written":
        message = "with `label: written` no target is known before the rows are written"
        hint = "write `of: any` or `of: other`"
        yield Problem(at(("examples", "of")), message, hint, code="operator")


def _kind_problems(definition: Definition, document: Document) -> Iterator[Problem]:
    if isinstance(definition.tasks, list):
        for index, name in enumerate(definition.tasks):
            if name not in TASKS:
                message, hint = TASKS.unknown(name)
                yield Problem(document.at(("tasks", index)), message, hint, code="operator")
        if not definition.tasks:
            hint = "name task kinds, or leave `tasks` out: then it serves all"
            yield Problem(document.at(("tasks",)), "it serves no task", hint, code="operator")
    without = sorted(name for name in _kinds(definition) if not TASKS[name].labelled)
    if definition.label == "change" and without:
        message = (
            f"`label: change` needs labels, which these task kinds have not: {', '.join(without)}"
        )
        hint = "write `tasks: labelled`, or `label: written`"
        yield Problem(document.at(("label",)), message, hint, code="operator")


def _kinds(definition: Definition) -> frozenset[str]:
    match definition.tasks:
        case "any":
            return frozenset(TASKS)
        case "labelled":
            return frozenset(name for name, kind in TASKS.items() if kind.labelled)
        case "unlabelled":
            return frozenset(name for name, kind in TASKS.items() if not kind.labelled)
        case list() as names:
            return frozenset(name for name in names if name in TASKS)


def _prompt_problems(prompt: Prompt, definition: Definition) -> Iterator[Problem]:
    """Yield the variables and parameters that a prompt uses and is not given."""
    known = {*_ALWAYS, *definition.sees, *(["examples"] if definition.examples else [])}
    for variable in sorted(prompt.variables - known):
        where = Location.at(prompt.path, prompt.line_of(variable), 1)
        message = f"this prompt uses '{variable}', which it is not given"
        hint = _variable_hint(variable, known)
        yield Problem(where, message, hint, code="prompt")
    for name, line in prompt.parts_of("params"):
        if name not in definition.params:
            where = Location.at(prompt.path, line, 1)
            message = f"this prompt uses 'params.{name}', and there is no such parameter"
            hint = did_you_mean(name, definition.params) or "declare it under `params`"
            yield Problem(where, message, hint, code="prompt")


def _variable_hint(variable: str, known: set[str]) -> str:
    if variable == "examples":
        return f"say which rows it shows: `examples: {{…}}` in {DEFINITION}"
    if variable in get_args(Sight):
        return f"add it to `sees` in {DEFINITION}"
    return did_you_mean(variable, known)


def _identity(definition: Definition) -> Mapping[str, Any]:
    """Return the part of a definition that decides the rows."""
    identity = definition.model_dump(exclude_defaults=True, exclude=_PROSE)
    params: dict[str, dict[str, Any]] = identity.get("params", {})
    for parameter in params.values():
        del parameter["description"]
    return identity
