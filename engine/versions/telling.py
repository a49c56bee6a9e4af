"""What differs between two recipes, in words: the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.versions.difference import Difference, Other, Pending
from engine.versions.settings import Change
from engine.versions.texts import brief

SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_MOST = 12
"""Causes, and steps that follow from them, that are listed."""


def grouped(found: Difference) -> Iterator[tuple[str, list[Change]]]:
    """Yield settings and categories of the taxonomy, each with their title, where some differ."""
    for title, wanted in (("settings", False), ("taxonomy", True)):
        if changes := [change for change in found.settings if change.is_category is wanted]:
            yield title, changes


def besides(found: Difference) -> Iterator[tuple[str, Sequence[Other]]]:
    """Yield packages, splits and libraries, each with their title, where some differ."""
    for title, others in (
        ("packages", found.packages),
        ("data", found.data),
        ("libraries", found.libraries),
    ):
        if others:
            yield title, others


def sentence(change: Change) -> str:
    """Return one change in a line."""
    sign = SIGNS[change.how]
    if change.how == "changed":
        # One that is not written has its default.
        before = f"{brief(change.before)}{'' if change.before_at else ' (default)'}"
        after = f"{brief(change.after)}{'' if change.after_at else ' (default)'}"
        if not change.before_at and not change.after_at:
            before, after = brief(change.before), brief(change.after)
        return f"{sign} {change.key}: {before} -> {after}"
    return f"{sign} {change.key}: {brief(change.after if change.how == 'added' else change.before)}"


def where(change: Change) -> str:
    """Return where a setting stands on both sides."""
    if change.before_at == change.after_at:
        return change.after_at
    return " -> ".join(place for place in (change.before_at, change.after_at) if place)


def told(other: Other) -> str:
    """Return what is another one in a line."""
    before, after = (
        "none" if text is None else text if len(text) < 40 else f"{text[:12]}…"
        for text in (other.before, other.after)
    )
    return f"{other.name}: {before} -> {after}"


def counted(found: Difference) -> str:
    """Return how many steps would be done anew."""
    if not found.pending:
        return f"all {found.nodes} are as before"
    return f"{len(found.pending)} of {found.nodes} would be done anew"


def causes(pending: Sequence[Pending]) -> Iterator[str]:
    """Yield why steps are done anew: what changed itself, reason by reason, and then what only follows from it."""
    causes: dict[tuple[str, str], list[str]] = {}
    follow: dict[str, int] = {}
    for node in pending:
        if node.because.startswith("input changed"):
            follow[node.stage] = follow.get(node.stage, 0) + 1
        else:
            reason = node.because or ("new" if node.state == "pending" else node.state)
            causes.setdefault((node.stage, reason), []).append(node.node)
    for (stage, reason), nodes in list(causes.items())[:_MOST]:
        several = f" ({len(nodes)})" if len(nodes) > 1 else ""
        yield f"{nodes[0] if len(nodes) == 1 else stage}{several}: {reason}"
    if len(causes) > _MOST:
        yield f"… {len(causes) - _MOST} more reasons (--json has all)"
    if follow:
        said = ", ".join(f"{stage} ({n})" if n > 1 else stage for stage, n in follow.items())
        yield f"and what rests on these: {said}"
