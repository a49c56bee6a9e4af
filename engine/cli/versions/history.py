"""`pada history`: the versions of a recipe and its runs, scores side by side."""

from __future__ import annotations

from engine.cli.terminal.output import make_console, roomy, say
from engine.cli.terminal.streams import print_records
from engine.cli.terminal.tables import fitted
from engine.report.formatting import round_label
from engine.versions.history import RunScores, Score, Version, history
from engine.versions.history import as_json as record
from engine.versions.sides import Given

_TITLES = ("version", "commit", "date", "run", "untuned", "round 0", "chosen")


def history_command(recipe: str, given: Given, count: int, *, as_json: bool = False) -> None:
    """Print the versions, the newest first, or one JSON object for each."""
    console = make_console()
    versions = history(recipe, given, count)
    if as_json:
        print_records(console.file, map(record, versions))
        return
    if not versions:
        say(console, "no versions and no runs yet: commit the recipe, or run it")
        return
    lines: list[tuple[str, ...]] = []
    changed: dict[str, list[str] | None] = {}
    for version in versions:
        lines += _lines(version)
        changed |= {run.run: run.changed for run in version.runs if run.changed}
    metrics = dict.fromkeys(
        run.metric for version in versions for run in version.runs if run.metric
    )
    right = [title in {"untuned", "round 0"} for title in _TITLES]
    console.print(fitted(roomy(console, 100), _TITLES, lines, right, cut=[False] * len(_TITLES)))
    if metrics:
        say(
            console,
            f"scores on test: {', '.join(metrics)}; brackets hold 95 % intervals",
            style="dim",
        )
    for run, files in changed.items():
        say(
            console,
            f"* {run} had files that were not committed: {', '.join(files or [])}",
            style="dim",
        )


def _lines(version: Version) -> list[tuple[str, ...]]:
    said = dict.fromkeys([*version.tags, *([version.version] if version.version else [])])
    # A tag such as v1.4.0 says what the recipe's version does.
    names = [name for name in said if f"v{name}" not in said]
    head = (", ".join(names[-2:]), version.commit[:7] or "unknown", version.date[:10])
    if not version.runs:
        return [(*head, "", "", "", "")]
    return [
        (*(head if first else ("", "", "")), *_of(run))
        for first, run in zip([True] + [False] * len(version.runs), version.runs, strict=False)
    ]


def _of(run: RunScores) -> tuple[str, str, str, str]:
    chosen = ""
    if run.chosen is not None:
        rounds = ", ".join(map(round_label, run.rounds))
        chosen = f"{_shown(run.chosen)} {rounds}"
    elif run.status != "done":
        chosen = run.status
    mark = "*" if run.changed else ""
    return f"{run.run}{mark}", _value(run.untuned), _value(run.plain), chosen


def _value(score: Score | None) -> str:
    return "" if score is None else f"{score.value:.3f}"


def _shown(score: Score) -> str:
    interval = (
        "" if score.low is None or score.high is None else f" [{score.low:.2f}, {score.high:.2f}]"
    )
    return f"{score.value:.3f}{interval}"
