"""The files of a report: HTML and Markdown beside each other, each whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from engine.errors import EngineError, StoreError
from engine.report.facts import collect
from engine.report.html import render_html
from engine.report.markdown import render_markdown
from engine.report.records import Report
from engine.store import choose_run, reader, unseen
from engine.system.files import private, write_text
from engine.system.plain_text import clean, clean_json


class ReportFiles(NamedTuple):
    """Where a report was written, and what it says."""

    html: Path
    markdown: Path
    facts: Report


def write_report(state: Path, run: str | None = None, out: Path | None = None) -> ReportFiles:
    """Write the HTML and the Markdown report of a run, each whole or not at all.

    Args:
        state: The state folder.
        run: The run's id; the last one when left out.
        out: One of the two files; the other lies beside it.

    Raises:
        EngineError: there is no such run, or the files cannot be written.
    """
    if out is not None and out.suffix not in {".html", ".md"}:
        raise EngineError(
            f"--out {out}: the report is HTML and Markdown, two files of one name",
            f"name one of them: {out.name}.html",
        )
    run = run or _last_run(state)
    with reader(state) as query:
        facts = collect(query, run, state=state)
    html = (out or state / "reports" / f"{run}.html").with_suffix(".html")
    files = ReportFiles(html, html.with_suffix(".md"), facts)
    write_files(
        "report", {files.html: render_html(facts), files.markdown: render_markdown(facts)}, state
    )
    return files


def write_files(what: str, texts: Mapping[Path, str], state: Path | None = None) -> None:
    """Write texts, each whole or not at all, and clean; raises EngineError where that cannot be done.

    Args:
        what: What they are, for the error.
        texts: By file. CSV holds what its cells were made to hold already.
        state: The state folder: what lies in it is its user's alone.
    """
    for path, text in texts.items():
        is_states = state is not None and path.absolute().is_relative_to(state.absolute())
        try:
            with private() if is_states else contextlib.nullcontext():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_text(path, _CLEANED.get(path.suffix, clean)(text))
        except OSError as error:
            raise EngineError(
                f"the {what} cannot be written to {path}: {error.strerror or error}",
                "choose a place with --out",
            ) from error


_CLEANED: Mapping[str, Callable[[str], str]] = {".csv": str, ".json": clean_json}


def _last_run(state: Path) -> str:
    """Return the id of the last run; raises EngineError where there is none."""
    with reader(state) as query:
        try:
            return choose_run(query)[0]
        except StoreError as none:
            if not unseen(state).rows:
                raise
            raise EngineError(
                none.message,
                "go on with the run that was killed: what it left is taken in first: pada run RECIPE",
            ) from none
