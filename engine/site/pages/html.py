"""The pages as text: the report's look and parts, everything escaped but charts, which escape each text themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.report.charts.figures import Figure, drawn
from engine.report.charts.svg import Line, Point, line_chart
from engine.report.formatting import NONE
from engine.report.html import environment, stylesheet
from engine.report.tables.table import Table, titled
from engine.rows import UNTUNED
from engine.site.pages.facts import Package, RecipeFacts, RunScores, Student
from engine.site.pages.graph import draw
from engine.site.pages.history import last_score
from engine.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
_SECTIONS = (
    ("about", "What it is"),
    ("scores", "Scores"),
    ("plan", "Plan"),
    ("taxonomy", "Taxonomy"),
    ("operators", "Operators"),
    ("prompts", "Prompts"),
    ("settings", "Settings"),
)


class Entry(NamedTuple):
    """A recipe in the index."""

    facts: RecipeFacts
    address: str
    """Of its page, from that of the index."""
    runs: tuple[RunScores, ...]

    @property
    def score(self) -> str:
        """How well its latest run did, in words."""
        return last_score(self.runs)

    @property
    def wrong(self) -> str:
        """The first error, and how many there are."""
        errors = [problem for problem in self.facts.problems if problem.level == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return f"{errors[0].message}{more}" if errors else ""


def _page(template: str, **told: Any) -> str:
    return (
        _environment()
        .get_template(template)
        .render(style=stylesheet(TEMPLATES / "site.css"), **told)
    )


def _environment() -> Environment:
    found = environment(TEMPLATES)
    found.filters["marked"] = marked
    return found


def marked(text: str) -> Markup:
    """Return a text, escaped, in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )


def index_page(
    title: str, version: str, counts: str, entries: Sequence[Entry], packages: Sequence[Package]
) -> str:
    """Return the page that lists the recipes."""
    return _page(
        "index.html.j2",
        title=title,
        version=version,
        counts=counts,
        entries=entries,
        packages=_package_table(packages),
        engine=__version__,
    )


def recipe_page(title: str, entry: Entry, packages: Sequence[Package], no_history: str) -> str:
    """Return the page of one recipe."""
    facts, runs = entry.facts, entry.runs
    graph = draw(facts.graph, f"Plan of {facts.name}") if facts.graph else ""
    return _page(
        "recipe.html.j2",
        title=title,
        facts=facts,
        sections=_SECTIONS,
        runs=runs,
        chart=_chart(facts.name, runs),
        history=_history_table(runs),
        no_history=no_history,
        graph=_as_it_is(graph),
        nodes=_node_table(facts),
        packages=_package_table(packages),
    )


def _as_it_is(svg: str) -> Markup:
    from markupsafe import Markup

    return Markup(svg)  # nosec B704 # each text in it is escaped where it is drawn


def _node_table(facts: RecipeFacts) -> Table | None:
    if facts.graph is None:
        return None
    rows = tuple(
        (box.name, box.asks or NONE, ", ".join(box.reads) or NONE) for box in facts.graph.boxes
    )
    return Table("Nodes, in the order in which they can run", titled("node", "asks", "after"), rows)


def _package_table(packages: Sequence[Package]) -> Table | None:
    if not packages:
        return None
    rows = tuple((one.name, one.version or NONE, one.source) for one in packages)
    return Table(
        "Packages that recipes here may name files of", titled("package", "version", "from"), rows
    )


def _chosen(run: RunScores) -> dict[str, Student]:
    """Return the students of a run that are shown: untuned, round 0, and that of the last round after it."""
    chosen = {"untuned": UNTUNED, "round 0": 0}
    by_round = {student.round: student for student in run.students}
    found = {name: by_round[number] for name, number in chosen.items() if number in by_round}
    if by_round and max(by_round) > 0:
        found["last round"] = by_round[max(by_round)]
    return found


def _history_table(runs: Sequence[RunScores]) -> Table | None:
    if not runs:
        return None
    names = ("untuned", "round 0", "last round")
    rows = []
    for run in reversed(runs):
        chosen = _chosen(run)
        last = chosen.get("last round")
        cells = [chosen[name].text if name in chosen else NONE for name in names[:2]]
        cells.append(f"{last.text}, {last.label}" if last else NONE)
        limited = f", {run.limit:,} rows of each split" if run.limit else ""
        rows.append(
            (
                f"{run.run}{limited}",
                run.version or NONE,
                run.started,
                run.status,
                run.metric or NONE,
                *cells,
            )
        )
    columns = titled("run", "version", "started", "status", "metric", *names, status="status")
    note = (
        "On test rows. In brackets the 95 % interval; of several seeds, the lowest and the highest."
    )
    return Table("Runs, latest first", columns, tuple(rows), note)


def _chart(name: str, runs: Sequence[RunScores]) -> Figure | None:
    """Return the scores of the runs that have the latest one's metric; None where there are none."""
    scored = [run for run in runs if run.students]
    if not scored:
        return None
    metric, percent = scored[-1].metric, scored[-1].percent
    alike = [run for run in scored if run.metric == metric][-6:]
    factor = 100.0 if percent else 1.0
    lines = []
    for kind in ("untuned", "round 0", "last round"):
        points = []
        for place, run in enumerate(alike):
            if (student := _chosen(run).get(kind)) is not None:
                low, high = (
                    None if end is None else factor * end for end in (student.low, student.high)
                )
                points.append(Point(place, factor * student.value, low, high, student.text))
        if points:
            lines.append(Line(kind, tuple(points)))
    described = "; ".join(
        f"{line.name}: {', '.join(p.text for p in line.points)}" for line in lines
    )
    names = [run.run for run in alike]
    title, unit = f"{metric} of the runs of {name} on test rows", "%" if percent else ""
    return drawn(lambda width: line_chart(title, described, metric, names, lines, width, unit))
