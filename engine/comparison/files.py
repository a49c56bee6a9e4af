"""A comparison as files: an HTML page that needs nothing else, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from engine.comparison import figures
from engine.comparison.results import ArmResult, Comparison
from engine.comparison.sentences import basis, headline, reading, sentences
from engine.comparison.tables import curve_table, student_table, whole_table
from engine.errors import EngineError
from engine.fingerprint import short
from engine.report.files import write_files
from engine.report.html import environment, stylesheet
from engine.report.markdown import escaped, table
from engine.system.plain_text import cell


class ComparisonFiles(NamedTuple):
    """Where a comparison was written."""

    html: Path
    markdown: Path
    csv: Path
    json: Path


def write_comparison(
    comparison: Comparison, state: Path, out: Path | None = None
) -> ComparisonFiles:
    """Write a comparison as four files of one name; raises EngineError where that cannot be done.

    Args:
        comparison: The comparison.
        state: The state folder: they lie under `reports` there, named after the runs, when `out` is left out.
        out: One of the files; the others lie beside it.
    """
    if out is not None:
        check_out(out)
    name = short([(arm.name, arm.budget, arm.run) for arm in comparison.arms], 8)
    base = out or state / "reports" / f"compare-{name}.html"
    paths = ComparisonFiles(*(base.with_suffix(f".{end}") for end in ("html", "md", "csv", "json")))
    texts = (
        html_text(comparison),
        markdown_text(comparison),
        csv_text(comparison),
        json_text(comparison),
    )
    write_files("comparison", dict(zip(paths, texts, strict=True)), state)
    return paths


def check_out(out: Path) -> None:
    """Raise EngineError where a comparison could not be written there; called before anything runs."""
    if out.suffix not in {".html", ".md", ".csv", ".json"}:
        raise EngineError(
            f"--out {out}: a comparison is HTML, Markdown, CSV and JSON, four files of one name",
            f"name one of them: {out.name}.html",
        )
    if out.is_dir():
        raise EngineError(f"--out {out}: this is a folder", "name a file in it")
    place = next(folder for folder in out.absolute().parents if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise EngineError(f"--out {out}: nothing can be written in {place}", "choose another place")


def html_text(comparison: Comparison) -> str:
    """Return the page."""
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            comparison=comparison,
            headline=headline(comparison),
            sentences=sentences(comparison),
            basis=basis(comparison),
            whole=whole_table(comparison),
            curve=curve_table(comparison),
            students=student_table(comparison),
            figures=figures,
            style=stylesheet(),
        )
    )


def markdown_text(comparison: Comparison) -> str:
    """Return the comparison as GitHub-flavoured Markdown."""
    parts = [
        f"# Arms against {escaped(comparison.baseline)}",
        f"**{escaped(headline(comparison).text)}**",
        table(whole_table(comparison)),
        "\n".join(f"- {escaped(one.text)}" for one in sentences(comparison)),
        table(curve) if (curve := curve_table(comparison)) else "",
        table(student_table(comparison)),
        "\n".join(f"- Note: {escaped(note)}." for note in comparison.notes),
        "\n".join(
            f"- Not finished: {escaped(name)}: {escaped(why)}."
            for name, why in comparison.unfinished.items()
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def csv_text(comparison: Comparison) -> str:
    """Return a line per arm and budget, numbers as they are: shares between 0 and 1."""
    lines = [_flat(comparison, arm) for arm in comparison.arms]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _flat(comparison: Comparison, arm: ArmResult) -> dict[str, Any]:
    found = arm.against
    return {
        "arm": arm.name,
        "budget": arm.budget,
        "run": arm.run,
        "metric": comparison.metric,
        "value": arm.value,
        "low": arm.low,
        "high": arm.high,
        **{f"seed_{seed}": arm.students[seed][1] for seed in comparison.seeds},
        "baseline": comparison.baseline,
        "difference": found.value if found else None,
        "difference_low": found.low if found else None,
        "difference_high": found.high if found else None,
        "p": found.p if found else None,
        "p_adjusted": found.p_adjusted if found else None,
        "verdict": found.word if found else None,
        "seeds_needed": found.seeds_needed if found else None,
        "remedy": found.remedy if found else None,
        **{
            name: getattr(arm, name)
            for name in ("gap", "rows", "steps", "calls", "tokens", "unmetered", "cost", "unpriced", "minutes")
        },
        "test_rows": comparison.n,
    }  # fmt: skip


def json_text(comparison: Comparison) -> str:
    """Return all of it as one JSON object."""
    whole = dataclasses.asdict(comparison)
    for arm, found in zip(whole["arms"], comparison.arms, strict=True):
        arm["students"] = [
            {"seed": seed, "round": round_, "value": score}
            for seed, (round_, score) in found.students.items()
        ]
    whole["headline"] = headline(comparison).text
    whole["sentences"] = [one.text for one in sentences(comparison)]
    whole["reading"] = reading(comparison)
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
