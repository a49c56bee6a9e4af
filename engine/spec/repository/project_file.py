"""`pada.yaml`: what the recipes below its folder have in common, and the packages that they may name files of."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from engine.errors import Location, Problem, RecipeError
from engine.gate import project_of
from engine.gate.packages import enclosing
from engine.gate.roots import PROJECT, real
from engine.spec.error_messages import problems_of
from engine.spec.extending.merging import laid_over
from engine.spec.named_files import passed_file, read_document
from engine.spec.parts import Name, Spec
from engine.spec.recipe.models import ModelSpec, StudentSpec, WriterSpec
from engine.spec.yaml import Document
from engine.system.git import checked_address
from engine.system.places import STATE

_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
"""As semver.org has it."""
_PLACES = ("model", "tokenizer", "adapter", "replies")
"""Settings of a model that may be paths."""
_LONGEST_REVISION = 200


def below(text: str) -> str:
    """Return the path of a folder below another one, as it is; raises ValueError."""
    if not PurePosixPath(text).parts:
        raise ValueError("it must be a folder below this one, and not this one")
    return inner_path(text)


def inner_path(text: str) -> str:
    """Return a path that leads on from a folder and not out of it, as it is; raises ValueError."""
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or text.startswith("~"):
        raise ValueError("it must be a folder below this one: no `..`, no `~`, no `/` at its start")
    if not text.isprintable() or "\\" in text:
        raise ValueError("it has a character that no folder here may have")
    return text


def git_address(text: str) -> str:
    """Return the address of a repository, as it is; raises ValueError, in which it is not repeated."""
    if (refused := checked_address(text)) is not None:
        raise ValueError(f"{refused[0]}; {refused[1]}")
    return text


class Dependency(Spec):
    """A package: another repository of recipes, in git or in a folder of this machine."""

    git: str = Field(default="", title="Git address")
    """Address of the git repository: https, ssh or file, without user, password or token."""
    revision: str = Field(default="", title="Revision", max_length=_LONGEST_REVISION)
    """Tag, branch or full commit, or versions that tags must have, such as `>=1.2,<2`; git alone, and needed there."""
    subdirectory: str = Field(default="", title="Subdirectory")
    """Folder in the git repository that has the package's `pada.yaml`; its top when left out."""
    path: str = Field(default="", title="Folder")
    """Folder of the package, from that of this file: read where it lies, as it is."""

    @field_validator("git")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return git_address(value)

    @field_validator("subdirectory")
    @classmethod
    def _is_below(cls, value: str) -> str:
        return below(value)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Dependency:
        if bool(self.git) == bool(self.path):
            raise ValueError("write either `git:` with a `revision:`, or `path:`")
        if self.path and (self.revision or self.subdirectory):
            raise ValueError("a folder is read as it is: `revision` and `subdirectory` are for git")
        if self.git and not self.revision.strip():
            raise ValueError(
                "`revision:` is missing: a tag, a full commit, a branch, or versions such as '>=1.2,<2'"
            )
        return self


class ProjectModels(Spec):
    """Models of recipes that do not name their own; a recipe that names a role has it as a whole."""

    student: StudentSpec | None = Field(default=None, title="Student")
    """The model being improved."""
    teacher: WriterSpec | None = Field(default=None, title="Teacher")
    """The model that diagnoses and generates."""
    judge: WriterSpec | None = Field(default=None, title="Judge")
    """The model that scores candidates."""
    embedder: ModelSpec | None = Field(default=None, title="Embedder")
    """The embedding model."""


class ProjectFile(Spec):
    """What stands in `pada.yaml`."""

    project: Literal[1] = Field(title="Format")
    """Format version."""
    name: Name = Field(title="Name")
    """Of the project; as a package, what stands before the first `/` of the paths that lead into it."""
    version: str = Field(default="", title="Version")
    """Of the project, as semver.org has it, such as 1.2.0."""
    description: str = Field(default="", title="Description", max_length=2000)
    """What it is for, in a sentence."""
    models: ProjectModels = Field(default=ProjectModels(), title="Default models")
    """Of recipes here that name none for a role."""
    state: str = Field(default=str(STATE), title="State folder")
    """Folder of the store and the trained models, below this one; `--state` and `PADA_STATE` name others."""
    recipes: list[Annotated[str, AfterValidator(inner_path)]] = Field(
        default=["recipes"], title="Folders of recipes", max_length=20
    )
    """Where a recipe's name is looked for, as `NAME/recipe.yaml` or `NAME.yaml`: folders below this one."""
    packages: list[Dependency] = Field(default_factory=list, title="Packages", max_length=100)
    """What recipes here may name files of; `pada deps` fetches them."""

    @field_validator("version")
    @classmethod
    def _is_version(cls, value: str) -> str:
        if value and not _VERSION.fullmatch(value):
            raise ValueError(
                "three numbers with dots between them are needed, such as 1.2.0 or 1.3.0-rc.1"
            )
        return value

    @field_validator("state")
    @classmethod
    def _is_below(cls, value: str) -> str:
        return below(value)


def project_file(base: Path) -> tuple[Path, ProjectFile] | None:
    """Return the nearest `pada.yaml` above a folder, read; None without one, or where nothing stands in it.

    Raises:
        RecipeError: it is wrong.
    """
    found = project_document(base)
    return None if found is None else (found[0], found[1])


def project_document(base: Path) -> tuple[Path, ProjectFile, Document] | None:
    """Return the nearest `pada.yaml` above a folder, read, and with the places of all that is in it."""
    file = project_of(base) / PROJECT
    if not file.is_file() or not file.stat().st_size:
        return None
    document = read_document(passed_file(file, base, "project"), "project")
    return file, checked_project(document), document


def checked_project(document: Document) -> ProjectFile:
    """Return what a document of a `pada.yaml` says; raises RecipeError with every problem."""
    try:
        return ProjectFile.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, ProjectFile)) from None


def state_folder(base: Path | None = None) -> Path:
    """Return the state folder of what is done in a folder: its project's, or `.pada` in it; from the current one.

    Args:
        base: The folder; the current one when left out.

    Raises:
        RecipeError: the project's `pada.yaml` is wrong, or names a folder that a link leads out of the project.
    """
    found = project_document((base or Path()).absolute())
    if found is None:
        return STATE if base is None else base / STATE
    file, project, document = found
    folder = file.parent / project.state
    if not real(folder).is_relative_to(file.parent):
        message = f"the state folder {project.state} lies outside of the project, at {real(folder)}"
        hint = "name one below pada.yaml without a link, or use --state or PADA_STATE"
        raise RecipeError([Problem(document.at(("state",)), message, hint, code="project")])
    return Path(os.path.relpath(folder))


def with_defaults(recipe: Document, base: Path) -> Document:
    """Return a recipe's document with the models of its project for the roles that it does not name.

    A package's recipe takes those of the package, and then those of the project that has the package.
    """
    for folder in (base, enclosing(base)):
        found = None if folder is None else project_document(folder)
        if found is not None:
            recipe = _with_models(recipe, base, found[0].parent, found[2])
    return recipe


def _with_models(recipe: Document, base: Path, folder: Path, project: Document) -> Document:
    ours = project.data.get("models") or {}
    theirs = recipe.data.get("models", {})
    if not isinstance(theirs, Mapping):
        # What is wrong with it is told with the rest.
        return recipe
    roles = {
        role: _from(folder, base, model)
        for role, model in ours.items()
        if model is not None and role not in theirs
    }
    if not roles:
        return recipe
    wanted = {("models", role) for role in roles}
    keys, values = (
        {path: at for path, at in places.items() if path[:2] in wanted}
        for places in (project.keys, project.values)
    )
    return laid_over(recipe, replace(project, data={"models": roles}, keys=keys, values=values))


def _from(folder: Path, base: Path, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model whose paths count from a recipe's folder: in `pada.yaml` they count from its own."""

    def moved(value: Any) -> Any:
        if not isinstance(value, str) or not value or os.path.isabs(value) or "\0" in value:
            return value
        return os.path.relpath(folder / value, real(base)) if (folder / value).exists() else value

    return {key: moved(value) if key in _PLACES else value for key, value in model.items()}


def find_in_project(name: str, base: Path) -> Path | None:
    """Return the recipe that a name stands for in the project of a folder; None where there is none."""
    found = project_file(base)
    if found is None:
        return None
    file, project = found
    for place in project.recipes:
        for candidate in (
            file.parent / place / name / "recipe.yaml",
            file.parent / place / f"{name}.yaml",
        ):
            if candidate.is_file():
                return shown(candidate)
    return None


def shown(path: Path) -> Path:
    """Return a path from the current folder: through `..` where it lies in a folder around it."""
    return Path(os.path.relpath(path)) if path.is_absolute() else path


def location(document: Document, index: int) -> Location:
    """Return where a package stands in a `pada.yaml`."""
    return document.at(("packages", index))


def recipes_here() -> list[tuple[str, str]]:
    """Return the names of the recipes in the project around the current folder, each with its file."""
    found = project_file(Path.cwd())
    if found is None:
        return []
    file, project = found
    names: dict[str, str] = {}
    for place in project.recipes:
        folder = file.parent / place
        for each in sorted([*folder.glob("*/recipe.yaml"), *folder.glob("*.yaml")]):
            name = (
                each.parent.name
                if each.name == "recipe.yaml" and each.parent != folder
                else each.stem
            )
            if each.name != PROJECT:
                names.setdefault(name, str(shown(each)))
    return sorted(names.items())
