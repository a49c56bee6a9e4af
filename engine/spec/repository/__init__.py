"""A repository of recipes: its `pada.yaml`, and the packages whose files its recipes may name as `package/path`."""

from engine.spec.repository.installed import (
    Used,
    check_packages,
    every_package,
    package_folders,
    packaged,
    trustable,
    used_packages,
)
from engine.spec.repository.lock_file import LOCK
from engine.spec.repository.project_file import (
    Dependency,
    ProjectFile,
    find_in_project,
    project_file,
    recipes_here,
    state_folder,
    with_defaults,
)

__all__ = [
    "LOCK",
    "Dependency",
    "ProjectFile",
    "Used",
    "check_packages",
    "every_package",
    "find_in_project",
    "package_folders",
    "packaged",
    "project_file",
    "recipes_here",
    "state_folder",
    "trustable",
    "used_packages",
    "with_defaults",
]
