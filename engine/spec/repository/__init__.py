"""A repository of recipes: its `pada.yaml`, and the packages whose files its recipes may name as `package/path`."""

from engine.spec.repository.project_file import (
    Dependency,
    ProjectFile,
    package_folders,
    packaged,
    project_file,
)

__all__ = ["Dependency", "ProjectFile", "package_folders", "packaged", "project_file"]
