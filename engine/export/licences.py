"""What is known of licences: of the data, of the base model, of the models that wrote rows. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.export.run import FinishedRun
from engine.models.embedded import EMBEDDED
from engine.report.facts.json_columns import model_of
from engine.report.markdown import escaped


def licence_of(model: str) -> str | None:
    """Return the licence of an embedded model; None for any other, which says so itself."""
    known = EMBEDDED.get(model)
    return None if known is None else known.licence


def licences(run: FinishedRun, stated: str | None, *, base: bool, written: bool) -> str:
    """Return a list of what an export's parts are licensed under.

    Args:
        run: The run.
        stated: What was said of the whole.
        base: Whether a base model is part of it.
        written: Whether rows that are no original ones are, or were trained on.
    """
    lines = [f"- as stated for this export: {escaped(stated)}"] if stated else []
    sources = dict.fromkeys(example.source for example in run.examples if example.split == "train")
    named = ", ".join(escaped(source) for source in list(sources)[:5])
    more = f" and {len(sources) - 5} more" if len(sources) > 5 else ""
    lines.append(
        f"- original rows ({named}{more}): as their source says; the recipe does not state a licence"
    )
    if base:
        lines.append(f"- base model: {_told(model_of(run.recipe, 'student'))}")
    augment = run.recipe.get("augment") or {}
    if written and augment.get("mine"):
        lines.append("- mined rows: as the source of the recipe's pool says")
    if written and augment.get("operators"):
        lines.append(f"- generated rows were written by {_told(model_of(run.recipe, 'teacher'))}")
    return "\n".join(lines)


def _told(spec: Mapping[str, Any]) -> str:
    model = str(spec.get("model"))
    licence = licence_of(model) or "its own terms hold, which may limit what its output is used for"
    return f"{escaped(model)} ({escaped(licence)})"
