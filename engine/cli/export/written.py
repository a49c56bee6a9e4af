"""What `pada export` prints, and what the end of a run says of the best model."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.cli.recipes import overrides, values_of
from engine.cli.terminal.streams import echo
from engine.export import Wanted, Which, best_of, export_data, export_model
from engine.export.telling import (
    MODEL_FOLDER,
    ask_command,
    ask_file_command,
    command,
    elsewhere,
    shown,
    where_it_is,
)
from engine.project import Project
from engine.report.formatting import round_name


class Source(NamedTuple):
    """What was typed of the run to export."""

    recipe: str | None
    vars: Sequence[str]
    state: Path
    run: str | None
    settings: Sequence[str] = ()

    @property
    def which(self) -> Which:
        """The run that is meant; raises RecipeError for a recipe that cannot be read."""
        if self.recipe is None:
            return Which(self.state, self.run)
        settings = values_of(self.settings)
        project = Project.open(self.recipe, self.state, overrides(self.vars), settings=settings)
        return project.which(self.run)


def write_data(
    source: Source, to: Path, wanted: Wanted, *, replace: bool, push: str | None
) -> None:
    """Write a run's rows, and say what is in the folder."""
    done = export_data(source.which, to, wanted, replace=replace, push_to=push)
    what = "pairs" if wanted.layout.endswith("preference") else "rows"
    labels = ", ".join(f"{count:,} {status}" for status, count in sorted(done.counts.items()))
    echo(f"{done.rows:,} {what} of run {done.run} in {shown(done.folder)}; labels: {labels}")
    if done.left_out:
        echo(f"left out by --verified: {done.left_out:,} {what} whose label nobody checked")
    if done.counts.get("unverified"):
        echo(
            "nobody checked the unverified labels: the column pada_label marks them, --verified leaves them out"
        )
    echo(f'load it: datasets.load_dataset("{shown(done.folder)}", split="train")')
    if done.pushed:
        echo(f"uploaded: {done.pushed} (a repository that is new is private)")


def write_model(
    source: Source,
    to: Path,
    form: str,
    seed: int | None,
    round: int | None,
    licence: str | None,
    *,
    replace: bool,
    push: str | None,
) -> None:
    """Write a run's model, and say how to ask it."""
    done = export_model(
        source.which,
        to,
        form,  # type: ignore[arg-type]  # checked there
        seed=seed,
        round=round,
        licence=licence,
        replace=replace,
        push_to=push,
        say=lambda text: echo(text, error=True),
    )
    place = shown(done.folder)
    echo(f"{round_name(done.round)}, seed {done.seed}, of run {done.run} in {place} ({done.form})")
    echo(f"ask it: {ask_command(place, done.example)}")
    echo(f"ask it a file: {ask_file_command(place)}")
    echo(f"    ({elsewhere(done.form)})")
    if done.base:
        echo(
            f"its base model is {done.base}, on this machine alone: README.md says how to name a copy elsewhere"
        )
    if done.form != "adapter":
        echo(f"with Ollama: ollama create NAME -f {shlex.quote(f'{place}/Modelfile')}")
    if done.pushed:
        echo(f"uploaded: {done.pushed} (a repository that is new is private)")


def best_model(
    recipe: str, assignments: Sequence[str], state: Path, run: str, settings: Sequence[str] = ()
) -> list[str]:
    """Return where a run's best model is and how to take it along; nothing where it trained none."""
    student = best_of(Which(state, run))
    if student is None:
        return []
    typed = [recipe, "--to", MODEL_FOLDER]
    typed += [part for text in assignments for part in ("--var", text)]
    typed += [part for text in settings for part in ("--set", text)]
    return [
        f"Best model: {where_it_is(student)}",
        f"Use it elsewhere: {command('export', 'model', *typed, state=state)}",
    ]
