"""The text of a recipe, letter by letter: read for an editor, changed at one place, and written back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.authoring import exact
from engine.authoring.editing import OPS, Edit, edited, lost_comments
from engine.authoring.files import Rewritten, write
from engine.authoring.positions import Text
from engine.errors import EngineError, boundary
from engine.gate.roots import real
from engine.site.tree import kind_of
from engine.spec.yaml import LARGEST, read_bytes
from engine.store import Stop
from engine.studio.answers import Verbatim
from engine.studio.asked import Asked
from engine.studio.recipes import is_ours, recipe_file
from engine.studio.settings import Settings

_MOST_EDITS = 50
_DEEPEST = 50


def text(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return a recipe's text, and what a page needs to write it back."""
    name = asked.text("recipe")
    file = recipe_file(settings, name)
    reason, packaged = "", not is_ours(file)
    if settings.read_only:
        reason = "This studio is for looking only: start it without --read-only to change things."
    elif packaged:
        reason = "This recipe is of a package, which stays as it was fetched: copy it into your project to change it."
    return {
        "recipe": name,
        "locked": reason,
        "is_packaged": packaged and not settings.read_only,
        **_of_file(_raw(file), file),
    }


def _of_file(raw: bytes, file: Path) -> dict[str, Any]:
    read = exact.exact(raw, file)
    return {
        "text": Verbatim(read.text),
        "is_crlf": read.is_crlf,
        "has_mark": read.has_mark,
        "digest": exact.digest(raw),
    }


def change(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a change of a recipe's form is in its text: what is replaced, and by what; nothing is written.

    How many comments went with what is taken out is said, too.
    """
    file = recipe_file(settings, asked.text("recipe"))
    before = posted(asked)
    after = edited(before, file, _edits(asked.body.get("edits")))
    return {**splice(before, after), "comments_lost": len(lost_comments(before, after))}


def splice(before: str, after: str) -> dict[str, Any]:
    """Return the one place in which two texts differ, as a browser counts."""
    start, most = 0, min(len(before), len(after))
    while start < most and before[start] == after[start]:
        start += 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    places = Text(before)
    return {
        "from": places.units(start),
        "to": places.units(len(before) - end),
        "insert": Verbatim(after[start : len(after) - end]),
    }


def posted(asked: Asked) -> str:
    """Return the text that a page sent; raises EngineError for one that no file could hold."""
    sent = asked.text("text")
    if len(exact.Exact(sent).bytes()) > LARGEST:
        raise EngineError(
            f"the recipe is larger than {LARGEST / 1e6:g} MB, the most that is read of one",
            "rows belong into data files; divide what is left",
        )
    return sent


def _edits(value: Any) -> list[Edit]:
    wrong = EngineError("this change is not known", "load the page again")
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_EDITS:
        raise wrong
    edits = []
    for one in value:
        path = one.get("path") if isinstance(one, Mapping) else None
        if not isinstance(path, list) or not 0 < len(path) <= _DEEPEST or one.get("op") not in OPS:
            raise wrong
        if not all(type(part) in (str, int) for part in path):
            raise wrong
        edits.append(Edit(tuple(path), one["op"], one.get("value")))
    return edits


def save(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Write a recipe's text into its file, whole or not at all.

    Where the file is no longer what the page read, nothing is written, and the page is told what stands in it now.
    """
    name = asked.text("recipe")
    try:
        file = recipe_file(settings, name)
    except EngineError as error:
        hint = "nothing was saved, and the text is in the editor still: copy it from there, or put the file back"
        raise EngineError(error.message, hint) from None
    if not is_ours(file):
        raise EngineError(
            f"{name} is of a package, which stays as it was fetched",
            "copy it into your project, and change the copy",
        )
    sent = exact.Exact(
        posted(asked), asked.body.get("is_crlf") is True, asked.body.get("has_mark") is True
    )
    new, raw = sent.bytes(), _raw(file)
    if exact.digest(raw) != asked.text("digest"):
        return {"saved": False, "now": _of_file(raw, file)}
    write([Rewritten(file, "", sent.text, raw, new)])
    root = real(settings.folder)
    still = kind_of(root / name, root) == "recipe"
    return {"saved": True, "digest": exact.digest(new), "is_recipe": still}


def _raw(file: Path) -> bytes:
    def refused(reason: str) -> EngineError:
        return EngineError(f"{file} cannot be read: {reason}", "check its permissions")

    with boundary(refused):
        return read_bytes(file)
