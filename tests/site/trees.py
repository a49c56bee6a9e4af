"""Small repositories of recipes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

RECIPE = """\
recipe: 1
name: NAME
version: 1.2.0
description: Which kind of mail it is.
task: {kind: classification, input: [text], target: label, description: Mail.}
data:
  train: {path: data/train.jsonl}
  validation: {path: data/validation.jsonl}
  test: {path: data/test.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher, replies: replies.jsonl}
  judge: {backend: scripted, model: judge, replies: replies.jsonl}
  embedder: {backend: scripted, model: embedder}
metrics: [accuracy]
patterns: {taxonomy: ../taxonomies/mail.yaml}
augment: {rows_per_round: 4, operators: [{name: paraphrase}, {name: typos}]}
"""
TAXONOMY = """\
taxonomy: 1
mode: hybrid
categories:
  - {id: style, description: How it is said.}
  - {id: short_text, parent: style, where: "length(text) < 20"}
"""
METHOD = """\
method: 1
name: plain
description: A fine-tune, and no more.
failures: none
analysis: none
along: rows
rounds: 0
"""
PROMPT = "[[user]]\n{{ row.text }}\nWhich kind?\n"
WORDS = {"train": "mauve", "validation": "ochre", "test": "sepia"}
"""A word that the rows of each split have."""


def write_tree(root: Path, *names: str) -> Path:
    """Write a repository of recipes of these names, and all that they share; return its folder."""
    root.mkdir(exist_ok=True)
    (root / "pada.yaml").write_text("project: 1\nname: mail-recipes\nversion: 2.0.0\n", "utf-8")
    (root / "taxonomies").mkdir(exist_ok=True)
    (root / "taxonomies" / "mail.yaml").write_text(TAXONOMY, "utf-8")
    for name in names or ("invoices",):
        write_recipe(root / name)
    return root


def write_recipe(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write a recipe with its rows, called by its folder; return its file."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, word in WORDS.items():
        rows = [
            {"text": f"{word} {label} number {n} of the mails", "label": label}
            for n in range(6)
            for label in ("bill", "order")
        ]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / "data" / f"{split}.jsonl").write_text(lines, "utf-8")
    (folder / "replies.jsonl").write_text('{"match": "x", "reply": {}}\n', "utf-8")
    text = RECIPE.replace("NAME", folder.name)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file = folder / "recipe.yaml"
    file.write_text(text, "utf-8")
    return file


def git(folder: Path, *arguments: str) -> str:
    """Run git as a user of its own."""
    said = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *said, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path) -> str:
    """Commit all that is in a folder; return the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A change")
    return git(folder, "rev-parse", "HEAD")
