"""What differs between the files of two recipes: prompts as short diffs, YAML and JSON by what they say."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.errors import EngineError
from engine.run.kept import KeptFile
from engine.spec.package_data import shipped
from engine.spec.yaml import parse, read_text

_COMPARED = ("prompt", "operator", "pack", "method", "schema")
"""Kinds whose files say something; what the recipe and its taxonomy say is compared as settings."""
_COMMENT = re.compile(r"\A\s*\{#.*?#\}[ \t]*\n?", re.DOTALL)
"""What a prompt begins with that no model is told."""
MOST_LINES = 24
"""Lines of a diff that are shown."""


@dataclass(frozen=True, slots=True)
class TextChange:
    """A file that says something else, is new or gone."""

    kind: str
    path: str
    """From the project's folder; of a package after its name."""
    how: Literal["changed", "added", "removed"]
    lines: tuple[str, ...]
    """What is other in it, as a unified diff, or by keys."""


def text_changes(before: Sequence[KeptFile], after: Sequence[KeptFile]) -> list[TextChange]:
    """Return the files of two recipes that do not say the same."""
    olds, news = _by_path(before), _by_path(after)
    found = []
    for key in dict.fromkeys([*news, *olds]):
        old, new = olds.get(key), news.get(key)
        how: Literal["changed", "added", "removed"] = "changed"
        if old is None:
            how = "added"
        elif new is None:
            how = "removed"
        elif _meaning(old) == _meaning(new):
            continue
        lines = tuple(_lines(old, new))
        found.append(TextChange(key[0], key[1], how, lines))
    return sorted(found, key=lambda change: (_COMPARED.index(change.kind), change.path))


def _by_path(files: Sequence[KeptFile]) -> dict[tuple[str, str], KeptFile]:
    return {
        (file.kind, f"{file.package}/{file.path}" if file.package else file.path): file
        for file in files
        if file.kind in _COMPARED
    }


def _data(file: KeptFile) -> Any:
    """Return what a YAML or JSON file says; None of another."""
    if file.text is None:
        return None
    try:
        if file.path.endswith(".json"):
            return json.loads(file.text)
        if file.path.endswith((".yaml", ".yml")):
            return parse(file.text, Path(file.path)).data
    except (ValueError, RecursionError, EngineError):
        return None
    return None


def _prose(file: KeptFile) -> str:
    return _COMMENT.sub("", (file.text or "").replace("\r\n", "\n")).strip("\n")


def _meaning(file: KeptFile) -> Any:
    data = _data(file)
    if data is not None:
        return data
    return file.digest if file.text is None else _prose(file)


def _lines(old: KeptFile | None, new: KeptFile | None) -> Iterator[str]:
    data = [_data(file) if file is not None else None for file in (old, new)]
    if data[0] is not None and data[1] is not None:
        yield from _keys(data[0], data[1], "")
        return
    if old is not None and new is not None and None in (old.text, new.text):
        yield f"{old.digest[:12]} -> {new.digest[:12]}"
        return
    texts = [_prose(file) if file is not None else None for file in (old, new)]
    known = old or new
    if None in texts and known is not None and known.kind == "prompt":
        # Without one of the recipe's own, the engine's is used.
        texts = [_engines(known.path) if text is None else text for text in texts]
    before, after = texts
    if before is None or after is None:
        count = len((before or after or "").splitlines())
        yield f"{count} line{'s' * (count != 1)}"
        return
    if known is not None and (old is None or new is None):
        yield "held against the engine's own:"
    diff = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]
    yield from diff[:MOST_LINES]
    if len(diff) > MOST_LINES:
        yield f"… {len(diff) - MOST_LINES} more lines"


def _engines(path: str) -> str | None:
    """Return the engine's own prompt in whose place another may stand; None where there is none."""
    file = shipped("prompts") / path.removeprefix("prompts/")
    if not file.resolve().is_relative_to(shipped("prompts").resolve()) or not file.is_file():
        return None
    return _COMMENT.sub("", read_text(file).replace("\r\n", "\n")).strip("\n")


def _keys(old: Any, new: Any, key: str) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*new, *old]):
            yield from _keys(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
        return
    yield f"{key}: {brief(old)} -> {brief(new)}"


def brief(value: Any, longest: int = 60) -> str:
    """Return a value as it is shown on a line."""
    if value is None or value == "":
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
