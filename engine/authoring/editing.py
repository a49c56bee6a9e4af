"""One change to a YAML document at one place: every other byte stays, and so does what the rest says.

The change is made in the text (`authoring.splicing`) and on the data; the new text is read again, and must say the new
data. Where it does not, nothing is changed, and the place must be edited in the text itself.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.authoring.splicing import Refused, spliced
from engine.authoring.tree import comments_in
from engine.errors import EngineError, RecipeError
from engine.spec.reference.keys import order
from engine.spec.yaml import KeyPath, parse

Op = Literal["set", "write", "remove", "insert", "swap", "rename"]
OPS: tuple[Op, ...] = ("set", "write", "remove", "insert", "swap", "rename")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change.

    `set` puts a value at a path, making what is missing on the way; `write` does so with a scalar as it is to be
    written, such as `1e-3`; `remove` takes a key or an item out; `insert` puts an item into a list before the one at
    the path's number; `swap` exchanges an item with the one behind it; `rename` gives a key another name.
    """

    path: KeyPath
    op: Op
    value: Any = None


def edited(text: str, path: Path, edits: Sequence[Edit]) -> str:
    r"""Return a recipe's text with changes, one after another.

    Args:
        text: What stands in the file.
        path: The file, for messages.
        edits: The changes.

    Raises:
        RecipeError: the text cannot be read.
        EngineError: a change cannot be made in the form in which the text is written, or makes no sense there.
    """
    for edit in edits:
        text = _edited(text, path, edit)
    return text


def lost_comments(before: str, after: str) -> list[str]:
    """Return the comments of a text that another one does not have any more."""
    # Most changes leave every line with a comment as it is; telling comments from texts takes a parser.
    lines = Counter(line for line in before.splitlines() if "#" in line)
    if not lines - Counter(after.splitlines()):
        return []
    return list((Counter(comments_in(before)) - Counter(comments_in(after))).elements())


def _edited(text: str, path: Path, edit: Edit) -> str:
    before = parse(text, path).data
    if edit.op == "write":
        edit = Edit(edit.path, "write", _as_written(edit.value))
        value = parse(f"value: {edit.value}\n", path).data["value"]
    else:
        value = edit.value
    try:
        wanted = _applied(copy.deepcopy(before), edit, value)
        result = spliced(text, edit.path, edit.op, edit.value, _places)
        is_meant = _meaning(parse(result, path).data) == _meaning(wanted)
    except (Refused, RecipeError):
        is_meant = False
    if is_meant and edit.op != "remove" and (lost := lost_comments(text, result)):
        raise EngineError(
            f"{_name(edit.path)} cannot be changed here: comments in it would be lost, such as '{lost[0][:80]}'",
            "change it in the YAML",
        )
    if is_meant:
        return result
    raise EngineError(
        f"{_name(edit.path)} cannot be changed here without changing what else the file says",
        "change it in the YAML",
    )


def _as_written(value: Any) -> str:
    """Return a scalar as it is to be written; raises EngineError for what is none."""
    said = value.strip() if isinstance(value, str) else ""
    try:
        read = parse(f"value: {said}\n", Path("value")).data if said else {}
    except RecipeError:
        read = {}
    whole = list(read) == ["value"] and not isinstance(read["value"], str | dict | list)
    if not whole or "#" in said or "\n" in said:
        raise EngineError(f"'{str(value)[:80]}' is no number", "write one such as 3, 0.5 or 1e-4")
    return said


def _places(path: KeyPath) -> Mapping[str, int]:
    """Return where the keys of the mapping at a path stand, by the documentation."""
    found = order("recipe", tuple(part for part in path if isinstance(part, str)))
    return found if path else {**found, "recipe": -1}


def _applied(data: Any, edit: Edit, value: Any) -> Any:
    """Return what the document is to say."""
    if not edit.path:
        raise Refused
    *above, last = edit.path
    here = data
    for number, part in enumerate(above):
        below = _at(here, part)
        if below is None and edit.op in ("set", "write", "insert"):
            below = [] if isinstance(edit.path[number + 1], int) else {}
            _put(here, part, below)
        here = below
    _APPLIED[edit.op](here, last, value)
    return data


def _remove(here: Any, last: Any, _: Any) -> None:
    _at(here, last, needed=True)
    del here[last]


def _insert(here: Any, last: Any, value: Any) -> None:
    if not isinstance(here, list) or not isinstance(last, int) or not 0 <= last <= len(here):
        raise Refused
    here.insert(last, value)


def _swap(here: Any, last: Any, _: Any) -> None:
    if not isinstance(here, list) or not isinstance(last, int) or not 0 <= last < len(here) - 1:
        raise Refused
    here[last], here[last + 1] = here[last + 1], here[last]


def _rename(here: Any, last: Any, name: Any) -> None:
    _at(here, last, needed=True)
    if not isinstance(here, dict) or not isinstance(name, str) or not name:
        raise Refused
    if name in here:
        raise EngineError(f"there is '{name[:200]}' already", "choose another name")
    here[name] = here.pop(last)


def _at(here: Any, part: str | int, *, needed: bool = False) -> Any:
    if isinstance(here, dict) and isinstance(part, str) and (part in here or not needed):
        return here.get(part)
    if isinstance(here, list) and isinstance(part, int) and 0 <= part < len(here):
        return here[part]
    raise Refused


def _put(here: Any, part: Any, value: Any) -> None:
    is_key = isinstance(here, dict) and isinstance(part, str)
    if is_key or (isinstance(here, list) and isinstance(part, int) and 0 <= part < len(here)):
        here[part] = value
    elif isinstance(here, list) and part == len(here):
        here.append(value)
    else:
        raise Refused


_APPLIED: Mapping[Op, Callable[[Any, Any, Any], None]] = {
    "set": _put,
    "write": _put,
    "remove": _remove,
    "insert": _insert,
    "swap": _swap,
    "rename": _rename,
}


def _meaning(data: Any) -> str:
    # As JSON, which tells 1 from 1.0 and from true, as Python's comparison does not.
    return json.dumps(data, sort_keys=True)


def _name(path: KeyPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")[:200] or "this"
