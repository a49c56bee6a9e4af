"""What is told when a reviewer is done: what was said, how far reviewers agree, and what the next run would redo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from engine.cli.planning import print_expected
from engine.cli.terminal.output import say
from engine.plan.explain import NodeState
from engine.project import Project
from engine.report.facts.reviews import collect_people
from engine.report.tables.reviews import agreement_sentence
from engine.review import Desk
from engine.rows import Review
from engine.store import reader

SHOWN = 4
"""Nodes that are named; of more the number is said."""
_PLACES = """
SELECT DISTINCT e.source, e.line, o.verdict, coalesce(o.new_target, '') AS target
FROM review_outcomes o JOIN example e ON e.id = o.example JOIN all_run_rows r USING (node)
WHERE o.recipe = ? AND o.subject = 'validation' AND o.verdict <> 'accept' AND r.run = ? AND r.stage = 'load'
  AND e.split = 'validation'
ORDER BY e.source, e.line
"""


def told(
    console: Console, project: Project, desk: Desk, said: Sequence[Review], skipped: int
) -> None:
    """Print what was said in a sitting and what follows of it."""
    counts = Counter(review.verdict for review in said)
    parts = [f"{count} {_DONE[verdict]}" for verdict, count in sorted(counts.items())]
    parts += [f"{skipped} skipped"] if skipped else []
    say(console, f"{desk.reviewer}: {', '.join(parts) or 'nothing said'}")
    with reader(desk.state) as query:
        people = collect_people(query, desk.place.run, desk.place.recipe)
        wrong = query(_PLACES, [desk.place.recipe, desk.place.run])
    if sentence := agreement_sentence(people):
        say(console, sentence)
    if people.conflicts:
        rows = "1 row waits" if people.conflicts == 1 else f"{people.conflicts:,} rows wait"
        say(
            console,
            f"{rows} on which reviewers differ: a third looks at them with `--queue conflicts`, or `--resolve` decides",
        )
    _tell_of_data(console, wrong)
    if said:
        _tell_plan(console, project)


_DONE = {
    "accept": "accepted",
    "reject": "rejected",
    "edit": "edited",
    "relabel": "relabelled",
    "undo": "taken back",
}


def _tell_of_data(console: Console, wrong: Sequence[dict[str, object]]) -> None:
    """Say which validation rows are wrong: they are changed in their file, by whoever owns it."""
    if not wrong:
        return
    say(console, "validation rows are never changed here; these are wrong in your files:")
    for row in wrong[:20]:
        what = f"should be {row['target']}" if row["target"] else str(row["verdict"])
        say(console, f"  {row['source']}:{row['line']}  {what}")
    if len(wrong) > 20:
        say(console, f"  and {len(wrong) - 20} more: see the view review_outcomes")


def _tell_plan(console: Console, project: Project) -> None:
    """Say what the next run would redo, in the words of `pada plan`."""
    planned = project.again().plan()
    open_nodes = [state for state in planned.states if state.state != "cached"]
    if not open_nodes:
        say(
            console,
            "the next run would redo nothing: what was said changes nothing of what was trained on",
        )
        return
    number = len(planned.states)
    say(
        console,
        f"the next run would redo {len(open_nodes)} of {number} nodes (`pada plan` shows all):",
    )
    # What changes by itself comes first: the others follow of it.
    causes = sorted(open_nodes, key=lambda state: state.because.startswith("input changed"))
    for state in causes[:SHOWN]:
        say(console, f"  {_line(state)}")
    if len(causes) > SHOWN:
        say(console, f"  and {len(causes) - SHOWN} that follow of these")
    print_expected(console, planned.expected)


def _line(state: NodeState) -> str:
    return f"{state.node.name}  {state.state}" + (f"  {state.because}" if state.because else "")
