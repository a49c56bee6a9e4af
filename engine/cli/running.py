"""`pada run`, `preview`, `report` and `models`: everything that loads a model or shows a run."""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console

import engine
from engine import models
from engine.cli.batch import WAITING, again, refuse_waiting, show_waiting
from engine.cli.planning import compiled, expect
from engine.cli.recipes import checked
from engine.errors import EngineError
from engine.fingerprint import short
from engine.plan.resources import ROLES
from engine.report.console import summary
from engine.report.facts import collect
from engine.report.html import render_html
from engine.report.markdown import render_markdown
from engine.run.execute import Outcome, execute
from engine.run.progress import Reporter
from engine.spec.loader import LoadedRecipe
from engine.store import Store, reader, unseen

LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "outlines",
    "llguidance",
    "sentence-transformers",
    "duckdb",
    "scikit-learn",
    "guidellm",
)


def run_recipe(
    recipe: str, assignments: Sequence[str], state: Path, limit: int | None, quiet: bool
) -> None:
    """Run a recipe, write its report, print the summary."""
    console = Console(stderr=False)
    loaded = checked(recipe, assignments, table=None if quiet else console)
    reporter = Reporter(console, quiet)
    outcome, run = _execute(loaded, state, limit, reporter)
    html, markdown = _write(run, state, state / "reports" / f"{run}.html")
    _finish(console, outcome, run, state, html, markdown)
    if outcome.status == "waiting":
        show_waiting(console, outcome, state, again(recipe, assignments, state, limit))
        raise typer.Exit(WAITING)


def preview_recipe(recipe: str, assignments: Sequence[str], rows: int, steps: int) -> None:
    """Run few rows and few steps through the true path in a store that is thrown away, and show the rows made."""
    console = Console()
    loaded = checked(recipe, assignments)
    refuse_waiting(loaded)
    small = loaded.recipe.model_copy(
        update={
            "train": loaded.recipe.train.model_copy(update={"steps": steps}),
            "augment": loaded.recipe.augment.model_copy(
                update={"rows_per_round": min(loaded.recipe.augment.rows_per_round, rows)}
            ),
            "loop": loaded.recipe.loop.model_copy(
                update={"rounds": min(loaded.recipe.loop.rounds, 1)}
            ),
            "seeds": loaded.recipe.seeds[:1],
            "benchmark": None,
        }
    )
    with tempfile.TemporaryDirectory(prefix="pada-preview-") as folder:
        state = Path(folder)
        outcome, run = _execute(replace(loaded, recipe=small), state, rows, Reporter(console))
        console.print(summary(collect(reader(state), run)))
        _show_rows(console, state, run)
    if outcome.notes:
        console.print("; ".join(outcome.notes), highlight=False)
    console.print("preview only: few rows, few steps; nothing was kept", style="bold")


def _show_rows(console: Console, state: Path, run: str) -> None:
    query = reader(state)
    sql = (
        "SELECT c.operator, c.target, c.inputs::VARCHAR AS inputs, v.reason FROM candidate c "
        "JOIN verdict v ON v.candidate = c.id ORDER BY v.accepted DESC, c.id LIMIT 8"
    )
    for row in query(sql, []):
        console.print(f"  {row['reason']:<12} {row['operator']:<15} {row['target']:<20} {row['inputs']}",
                      highlight=False, markup=False)  # fmt: skip


def _execute(
    loaded: LoadedRecipe, state: Path, limit: int | None, reporter: Reporter
) -> tuple[Outcome, str]:
    _fetch_missing(loaded, reporter)
    plan, resources = compiled(loaded, limit)
    store = Store.open(state, notice=reporter.say)
    with store.lock_run():
        expected = expect(loaded, plan, resources, store, limit)
        run = store.start_run(
            name=loaded.recipe.name,
            path=str(loaded.path),
            recipe=short(loaded.effective),
            source=loaded.source,
            effective=loaded.effective,
            versions=_versions(),
            row_limit=limit,
            estimate=expected.estimate.stored(expected.minutes),
        )
        reporter.say(
            f"run {run}: recipe {loaded.recipe.name}, {len(plan.nodes)} nodes, state in {state}"
        )
        with reporter.shown():
            outcome = execute(plan, resources, loaded.recipe.budget, store, run, reporter)
    return outcome, run


def _versions() -> dict[str, str]:
    found = {"pada-engine": engine.__version__, "python": sys.version.split()[0]}
    return found | {name: importlib.metadata.version(name) for name in LIBRARIES}


def _fetch_missing(loaded: LoadedRecipe, reporter: Reporter) -> None:
    """Fetch the models that the recipe names and this machine lacks."""
    from engine.backends import BACKENDS

    for role in ROLES:
        spec = getattr(loaded.recipe.models, role)
        backend = BACKENDS[spec.backend]
        if backend.local and models.locate(spec.model, loaded.base, backend.weights) is None:
            models.fetch(spec.model, say=reporter.say, base=loaded.base)


def _write(run: str | None, state: Path, out: Path | None) -> tuple[Path, Path]:
    """Write the HTML and the Markdown report, each whole or not at all."""
    if out is not None and out.suffix not in {".html", ".md"}:
        raise EngineError(
            f"--out {out}: the report is HTML and Markdown, two files of one name",
            f"name one of them: {out.name}.html",
        )
    query = reader(state)
    run = run or query("SELECT max(id) AS id FROM run", [])[0]["id"]
    if run is None:
        left = unseen(state).rows
        hint = (
            "go on with the run that was killed: what it left is folded in first"
            if left
            else "run a recipe first"
        )
        raise EngineError("the store has no run yet", f"{hint}: pada run RECIPE")
    found = collect(query, run)
    html = (out or state / "reports" / f"{run}.html").with_suffix(".html")
    markdown = html.with_suffix(".md")
    for path, text in ((html, render_html(found)), (markdown, render_markdown(found))):
        unfinished = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
        except OSError as error:
            raise EngineError(
                f"the report cannot be written to {path}: {error.strerror}",
                "choose a place with --out",
            ) from error
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return html, markdown


def _finish(
    console: Console, outcome: Outcome, run: str, state: Path, html: Path, markdown: Path
) -> None:
    console.print(summary(collect(reader(state), run), html))
    for note in outcome.notes:
        console.print(note, highlight=False, markup=False)
    computed = (
        f"{outcome.computed} nodes worked out, {outcome.cached} reused, {outcome.skipped} skipped"
    )
    console.print(computed, highlight=False)
    if outcome.status == "stopped":
        console.print(
            f"stopped: {outcome.note}; raise the budget and run again to go on", style="bold"
        )


def write_report(run: str | None, state: Path, out: Path | None) -> None:
    """Write the report of a run, and say where."""
    html, markdown = _write(run, state, out)
    print(f"{html}\n{markdown}")


def fetch_models(names: Sequence[str]) -> None:
    """Fetch models into the cache."""
    for name in names or models.known():
        print(f"{name}: {models.fetch(name, say=print)}")


def list_models() -> None:
    """Print the embedded models and where they lie."""
    for name in models.known():
        print(f"{name:<36} {models.locate(name) or 'not fetched'}")
