"""An operator's folder, read and checked: `operator.yaml`, a prompt per pack, and `rows.schema.json` where it has one.

An operator whose rows a row function makes has no prompt and no schema, and the file that the function needs.

Every mistake is a `Problem` with its place. Nothing outside of the folder is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from engine.errors import Location, Problem, RecipeError
from engine.fingerprint import digest
from engine.operators.agreement import disagreements, kinds_of
from engine.operators.definition import Definition, Sight
from engine.operators.making import ROW_FUNCTIONS, RowFunction
from engine.operators.operator import MINED, SHARED, Operator
from engine.operators.parameters import params_model
from engine.operators.reply import read_reply_schema
from engine.registry import did_you_mean
from engine.spec.error_messages import problems_of
from engine.spec.prompts import Prompt, parse_prompt
from engine.spec.yaml import Document, parse, read_text

DEFINITION = "operator.yaml"
SCHEMA = "rows.schema.json"
_ALWAYS = (
    "count", "derived", "description", "kind", "labelled", "longest", "params", "rows", "shared", "usual",
)  # fmt: skip
"""What every prompt is given."""
_PROSE = {"operator", "description", "source", "changes", "stays", "example"}
"""What a definition says to its readers alone."""


def read_operator(folder: Path, *, own: bool, taken: Mapping[str, str] | None = None) -> Operator:
    """Return the operator in a folder.

    Args:
        folder: The folder, called by the operator's name.
        own: Whether it lies beside a recipe, and not in the engine.
        taken: Names that it may not have, and where these are from.

    Raises:
        RecipeError: with every problem found.
        OSError: a file cannot be read.
    """
    document, definition = _definition(folder)
    problems = [*_name_problems(definition.name, folder, taken or {}, document)]
    problems += disagreements(definition, document)
    make = ROW_FUNCTIONS.get(definition.make) if definition.make else None
    reply, wrong = read_reply_schema(_inside(folder, SCHEMA))
    problems += wrong
    prompts: dict[str, Prompt] = {}
    material: BaseModel | None = None
    if definition.make is None:
        prompts = _prompts(folder, definition, problems)
    else:
        problems += _needless(folder, definition.make)
        material = _material(folder, make, problems)
    if problems:
        raise RecipeError(problems)
    made = None if make is None else [make.name, make.version, material and material.model_dump()]
    return Operator(
        definition=definition,
        kinds=kinds_of(definition),
        params=params_model(definition),
        prompts=MappingProxyType(prompts),
        reply=reply,
        folder=folder,
        own=own,
        digest=digest([_identity(definition), reply, *([made] if made else [])]),
        make=make,
        material=material,
    )


def _definition(folder: Path) -> tuple[Document, Definition]:
    file = _inside(folder, DEFINITION)
    if file is None:
        near = sorted(path.name for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
        hint = f"rename {near[0]}" if near else "docs/operators.md says what stands in it"
        message = f"this folder has no {DEFINITION}"
        raise RecipeError([Problem(Location.at(folder), message, hint, code="operator")])
    document = parse(read_text(file), file, first="operator: 1")
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


def _prompts(folder: Path, definition: Definition, problems: list[Problem]) -> dict[str, Prompt]:
    """Return the prompts, by pack; notes what is wrong with them."""
    prompts: dict[str, Prompt] = {}
    files = _prompt_files(folder)
    for pack, file in files.items():
        try:
            prompts[pack] = parse_prompt(f"operators/{folder.name}/{file.name}", file)
        except RecipeError as error:
            problems += error.problems
            continue
        problems += _prompt_problems(prompts[pack], definition)
    if not files:
        hint = f"write {SHARED}.md for all packs, or one per pack, such as small.md"
        message = "the operator has no prompt"
        problems.append(Problem(Location.at(folder / DEFINITION), message, hint, code="prompt"))
    return prompts


def _prompt_files(folder: Path) -> dict[str, Path]:
    """Return the files of the prompts, by pack."""
    return {
        path.stem: file
        for path in sorted(folder.glob("*.md"))
        if path.stem.casefold() != "readme" and (file := _inside(folder, path.name)) is not None
    }


def _needless(folder: Path, make: str) -> Iterator[Problem]:
    """Yield what is for a model in a folder whose rows a program makes."""
    for file in [*_prompt_files(folder).values(), folder / SCHEMA]:
        if file.is_file():
            message = f"the rows are made by the row function '{make}', and no model is asked"
            hint = f"remove {file.name}, or leave `make` out of {DEFINITION}"
            yield Problem(Location.at(file), message, hint, code="operator")


def _material(folder: Path, make: RowFunction | None, problems: list[Problem]) -> BaseModel | None:
    """Return what a row function needs of the folder; notes what is wrong with it."""
    if make is None or make.read is None:
        return None
    file = _inside(folder, make.file)
    if file is None:
        message = f"the row function '{make.name}' needs the file {make.file}"
        hint = f"write {make.file} beside {DEFINITION}; docs/operators.md says what stands in it"
        problems.append(Problem(Location.at(folder), message, hint, code="operator"))
        return None
    try:
        return make.read(file)
    except RecipeError as error:
        problems += error.problems
        return None


def _name_problems(
    name: str, folder: Path, taken: Mapping[str, str], document: Document
) -> Iterator[Problem]:
    if name != folder.name:
        hint = f"write `name: {folder.name}`, or rename the folder"
        message = f"the operator is called '{name}', and its folder '{folder.name}'"
        yield Problem(document.at(("name",)), message, hint, code="operator")
    if name == MINED:
        message = f"'{MINED}' is what rows that come from a pool are counted as"
        hint = "give the operator and its folder another name"
        yield Problem(document.at(("name",)), message, hint, code="operator")
    if name in taken:
        message = f"{taken[name]} has an operator '{name}' already"
        hint = "give this one and its folder another name"
        yield Problem(document.at(("name",)), message, hint, code="operator")


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
