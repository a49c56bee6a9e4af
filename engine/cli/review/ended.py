"""What is told when a reviewer is done: what was said, how far reviewers agree, and what the next run would redo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from engine.cli.planning import print_expected
from engine.cli.terminal.output import say
from engine.plan.explain import NodeState
from engine.project import Project
from engine.review import Desk, redone, standing
from engine.review.ended import WrongRow
from engine.rows import Review
from engine.store import reader

SHOWN = 4
"""Nodes that are named; of more the number is said."""


def told(
    console: Console, project: Project, desk: Desk, said: Sequence[Review], skipped: int
) -> None:
    """Print what was said in a sitting and what follows of it."""
    counts = Counter(review.verdict for review in said)
    parts = [f"{count} {_DONE[verdict]}" for verdict, count in sorted(counts.items())]
    parts += [f"{skipped} skipped"] if skipped else []
    say(console, f"{desk.reviewer}: {', '.join(parts) or 'nothing said'}")
    with reader(desk.state) as query:
        stands = standing(query, desk.place)
    if stands.agreement:
        say(console, stands.agreement)
    if conflicts := stands.people.conflicts:
        rows = "1 row waits" if conflicts == 1 else f"{conflicts:,} rows wait"
        say(
            console,
            f"{rows} on which reviewers differ: a third looks at them with `--queue conflicts`, or `--resolve` decides",
        )
    _tell_of_data(console, stands.wrong)
    if said:
        _tell_plan(console, project)


_DONE = {
    "accept": "accepted",
    "reject": "rejected",
    "edit": "edited",
    "relabel": "relabelled",
    "undo": "taken back",
}


def _tell_of_data(console: Console, wrong: Sequence[WrongRow]) -> None:
    """Say which validation rows are wrong: they are changed in their file, by whoever owns it."""
    if not wrong:
        return
    say(console, "validation rows are never changed here; these are wrong in your files:")
    for row in wrong[:20]:
        say(console, f"  {row.source}:{row.line}  {row.what}")
    if len(wrong) > 20:
        say(console, f"  and {len(wrong) - 20} more: see the view review_outcomes")


def _tell_plan(console: Console, project: Project) -> None:
    """Say what the next run would redo, in the words of `pada plan`."""
    planned = project.again().plan()
    nodes, left, follow = redone(planned.states)
    if not left:
        say(
            console,
            "the next run would redo nothing: what was said changes nothing of what was trained on",
        )
        return
    say(console, f"the next run would redo {len(left)} of {nodes} nodes (`pada plan` shows all):")
    shown = min(follow, SHOWN)
    for state in left[:shown]:
        say(console, f"  {_line(state)}")
    if follow > shown:
        say(console, f"  and {follow - shown} that follow of these")
    if waits := len(left) - follow:
        others = " others" if follow else ""
        say(
            console,
            f"  {waits}{others} whatever was said: no run has done them yet as the recipe is",
        )
    print_expected(console, planned.expected)


def _line(state: NodeState) -> str:
    return f"{state.node.name}  {state.state}" + (f"  {state.because}" if state.because else "")
