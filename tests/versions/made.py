"""Recipes in real git repositories, without a model."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.e2e.scripted_project import write_project

_NAMED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **_NAMED},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit(folder: Path, message: str, tag: str = "") -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path) -> Path:
    """Make a repository with a recipe, its first version v1.0."""
    recipe = write_project(folder, validation=10)
    (folder / ".gitignore").write_text(".pada\n", "utf-8")
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "first", "v1.0")
    return recipe


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after), "utf-8")
