"""What a reviewer says: one verdict at a time, in the store before the page is answered.

A page that heard no answer sends the same verdict again, under the same id: it is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from engine.errors import EngineError, StoreError
from engine.review import Item, Queue, Reason, RefusedError, parse_queue, stored
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.reviewing import showing, sittings
from engine.studio.reviewing.sittings import Sitting
from engine.studio.settings import Settings

VERDICTS = ("accept", "reject", "change")
LONGEST_NOTE = 10_000


def verdict(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Write a verdict; return what it came to: accept, reject, edit or relabel. See `_kept`."""
    return _kept(lambda: _verdict(settings, asked))


def undo(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Take back a verdict of the reviewer, the last one where the page names none; return it with its row."""
    return _kept(lambda: _undone(settings, asked))


def _kept(write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what was written, or why it is not in the store yet: the page then keeps it, and sends it again.

    A run that writes, a program that has the file open, a full disk: that passes. What is wrong with a verdict does
    not, and is raised.
    """
    try:
        return {"kept": True, **write()}
    except StoreError as error:
        return {"kept": False, "why": {"message": error.message, "hint": error.hint}}


def _verdict(settings: Settings, asked: Asked) -> dict[str, Any]:
    kind = asked.one_of("verdict", VERDICTS, "")
    name, note = asked.text("id"), asked.text("note")
    if not name:
        raise RefusedError("a verdict needs an id")
    if len(note) > LONGEST_NOTE:
        raise RefusedError(f"a note has at most {LONGEST_NOTE:,} characters", "shorten it")
    sitting = sittings.resume(settings, asked)
    with sitting.lock:
        if sitting.desk.knows(name):
            return {"id": name, "again": True}
        item = _item(sitting, asked)
        queue = _queue(asked, item)
        match kind:
            case "accept":
                review = sitting.desk.accept(item, queue, note, name)
            case "reject":
                review = sitting.desk.reject(item, queue, _reason(asked, note), note, name)
            case _:
                inputs, target = _changed(item, asked)
                review = sitting.desk.change(item, queue, inputs, target, note, name)
    return {"id": name, "again": False, "verdict": review.verdict, "told": stored(review)}


def _undone(settings: Settings, asked: Asked) -> dict[str, Any]:
    name, of = asked.text("id"), asked.text("of") or None
    if not name:
        raise RefusedError("an undo needs an id")
    sitting = sittings.resume(settings, asked)
    with sitting.lock:
        if sitting.desk.knows(name):
            return {"id": name, "again": True, "undone": None}
        review = sitting.desk.undo(of, name)
        if review is None:
            return {"id": name, "again": False, "undone": None}
        return {
            "id": name,
            "again": False,
            "undone": {
                "verdict": review.note,
                "of": review.undoes,
                "item": _row(sitting, review.subject, review.example, parse_queue(review.queue)),
            },
        }


def _row(sitting: Sitting, subject: str, example: str, queue: Queue) -> dict[str, Any] | None:
    """Return a row that is looked at again; None where it is in this run no more."""
    try:
        item = sitting.item(subject, example, queue)
    except EngineError:
        return None
    sitting.remember([item])
    return showing.item(item, sitting.desk)


def _item(sitting: Sitting, asked: Asked) -> Item:
    queue: Queue = "candidates" if asked.text("subject") == "candidate" else "suspect"
    return sitting.item(asked.text("subject"), asked.text("example"), queue)


def _queue(asked: Asked, item: Item) -> Queue:
    """Return where a row came from, for the record; of one that another page handed over where it would be."""
    if name := asked.text("queue"):
        return parse_queue(name)
    return "candidates" if item.subject == "candidate" else "suspect"


def _reason(asked: Asked, note: str) -> Reason:
    said = asked.text("reason")
    if said == "other" and not note.strip():
        raise RefusedError("not rejected: without a note nobody knows why", "say why in the note")
    for reason in get_args(Reason):
        if reason == said:
            known: Reason = reason
            return known
    raise RefusedError(
        f"'{said[:40]}' is no reason", f"choose one of: {', '.join(get_args(Reason))}"
    )


def _changed(item: Item, asked: Asked) -> tuple[dict[str, str], str]:
    """Return the texts that are others now, by column, and the target.

    Columns come by their number: a name with characters that cannot be seen is shown, and sent, as another one.
    """
    names = list(item.inputs)
    given = asked.body.get("inputs", {})
    if not isinstance(given, dict):
        raise RefusedError("inputs: texts by the number of their column are needed")
    inputs = {}
    for number, text in given.items():
        if not (number.isdecimal() and int(number) < len(names) and isinstance(text, str)):
            raise RefusedError(f"the row has no column of the number '{number[:20]}'")
        inputs[names[int(number)]] = text
    target = asked.body.get("target")
    if target is not None and not isinstance(target, str):
        raise RefusedError("target: a text is needed")
    # What is not sent stays as it is.
    return inputs, item.target if target is None else target
