"""`pada.yaml`: what the recipes below its folder have in common, and the packages that they may name files of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, ValidationError

from engine.errors import RecipeError
from engine.gate import project_of
from engine.gate.roots import PROJECT
from engine.spec.error_messages import problems_of
from engine.spec.named_files import passed_file, read_document
from engine.spec.parts import Name, Spec


class Dependency(Spec):
    """A package: another repository of recipes, in git or in a folder."""

    git: str = ""
    """Address of the git repository."""
    path: str = ""
    """Folder, from that of this file."""
    revision: str = ""
    """Tag, branch, commit, or versions of tags, such as `>=1.2,<2`."""
    subdirectory: str = ""
    """Folder in the git repository that has the package's `pada.yaml`."""


class ProjectFile(Spec):
    """What stands in `pada.yaml`."""

    project: Literal[1]
    """Format version."""
    name: Name
    """Of the project; as a package, what stands before the first `/` of the paths that lead into it."""
    version: str = ""
    """Of the project, such as 1.2.0."""
    packages: list[Dependency] = Field(default_factory=list)
    """What recipes here may name files of."""


def project_file(base: Path) -> tuple[Path, ProjectFile] | None:
    """Return the nearest `pada.yaml` above a folder, read; None without one. Raises RecipeError for a wrong one."""
    file = project_of(base) / PROJECT
    if not file.is_file():
        return None
    document = read_document(passed_file(file, base, "project"), "project")
    try:
        return file, ProjectFile.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, ProjectFile)) from None


def package_folders(base: Path) -> Mapping[str, Path]:
    """Return name -> folder of the packages that recipes in `base` may name files of, as they are installed."""
    found = project_file(base)
    if found is None:
        return {}
    file, project = found
    folders: dict[str, Path] = {}
    for each in project.packages:
        if each.path and (of := project_file(file.parent / each.path)) is not None:
            folders[of[1].name] = of[0].parent
    return folders


def packaged(reference: str, base: Path) -> Path | None:
    """Return the place in a package that `package/path` names; None where the first part is no package's name."""
    name, _, rest = PurePosixPath(reference).as_posix().partition("/")
    folder = package_folders(base).get(name)
    return folder / rest if folder is not None and rest else None
