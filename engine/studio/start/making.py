"""The questions of `pada init` on a page: what was found in a file, what is asked, what comes of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.authoring.start import placing
from engine.authoring.start.asking import Asked as Known
from engine.authoring.start.asking import answered
from engine.authoring.start.beginning import Drafted, drafted
from engine.authoring.start.looking import Looked, form_of, look
from engine.authoring.start.questions import Answers, Question, checked
from engine.authoring.start.writing import Draft
from engine.data.sources.readers import READERS, ending
from engine.errors import EngineError, Problem
from engine.gate import project_of
from engine.gate.roots import PROJECT
from engine.store import Stop
from engine.studio.answers import Verbatim, short
from engine.studio.asked import Asked
from engine.studio.settings import Settings
from engine.studio.start import places, rooms
from engine.studio.start.rooms import Room
from engine.studio.start.words import TITLES, Amiss, amiss
from engine.tasks import TASKS

_ROWS = 8
_COLUMNS = 40
"""Columns of the first rows that a page shows."""
_CHOICES = 300
"""Choices of a question that a page is sent; another one can be typed."""
_FORMAT = ("encoding", "delimiter", "decimal", "header", "sheet")


class _Open(Exception):
    """A question without a proposal that nobody has answered yet."""


@dataclass(slots=True)
class _Page:
    """Answers what the page's fields say, else takes the proposal; remembers what was asked."""

    given: Mapping[str, Sequence[str]]
    asked: list[tuple[Question, list[str]]] = field(default_factory=list)
    open: str = ""
    """The flag of the question at which the answers end."""
    flag: str = ""
    """Of the last question."""

    def __call__(self, question: Question) -> list[str]:
        self.flag = question.flag
        said = [one for one in self.given.get(question.flag, ()) if one.strip()]
        if question.flag == "--input":
            # Of what was chosen before, what is the right answer now is seen no more.
            targets = {
                one for asked, answer in self.asked for one in answer if asked.flag == "--target"
            }
            said = [one for one in said if one not in targets]
        if question.flag == "--task" and any(one not in question.choices for one in said):
            # What fitted other columns.
            said = []
        self.asked.append((question, said or list(question.proposal)))
        if not said and not question.proposal:
            self.open = question.flag
            raise _Open
        return [checked(question, one) for one in said] or list(question.proposal)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page has chosen so far."""

    answers: Mapping[str, Sequence[str]]
    format: tuple[str, ...]
    folder: str

    @property
    def key(self) -> object:
        """The same for the same wishes."""
        return json.dumps([self.answers, self.format, self.folder])


def wish_of(asked: Asked) -> Wish:
    """Return what a page has chosen; raises EngineError for what is no choice."""
    said = asked.body.get("answers", {})
    form = asked.body.get("format", {})
    if not isinstance(said, dict) or not isinstance(form, dict):
        raise EngineError("answers: an object is needed")
    for value in said.values():
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise EngineError("answers: lists of texts are needed")
    settings = tuple(f"{k}={v}" for k, v in form.items() if isinstance(v, str) and v.strip())
    return Wish({k: tuple(v) for k, v in said.items()}, settings, asked.text("folder"))


def begun(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return a room for the file that was sent, or for one that lies in the project."""
    if asked.file is not None:
        place = places.free_data_place(settings, asked.text("name"))
        room = rooms.opened(settings, place, asked.file)
    else:
        room = rooms.opened(settings, places.project_file(settings, asked.text("path")), None)
    return {
        "room": room.key,
        "place": Verbatim(room.place),
        "is_sent": room.is_sent,
        "folder": Verbatim(places.free_recipe_folder(settings, room.place)),
    }


def named(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return where a file of a name would lie, before it is sent; raises EngineError where it cannot be read."""
    return {"place": Verbatim(places.free_data_place(settings, asked.text("name")))}


def looked(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what was found in a file, and the questions with the answers so far."""
    room = rooms.room(settings, asked.text("room"))
    with room.lock:
        wish = wish_of(asked)
        try:
            found = _look(room, wish)
        except EngineError as error:
            field = "--format" if wish.format else "file"
            return {
                "said": "",
                "format": _format(room, {}, wish),
                "error": _at(room, amiss(error, field, ("--format",))),
            }
        page = _Page(wish.answers)
        draft, wrong = _asked(room, found, page, wish)
        return {
            **_shown(room, found, wish),
            "questions": [_question(one, said) for one, said in page.asked],
            "open": page.open,
            "kind": _kind(draft),
            "told": [room.plain(line) for line in draft.task.said] if draft else [],
            "error": _at(room, wrong) if wrong else None,
        }


def shown(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the recipe as it would be written, and what checking it says; nothing is written into the project."""
    room = rooms.room(settings, asked.text("room"))
    with room.lock:
        try:
            made = _made(settings, room, wish_of(asked), asked.text("place", room.place))
        except _Wrong as wrong:
            return {"error": _at(room, wrong.amiss)}
        return {
            "text": Verbatim(made.text),
            "told": made.told,
            "warnings": made.warnings,
            "error": None,
        }


def created(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Write the recipe, its data and the project's file where there is none: all or nothing."""
    room = rooms.room(settings, asked.text("room"))
    with room.lock:
        wish = wish_of(asked)
        try:
            made = _made(settings, room, wish, asked.text("place", room.place))
            files = _written(settings, room, wish, made)
        except _Wrong as wrong:
            return {"error": _at(room, wrong.amiss)}
    rooms.drop(settings, room.key)
    return {"recipe": Verbatim(files[0]), "files": [Verbatim(one) for one in files], "error": None}


def dropped(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Forget a file that was sent."""
    rooms.drop(settings, asked.text("room"))
    return {}


class _Wrong(Exception):
    """Why a recipe cannot be made, at its field."""

    def __init__(self, amiss: Amiss) -> None:
        super().__init__(amiss.message)
        self.amiss = amiss


def _look(room: Room, wish: Wish) -> Looked:
    if room.looked is None or room.looked[0] != wish.format:
        room.looked = None
        room.looked = (wish.format, look(str(room.file), form_of(wish.format)))
    return room.looked[1]


def _asked(room: Room, found: Looked, page: _Page, wish: Wish) -> tuple[Draft | None, Amiss | None]:
    """Return what the answers come to, as far as they go."""
    known = Known(files=[str(room.file)], to=room.folder / (wish.folder or "recipe"))
    try:
        return answered(known, {"train": found}, Answers(page, takes_all=False)), None
    except _Open:
        return None, None
    except EngineError as error:
        flags = [question.flag for question, _ in page.asked]
        return None, amiss(error, page.flag or "file", flags)


def _made(settings: Settings, room: Room, wish: Wish, place: str) -> Drafted:
    """Return the recipe that the answers come to, checked where it would lie; raises _Wrong."""
    key = (wish.key, place)
    if room.checked is not None and room.checked[0] == key:
        assert isinstance(room.checked[1], Drafted)
        return room.checked[1]
    _place(settings, room, wish, place)
    page = _Page(wish.answers)
    try:
        found = _look(room, wish)
    except EngineError as error:
        raise _Wrong(amiss(error, "file", ("--format",))) from error
    draft, wrong = _asked(room, found, page, wish)
    if draft is None:
        raise _Wrong(wrong or Amiss(page.open, "this is not answered yet", "choose one"))
    flags = [question.flag for question, _ in page.asked]
    file = room.folder / wish.folder / placing.RECIPE
    try:
        with placing.made(file.parent):
            made = drafted(draft, {"train": found}, {"train": str(room.file)}, file, room.folder)
    except EngineError as error:
        raise _Wrong(amiss(error, "file", flags)) from error
    made = Drafted(
        room.plain(made.text),
        [room.plain(line) for line in made.told],
        made.given,
        [_plain(room, one) for one in made.warnings],
    )
    room.checked = (key, made)
    return made


def _place(settings: Settings, room: Room, wish: Wish, place: str) -> None:
    """Have the file at the place that was chosen, as far as that and the recipe's folder can be; raises _Wrong."""
    at = "folder"
    try:
        folder = places.inside(settings, wish.folder)
        placing.refuse_existing({settings.folder / folder / placing.RECIPE: ""})
        at = "place"
        if not room.is_sent:
            return
        if ending(Path(place)) != ending(room.file):
            raise EngineError(
                f"'{place[:200]}' does not end in {ending(room.file)}, as the file that was sent does",
                "the ending says how a file is read: keep it",
            )
        place = places.inside(settings, place)
        placing.refuse_existing({settings.folder / place: ""})
        room.move(place)
    except EngineError as error:
        raise _Wrong(replace(amiss(error, at), field=at)) from error


def _written(settings: Settings, room: Room, wish: Wish, made: Drafted) -> list[str]:
    """Put the recipe and what it needs into the project; return the files, the recipe first."""
    root = settings.folder
    recipe, data = root / wish.folder / placing.RECIPE, root / room.place
    project = placing.project_text(root, "project")
    if project is None and not (project_of(root) / PROJECT).is_file():
        raise _Wrong(
            Amiss(
                "folder",
                "the studio was started in your home folder, which cannot be a project",
                "make a folder for it and start there: mkdir tickets, then pada studio tickets",
            )
        )
    files = {recipe: made.text, **({root / PROJECT: project} if project else {})}
    try:
        placing.refuse_existing(files)
        with ExitStack() as stack:
            stack.enter_context(placing.made(recipe.parent))
            if room.is_sent:
                stack.enter_context(placing.made(data.parent))
                stack.enter_context(placing.put(room.file, data))
            placing.write_all(files)
    except EngineError as error:
        raise _Wrong(amiss(error, "folder")) from error
    sent = [room.place] if room.is_sent else []
    return [f"{wish.folder}/{placing.RECIPE}", *sent, *([PROJECT] if project else [])]


def _shown(room: Room, found: Looked, wish: Wish) -> dict[str, Any]:
    """Return what was found in a file, for people."""
    names = list(found.columns)
    return {
        "said": room.plain(found.said),
        "columns": [Verbatim(name) for name in names[:_COLUMNS]],
        "column_count": len(names),
        "rows": [[_cell(row.get(name)) for name in names[:_COLUMNS]] for row in found.rows[:_ROWS]],
        "row_count": len(found.rows),
        "is_cut": found.is_cut,
        "format": _format(room, found.form, wish),
        "bad": [_plain(room, one) for one in found.bad[:5]],
        "bad_count": found.bad_rows,
    }


def _format(room: Room, form: Mapping[str, Any], wish: Wish) -> list[dict[str, Any]]:
    """Return how the file is read: what was detected, else what was said."""
    given = dict(one.partition("=")[::2] for one in wish.format)
    can = READERS[ending(room.file)].settings
    return [
        {
            "key": key,
            "value": _form_text(form.get(key)) or given.get(key, ""),
            "is_given": key in given,
        }
        for key in _FORMAT
        if key in can
    ]


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    return short(
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    )


def _form_text(value: Any) -> str:
    if value is None:
        return ""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _question(question: Question, said: Sequence[str]) -> dict[str, Any]:
    about = question.about or ("",) * len(question.choices)
    pairs = list(zip(question.choices, about, strict=True))
    first = pairs[:_CHOICES]
    first += [pair for pair in pairs[_CHOICES:] if pair[0] in said]
    return {
        "flag": question.flag,
        "title": TITLES.get(question.flag, question.flag),
        "text": question.text,
        "choices": [{"value": Verbatim(value), "about": why} for value, why in first],
        "more": len(pairs) - len(first),
        "several": question.several,
        "answer": [Verbatim(one) for one in said],
        "proposal": [Verbatim(one) for one in question.proposal],
    }


def _kind(draft: Draft | None) -> dict[str, str] | None:
    if draft is None:
        return None
    kind = TASKS[draft.task.kind]
    return {"name": draft.task.kind, "about": kind.sentence}


def _at(room: Room, error: Amiss) -> Amiss:
    return Amiss(error.field, room.plain(error.message), room.plain(error.hint))


def _plain(room: Room, problem: Problem) -> Problem:
    where = replace(problem.where, file=room.plain(problem.where.file))
    return replace(
        problem, where=where, message=room.plain(problem.message), hint=room.plain(problem.hint)
    )
