"""The verbs of `pada`, their arguments and help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.bounds import LARGEST
from engine.cli.authoring.explain import explain
from engine.cli.authoring.init import init
from engine.cli.authoring.rewriting import fmt, migrate
from engine.cli.calls import calls_app
from engine.cli.export import export_app
from engine.cli.options import (
    STATE,
    ForecastOption,
    GpuPriceOption,
    GpusOption,
    GpuSpeedOption,
    JsonOption,
    LimitOption,
    RawOption,
    RecipeArgument,
    SetOption,
    StateOption,
    VarOption,
)
from engine.cli.packages import deps
from engine.cli.patterns import patterns_app
from engine.cli.resolving import resolve
from engine.cli.review import review
from engine.cli.site import ci, docs, validate
from engine.cli.studio import studio
from engine.cli.terminal.help import add_examples, put_under_headings
from engine.cli.terminal.logged import add_log_options
from engine.cli.terminal.streams import echo
from engine.cli.versions import bundle, diff, history, rerun
from engine.version import __version__

app = typer.Typer(
    name="pada",
    help="PaDA Engine: make a small language model better at one task, from a recipe.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
LISTS = (
    "tasks", "metrics", "operators", "row-functions", "clusterers", "gates", "packs", "backends", "methods", "recipes",
)  # fmt: skip
SCHEMAS = ("recipe", "operator", "method", "taxonomy", "pack", "project")
models_app = typer.Typer(help="The embedded models.", no_args_is_help=True)
app.add_typer(models_app, name="models")
batch_app = typer.Typer(
    help="Request files of the backend `batch`, and their results.", no_args_is_help=True
)
app.add_typer(batch_app, name="batch")
app.add_typer(calls_app, name="calls")
app.add_typer(patterns_app, name="patterns")
app.add_typer(export_app, name="export")
show_app = typer.Typer(help="What a run would send.", no_args_is_help=True)
app.add_typer(show_app, name="show")
for _command in (explain, fmt, migrate):
    app.command()(_command)
try_app = typer.Typer(help="What the recipe's teacher would write.", no_args_is_help=True)
app.add_typer(try_app, name="try")


def _version(value: bool) -> None:
    if value:
        echo(f"pada {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    allow: Annotated[
        list[Path] | None,
        typer.Option(
            "--allow",
            metavar="PATH",
            help="File or folder outside of the recipe's own that it may read. Repeatable.",
        ),
    ] = None,
) -> None:
    """Make a small language model better at one task, from a recipe."""
    if allow:
        from engine.cli.trust import allow_places

        allow_places(allow)


@app.command()
def trust(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="File or folder that every recipe may read from now on, or a package in git; with --key, the recipe."
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="State folder of your own that was moved or copied."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="NAME=ADDRESS",
            help="Key in the variable NAME that the recipe may send to this server. Repeatable.",
        ),
    ] = None,
) -> None:
    """Say for good what recipes may read, where keys may go, or that a state folder is yours."""
    from engine.cli.trust import trust_command

    trust_command(path, state, key or [])


app.command()(validate)
app.command()(docs)
app.command()(ci)


@app.command()
def plan(
    recipe: RecipeArgument,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
    limit: LimitOption = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the graph for Mermaid.")
    ] = False,
    gpus: GpusOption = None,
    gpu_price: GpuPriceOption = None,
    gpu_speed: GpuSpeedOption = 1.0,
    json: ForecastOption = False,
) -> None:
    """Show what a run would do: each node cached, pending or changed, what it would cost, and how long it takes."""
    from engine.cli.recipes import show_plan

    given = (recipe, var or [], state, limit, mermaid, settings or [])
    show_plan(*given, gpus, gpu_price, gpu_speed, as_json=json)


@app.command()
def run(
    recipe: RecipeArgument,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
    limit: LimitOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """Run a recipe, going on from whatever is done already; writes a report."""
    from engine.cli.running import run_recipe

    run_recipe(recipe, var or [], state, limit, quiet, settings or [])


@app.command()
def preview(
    recipe: RecipeArgument,
    var: VarOption = None,
    settings: SetOption = None,
    rows: Annotated[
        int, typer.Option("-n", "--rows", min=1, max=LARGEST, help="Rows of each split.")
    ] = 20,
    steps: Annotated[
        int, typer.Option(min=1, max=LARGEST, help="Optimizer steps of each fine-tune.")
    ] = 4,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="FOLDER",
            help="Leave its state folder there, for `pada sql --state FOLDER` and the studio.",
        ),
    ] = None,
) -> None:
    """Run a few rows through the real pipeline in a temporary store, and show the result."""
    from engine.cli.running import preview_recipe

    preview_recipe(recipe, var or [], rows, steps, settings or [], keep)


@app.command()
def compare(
    recipes: Annotated[
        list[str],
        typer.Argument(help="Recipe files, their folders, or shipped recipes' names."),
    ],
    methods: Annotated[
        str | None,
        typer.Option("--methods", metavar="A,B", help="Each recipe by each of these methods."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Such as augment.coverage=0: one more arm for each recipe and method. Repeatable.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", metavar="0,1,2", help="Those of the recipes when left out."),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            metavar="50,100",
            help="Generated rows of all rounds together; several give learning curves.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="ARM",
            help="What all are compared with, by its name in the table (its method, its setting as typed, its recipe):"
            " vanilla, or else the first, when left out.",
        ),
    ] = None,
    student: Annotated[
        str,
        typer.Option(help="last: of the last round reached; chosen: by the stop rule."),
    ] = "last",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write, .html, .md, .csv or .json; the others too."),
    ] = None,
    var: VarOption = None,
    state: StateOption = STATE,
    limit: LimitOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """Run recipes, methods or settings on the same rows and seeds, and say which differ beyond chance."""
    from engine.cli.compare import compare_command, names, numbers
    from engine.cli.recipes import overrides
    from engine.comparison import Asked

    asked = Asked(
        recipes=recipes,
        methods=names(methods),
        settings=settings or [],
        seeds=numbers(seeds, "--seeds"),
        rows=numbers(rows, "--rows"),
        baseline=baseline,
        vars=overrides(var or []),
        state=state,
        limit=limit,
    )
    compare_command(asked, student, out, quiet=quiet)


app.command()(init)
for of_versions in (diff, history, rerun, bundle):
    app.command()(of_versions)
app.command()(review)
app.command()(resolve)
app.command()(deps)
app.command()(studio)


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="Run id; the latest when left out.")] = None,
    state: StateOption = STATE,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write, .html or .md; the other is written beside it."),
    ] = None,
) -> None:
    """Write the report of a run, also while it is going."""
    from engine.cli.running import report_command

    report_command(run, state, out)


@app.command()
def sql(
    query: Annotated[
        str | None,
        typer.Argument(
            help="One SELECT; a console opens when left out (`help` there says what it takes)."
        ),
    ] = None,
    state: StateOption = STATE,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    raw: RawOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Write a Parquet file.")] = None,
) -> None:
    """Query the store, read-only; works beside a running run."""
    from engine.cli.sql import sql_command

    sql_command(state, query, csv=csv, raw=raw, json=json, parquet=parquet)


@app.command()
def runs(state: StateOption = STATE, json: JsonOption = False) -> None:
    """List the runs in the store."""
    from engine.cli.runs import runs_command

    runs_command(state, as_json=json)


@app.command()
def clean(
    state: StateOption = STATE,
    keep: Annotated[int, typer.Option(min=0, max=LARGEST, help="Latest runs to keep.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Also the cache of embedded models.")
    ] = False,
) -> None:
    """Remove what no kept run needs, after showing it."""
    from engine.cli.clean import clean_command

    clean_command(state, keep=keep, yes=yes, models=models)


@app.command("list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="tasks, metrics, operators, row-functions, clusterers, gates, packs, backends, methods, recipes or "
            "packages.",
            autocompletion=lambda: (*LISTS, "packages"),
        ),
    ],
    recipe: Annotated[
        str | None,
        typer.Argument(help="Recipe whose own operators, packs and methods are listed too."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List what a recipe can name."""
    from engine.cli.recipes import show_list

    show_list(what, recipe, as_json=json)


@app.command()
def schema(
    what: Annotated[
        str,
        typer.Argument(
            help="recipe, operator, method, taxonomy, pack or project (pada.yaml).",
            autocompletion=lambda: SCHEMAS,
        ),
    ] = "recipe",
) -> None:
    """Print the JSON Schema of a kind of file: recipes, `operator.yaml`, methods, taxonomies, packs, `pada.yaml`."""
    from engine.cli.recipes import show_schema

    show_schema(what)


@show_app.command("prompt")
def show_prompt(
    stage: Annotated[
        str,
        typer.Argument(
            metavar="STAGE", help="predict, diagnose, name, strategy, generate, judge, rate, …"
        ),
    ],
    recipe: Annotated[str, typer.Option("--recipe", help="Recipe file, its folder, or a name.")],
    operator: Annotated[
        str | None,
        typer.Option("--operator", help="For generate: the prompts of this operator alone."),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Also the JSON Schema of the reply.")
    ] = False,
    row: Annotated[
        int | None,
        typer.Option(
            "--row",
            min=1,
            max=LARGEST,
            metavar="N",
            help="With the Nth training row, where it can be.",
        ),
    ] = None,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
    limit: LimitOption = None,
) -> None:
    """Show what the student, a teacher or a judge would be sent, with rows of the recipe's own; asks no model."""
    from engine.cli.prompts import show_prompt

    show_prompt(
        recipe,
        var or [],
        state,
        limit,
        stage,
        operator,
        settings or [],
        with_schema=schema,
        row=row,
    )


@show_app.command("operator")
def show_operator(
    name: Annotated[str, typer.Argument(metavar="NAME", help="`pada list operators` has them.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="Recipe whose rows the prompt shows, and whose own operators are known.",
        ),
    ] = None,
    pack: Annotated[
        str, typer.Option("--pack", help="Without a recipe: the pack of the prompt that is shown.")
    ] = "standard",
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
) -> None:
    """Show what an operator does, its parameters, one prompt and one example; asks no model."""
    from engine.cli.operators.showing import show_operator

    show_operator(name, recipe, var or [], state, pack, settings or [])


@try_app.command("operator")
def try_operator(
    name: Annotated[str, typer.Argument(metavar="NAME", help="`pada list operators` has them.")],
    recipe: Annotated[str, typer.Option("--recipe", help="Recipe file, its folder, or a name.")],
    count: Annotated[int, typer.Option("-n", min=1, max=50, help="Rows that are asked for.")] = 3,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
) -> None:
    """Ask the recipe's own teacher for a few rows of an operator, and show what the checks say; stores nothing."""
    from engine.cli.operators.showing import try_operator

    try_operator(name, recipe, count, var or [], state, settings or [])


@models_app.command("fetch")
def models_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models; all embedded ones when left out.")
    ] = None,
) -> None:
    """Download the embedded models into the cache (a run does this by itself)."""
    from engine.cli.running import fetch_models

    fetch_models(names or [])


@models_app.command("list")
def models_list(json: JsonOption = False) -> None:
    """List the embedded models and where they are stored."""
    from engine.cli.running import list_models

    list_models(as_json=json)


@batch_app.command("import")
def batch_import(
    file: Annotated[Path, typer.Argument(help="File of results, one JSON object per line.")],
    state: StateOption = STATE,
) -> None:
    """Import the results of a request file into the store; then run the recipe again."""
    from engine.cli.batch import import_command

    import_command(file, state)


@batch_app.command("list")
def batch_list(state: StateOption = STATE, json: JsonOption = False) -> None:
    """List the request files and how much of each is answered."""
    from engine.cli.batch import list_command

    list_command(state, as_json=json)


add_log_options(app)
add_examples(app)
put_under_headings(app)
