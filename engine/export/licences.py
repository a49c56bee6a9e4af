"""What is known of licences: of the data, of the base model, of the models that wrote rows. Nothing is guessed."""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.export.run import FinishedRun
from engine.gate import passed
from engine.models.embedded import EMBEDDED
from engine.report.facts.json_columns import json_object, model_of
from engine.report.markdown import escaped

_MADE = (
    "SELECT coalesce(bool_or(operator = 'mine'), false) AS mined,"
    " coalesce(bool_or(operator <> 'mine' AND generate_call <> ''), false) AS asked,"
    " coalesce(bool_or(operator <> 'mine' AND generate_call = ''), false) AS changed"
    " FROM all_lineage WHERE run = ?"
)
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_LICENCE_FILE = re.compile(r"(un)?licen[sc]e([-._].*)?|copying([-._].*)?", re.IGNORECASE)
_LINE = 100
"""Characters of a licence's first line."""


def licence_of(model: str) -> str | None:
    """Return the licence of an embedded model; None for any other, which says so itself."""
    known = EMBEDDED.get(model)
    return None if known is None else known.licence


def front_licence(stated: str | None) -> dict[str, str]:
    """Return what the front matter of a card says of a licence: the Hub writes the names of SPDX in small letters."""
    if not stated:
        return {}
    if _SPDX.fullmatch(stated):
        return {"license": stated.lower()}
    return {"license": "other", "license_name": stated}


def licences(
    run: FinishedRun, stated: str | None, *, base: bool, written: bool, answers: bool = False
) -> str:
    """Return a list of what an export's parts are licensed under.

    Args:
        run: The run.
        stated: What was said of the whole.
        base: Whether a base model is part of it.
        written: Whether rows that are no original ones are, or were trained on.
        answers: Whether answers of the run's students are part of it.
    """
    lines = [f"- as stated for this export: {escaped(stated)}"] if stated else []
    sources = dict.fromkeys(example.source for example in run.examples if example.split == "train")
    named = ", ".join(escaped(source) for source in list(sources)[:5])
    more = f" and {len(sources) - 5} more" if len(sources) > 5 else ""
    files = _beside(run, "train")
    told = f"see {', '.join(files)}" if files else "as their source says"
    lines.append(f"- original rows ({named}{more}): {told}; the recipe does not state a licence")
    if base:
        lines.append(f"- base model's own licence: {_told(model_of(run.recipe, 'student'))}")
    if answers:
        lines.append(
            f"- wrong answers are those of students made of {_told(model_of(run.recipe, 'student'))}"
        )
    made = run.query(_MADE, [run.id])[0] if written else {}
    if made.get("mined"):
        pool = _beside(run, "pool")
        told = f"see {', '.join(pool)}" if pool else "as the source of the recipe's pool says"
        lines.append(f"- mined rows: {told}")
    if made.get("asked"):
        lines.append(f"- generated rows were written by {_told(model_of(run.recipe, 'teacher'))}")
    if made.get("changed"):
        lines.append(
            "- rows that were made without a model: as the original rows that they were made from"
        )
    return "\n".join(lines)


def _beside(run: FinishedRun, split: str) -> list[str]:
    """Return the files of licences beside a split's data, each with its first line."""
    path = str(json_object(json_object(run.recipe.get("data")).get(split)).get("path") or "")
    folder = Path(path).parent
    if not path or "://" in path or glob.has_magic(str(folder)):
        return []
    found = []
    with contextlib.suppress(OSError, EngineError):
        # What the recipe may not read is not looked for there either.
        beside = passed(run.base / folder, run.base, EngineError)
        for file in (passed(each, run.base, EngineError) for each in sorted(beside.iterdir())):
            if _LICENCE_FILE.fullmatch(file.name) and file.is_file():
                says = next(
                    (
                        line
                        for line in file.read_text("utf-8", "replace").splitlines()
                        if line.strip()
                    ),
                    "",
                )
                begins = f' ("{escaped(says.strip()[:_LINE])}")' if says else ""
                found.append(f"the data's own {escaped(file.name)}{begins}")
    return found


def _told(spec: Mapping[str, Any]) -> str:
    model = str(spec.get("model"))
    licence = licence_of(model)
    if licence is None:
        licence = "its licence is not known here; its terms may limit what may be done with what it writes"
    return f"{escaped(model)} ({escaped(licence)})"
