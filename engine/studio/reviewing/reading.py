"""What a reviewer looks at: the queues, the rows of one, a list of it, and what follows of what was said."""

from __future__ import annotations

import json
from typing import Any

from engine.errors import EngineError
from engine.report.foreseen import foreseen
from engine.review import (
    QUEUES,
    REASONS,
    WAITS,
    Narrowed,
    Queue,
    narrowed,
    parse_queue,
    ran,
    redone,
    reviewer_name,
    standing,
)
from engine.store import FILE, Stop, reader
from engine.studio.asked import Asked
from engine.studio.reviewing import showing, sittings
from engine.studio.settings import Settings

SITTING = 20
"""Rows of a sitting, as of `pada review`."""
LARGEST_SITTING = 200
HANDED = 2_000
"""Rows at most that another page hands over."""
PAGE = 50
LARGEST_PAGE = 200
MOST_NAMED = 8
"""Steps that are named of those which follow from verdicts."""
_OF_RUN = "SELECT c.name FROM run u JOIN recipe c ON c.id = u.recipe WHERE u.id = ?"
VERDICTS = ("", WAITS, "accept", "reject", "edit", "relabel")


def overview(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the recipes whose rows can be reviewed, which of them a run was of, and who seems to sit here."""
    empty = {"recipes": [], "of_run": "", "reviewer": _suggested(), "reasons": REASONS}
    if not (settings.state / FILE).exists():
        return empty
    with reader(settings.state, stop=stop) as query:
        recipes = ran(query)
        named = query(_OF_RUN, [asked.text("run")])
        people = query("SELECT DISTINCT recipe, reviewer FROM review ORDER BY ALL", [])
    by_recipe: dict[str, list[str]] = {}
    for row in people:
        by_recipe.setdefault(row["recipe"], []).append(row["reviewer"])
    return empty | {
        "recipes": [
            {"name": one.name, "run": one.run, "reviewers": by_recipe.get(one.name, [])}
            for one in recipes
        ],
        "of_run": named[0]["name"] if named else "",
    }


def _suggested() -> str:
    """Return who reviews where nobody says so; empty where this machine gives no usable name."""
    try:
        return reviewer_name(None)
    except EngineError:
        return ""


def queues(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return how many rows of each queue wait for a reviewer, and how the verdicts on the recipe's rows stand."""
    sitting = sittings.begin(settings, asked)
    with sitting.lock:
        counts = sitting.desk.waiting()
        with reader(settings.state, stop=stop) as query:
            stands = standing(query, sitting.desk.place)
    return {
        "recipe": sitting.desk.place.recipe,
        "run": sitting.desk.place.run,
        "page": sittings.page_of(settings, sitting.project),
        "reviewer": sitting.desk.reviewer,
        "is_new": sitting.desk.is_new,
        "waiting": [{"queue": queue, "rows": counts[queue]} for queue in QUEUES],
        "people": _people(stands),
    }


def _people(stands: Any) -> dict[str, Any]:
    return {
        "rows": stands.people.rows,
        "verdicts": stands.people.verdicts,
        "conflicts": stands.people.conflicts,
        "reviewers": stands.people.reviewers,
        "agreement": stands.agreement,
        "alpha": stands.people.agreement._asdict(),
        "wrong": [{"where": f"{one.source}:{one.line}", "what": one.what} for one in stands.wrong],
    }


def rows(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the first rows of a queue that wait for a reviewer, whole, and how many wait."""
    queue = _queue(asked)
    sitting = sittings.begin(settings, asked)
    with sitting.lock:
        count = asked.number("n", SITTING, LARGEST_SITTING, least=1)
        items, total = sitting.desk.items(queue, count, asked.text("pattern") or None)
        sitting.remember(items)
        return {
            "run": sitting.desk.place.run,
            "queue": queue,
            "items": [showing.item(one, sitting.desk) for one in items],
            "total": total,
        }


def found(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return rows that another page hands over by their ids, in its order, and the ids that are no rows to review."""
    wanted = asked.body.get("rows")
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise EngineError("rows: a list of ids is needed")
    if len(wanted) > HANDED:
        raise EngineError(
            f"{len(wanted):,} rows are more than anybody looks at", f"choose at most {HANDED:,}"
        )
    # They are rows of the run that was looked at, which need not be the latest.
    sitting = sittings.begin(settings, asked, asked.text("run") or None)
    with sitting.lock:
        # Rows of the data first: what is chosen on a map are failures on them.
        known = sitting.desk.find(wanted, "suspect")
        items = [known[one] for one in dict.fromkeys(wanted) if one in known]
        sitting.remember(items)
        return {
            "run": sitting.desk.place.run,
            "queue": "",
            "items": [showing.item(one, sitting.desk) for one in items],
            "total": len(items),
            "missing": len(set(wanted)) - len(items),
        }


def listing(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return one page of a queue as a list, with what was said of each row, and what the list can be narrowed to."""
    queue = _queue(asked)
    # The later pages of a list are of the run that the first one was of.
    sitting = (sittings.resume if asked.text("run") else sittings.begin)(settings, asked)
    wanted = Narrowed(
        pattern=asked.text("pattern"),
        target=asked.text("target"),
        reviewer=asked.text("by"),
        verdict=asked.one_of("verdict", VERDICTS, ""),
        search=asked.text("search").strip(),
    )
    offset, limit = (
        asked.number("offset", 0),
        asked.number("limit", PAGE, LARGEST_PAGE, least=1),
    )
    with sitting.lock:
        every = sitting.desk.listed(queue)
    fitting = narrowed(every, wanted)
    return {
        "run": sitting.desk.place.run,
        "rows": [showing.entry(one) for one in fitting[offset : offset + limit]],
        "total": len(fitting),
        "all": len(every),
        "offset": offset,
        "limit": limit,
        **showing.choices(every),
    }


def labels(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the task's labels, empty where its targets are no labels."""
    sitting = sittings.resume(settings, asked)
    with sitting.lock:
        return {"labels": [showing.field(label) for label in sitting.desk.labels]}


def ended(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what follows of what was said, as `pada review` says it at its end: what the next run would redo."""
    sitting = sittings.resume(settings, asked)
    with reader(settings.state, stop=stop) as query:
        stands = standing(query, sitting.desk.place)
    answer: dict[str, Any] = {
        "people": _people(stands),
        "page": sittings.page_of(settings, sitting.project),
        "plan": None,
        "why_not": None,
    }
    try:
        # Anew each time: the recipe, too, may have changed since the sitting began.
        one = sittings.chosen(settings, asked)
        planned = sittings.project_of(settings, one).plan()
    except EngineError as error:
        # What was said is kept, whatever is wrong with the recipe now.
        answer["why_not"] = {"message": str(error), "hint": error.hint}
        return answer
    nodes, left, follow = redone(planned.states)
    expected = planned.expected
    answer["plan"] = {
        "nodes": nodes,
        "open": len(left),
        "follow": follow,
        "named": [
            {"node": one.node.name, "state": one.state, "because": one.because}
            for one in left[: min(follow, MOST_NAMED)]
        ],
        "estimate": foreseen(expected.estimate, expected.minutes, evaluated=expected.evaluated),
        # What the run was given beside its recipe: without it, the page of the plan shows another one.
        "limit": one.limit,
        "settings": [f"{name}={json.dumps(value)}" for name, value in one.settings.items()],
    }
    return answer


def _queue(asked: Asked) -> Queue:
    return parse_queue(asked.text("queue", "candidates") or "candidates")
