"""A copy of the engine in which a test does what CONTRIBUTING.md says, and a process that works with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class CopiedEngine:
    """The engine in a folder of its own, with the prompts, schemas and recipes that go with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # With compiled modules, but for those that are just being written; changed files are compiled anew.
        unfinished = shutil.ignore_patterns("*.pyc.*")
        for name in ("engine", "prompts", "schemas", "recipes"):
            shutil.copytree(ROOT / name, folder / name, ignore=unfinished)

    def write(self, path: str, text: str) -> None:
        """Add a file."""
        target = self.folder / path
        assert not target.exists(), f"{path} is there already"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def change(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        target = self.folder / path
        text = target.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        target.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, code: str) -> str:
        """Run Python code in a process that imports this engine, and these tests; return what it prints."""
        path = os.pathsep.join((str(self.folder), str(ROOT)))
        done = subprocess.run(
            [sys.executable, "-W", "error::SyntaxWarning", "-c", code],
            capture_output=True, text=True, check=False, cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout
