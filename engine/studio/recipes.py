"""The recipes of the studio's project: a name from a page, and the file that it stands for."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from engine.errors import EngineError
from engine.gate.packages import package_around
from engine.gate.roots import real
from engine.site.tree import kind_of
from engine.studio.settings import Settings


def recipe_file(settings: Settings, name: str) -> Path:
    """Return the file of a recipe in the project.

    Args:
        settings: Where the project is.
        name: The file's path from the project's folder, with `/` between its parts.

    Raises:
        EngineError: the path leads out of the project, there is no such file, or it is no recipe.
    """
    path = PurePosixPath(name)
    unreadable = not name or len(name) > 4000 or not name.isprintable() or "\\" in name
    if unreadable or path.is_absolute() or ".." in path.parts:
        raise EngineError(f"'{name[:200]}' is no recipe of this project", "go back to the recipes")
    root = real(settings.folder)
    file = settings.folder / path
    try:
        found = real(file)
        is_file = found.is_file()
    except (OSError, ValueError) as error:
        raise EngineError(f"{name[:200]} is no path of a file", "go back to the recipes") from error
    if not found.is_relative_to(root):
        raise EngineError(
            f"{name} is a link that leads out of the project, to {found}",
            "the studio shows and changes only what is in its folder: start it there",
        )
    if not is_file:
        raise EngineError(
            f"there is no recipe {name} any more",
            "it was moved or deleted: go back to the recipes",
        )
    if kind_of(root / path, root) != "recipe":
        raise EngineError(
            f"{name} is no recipe",
            "a recipe is called recipe.yaml, or begins with the line `recipe: 1`",
        )
    return file


def is_ours(file: Path) -> bool:
    """Return whether a recipe is the project's own, to be changed, and not one of a package that was fetched."""
    return package_around(real(file)) is None
