"""A file's tree as YAML again: two spaces a level, brackets where they fit on a line, quotes where they are needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from engine.authoring.tree import Branch, Entry, Text, Tree
from engine.errors import RecipeError
from engine.spec.yaml import parse

WIDTH = 120
"""Characters of a line up to which brackets are kept together."""
_STEP = 2
_WORDS = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?: [A-Za-z0-9_]+)*")
"""Texts that are plain without a look, but for the words below: most are such."""
_READ_OTHERWISE = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def written(tree: Tree) -> str:
    """Return a file's tree as YAML."""
    hoist(tree.root)
    text: list[str] = []
    for line in [*tree.head, *_branch(tree.root, 0)]:
        # One blank line says as much as several; the first line of a file is none.
        if line or (text and text[-1]):
            text.append(line)
    while text and not text[-1]:
        text.pop()
    return "\n".join("" if line == _KEPT else line for line in text) + "\n"


def _branch(branch: Branch, indent: int) -> Iterator[str]:
    for number, entry in enumerate(branch.entries):
        yield from _comments(entry.above, indent, first=number == 0)
        yield from _entry(entry, indent)
    yield from _comments(branch.below, indent, first=not branch.entries)


def _comments(lines: list[str], indent: int, *, first: bool) -> Iterator[str]:
    for line in lines:
        if line:
            yield f"{' ' * indent}{line}"
        elif not first:
            yield ""
        first = False


def _entry(entry: Entry, indent: int) -> Iterator[str]:
    """Yield the lines of an entry without what stands above it."""
    margin = " " * indent
    beside = f"  {entry.beside}" if entry.beside else ""
    lead = f"{margin}-" if entry.key is None else f"{margin}{_key(entry.key)}:"
    value = entry.value
    if isinstance(value, Text):
        yield from _text(value, lead, indent, beside)
        return
    line = None if _is_open(value) else _brackets(value)
    if line is not None and (len(lead) + 1 + len(line) <= WIDTH or not value.entries):
        yield f"{lead} {line}{beside}"
    elif entry.key is None:
        # What a list's item is begins behind its dash; comments that stand before it go above it.
        first, *rest = list(_branch(_without_above(value), indent + _STEP))
        yield f"{lead} {first.lstrip(' ')}"
        yield from rest
    else:
        yield f"{lead}{beside}"
        yield from _branch(value, indent + _STEP)


def _without_above(value: Branch) -> Branch:
    first, *rest = value.entries
    return Branch(
        value.is_list,
        value.is_flow,
        [Entry(first.key, first.value, [], first.beside), *rest],
        value.below,
    )


def hoist(branch: Branch) -> None:
    """Move comments that stand behind the dash of an item, or before its first key, above the dash."""
    for entry in branch.entries:
        value = entry.value
        if not isinstance(value, Branch):
            continue
        hoist(value)
        if entry.key is not None or not value.entries:
            continue
        if _is_open(value) or len(_brackets(value) or "") > WIDTH:
            first = value.entries[0]
            lines = [line for line in first.above if line]
            entry.above += [*([entry.beside] if entry.beside else []), *lines]
            entry.beside, first.above = "", []


def _is_open(value: Branch) -> bool:
    """Return whether a mapping or a list stands in lines of its own."""
    if not value.entries and not value.below:
        return False
    return not value.is_flow or _has_comments(value)


def _has_comments(value: Branch) -> bool:
    return bool(value.below) or any(
        entry.above
        or entry.beside
        or (isinstance(entry.value, Branch) and _has_comments(entry.value))
        for entry in value.entries
    )


def _brackets(value: Branch) -> str | None:
    """Return a mapping or a list in brackets on one line; None where that cannot be."""
    parts = []
    for entry in value.entries:
        inner = (
            _brackets(entry.value) if isinstance(entry.value, Branch) else _in_brackets(entry.value)
        )
        if inner is None:
            return None
        parts.append(inner if entry.key is None else f"{_key(entry.key, flow=True)}: {inner}")
    return f"[{', '.join(parts)}]" if value.is_list else f"{{{', '.join(parts)}}}"


def _in_brackets(text: Text) -> str | None:
    if len(text.lines) > 1 or text.is_block:
        return None
    return _unquoted(text, flow=True) or "null"


def _key(text: Text, *, flow: bool = False) -> str:
    return _unquoted(text, flow=flow) if len(text.lines) == 1 else quoted(text.value)


def _text(text: Text, lead: str, indent: int, beside: str) -> Iterator[str]:
    margin = " " * (indent + _STEP)
    if text.is_block:
        head, *body = text.lines
        yield f"{lead} {head}{beside}"
        for line in body:
            yield f"{margin}{line}" if line else _KEPT
        return
    if len(text.lines) == 1:
        said = _unquoted(text, flow=False)
        yield f"{lead} {said}{beside}" if said else f"{lead}{beside}"
        return
    first, *rest = text.lines
    yield f"{lead} {first}"
    for number, line in enumerate(rest):
        last = number == len(rest) - 1
        yield (f"{margin}{line}" if line else _KEPT) + (beside if last else "")


_KEPT = "\0"
"""Stands for a blank line that belongs to a text."""


def _unquoted(text: Text, *, flow: bool) -> str:
    """Return a scalar on one line, its quotes left out where nobody reads it as anything else without them."""
    raw = text.lines[0]
    if not text.style:
        return raw
    if _is_plain(text.value, flow):
        return text.value
    if (
        text.style == "'"
        and not ("\\" in text.value or '"' in text.value)
        and text.value.isprintable()
    ):
        return f'"{text.value}"'
    return raw


def quoted(value: str) -> str:
    """Return a text in double quotes."""
    return json.dumps(value, ensure_ascii=not value.isprintable())


@lru_cache(maxsize=4096)
def _is_plain(value: str, flow: bool) -> bool:
    """Return whether a text without quotes is read back as it is, by the engine and by readers of YAML 1.1."""
    # `${…}` needs its quotes in brackets: it keeps them everywhere, so that it looks the same.
    if not value or not value.isprintable() or value != value.strip() or "${" in value:
        return False
    if _WORDS.fullmatch(value) and value.lower() not in _READ_OTHERWISE:
        return True
    line = f"k: [{value}]\n" if flow else f"k: {value}\n"
    wanted = {"k": [value] if flow else value}
    try:
        return parse(line, Path("k")).data == wanted and yaml.safe_load(line) == wanted
    except (RecipeError, yaml.YAMLError, ValueError):
        return False


def value_lines(lead: str, value: Any, indent: int) -> list[str]:
    """Return a value as it is written behind `key:` or `-` in lines of its own, the lead with it.

    Args:
        lead: What stands before it, such as `key:`, without its margin.
        value: Texts, numbers, truths, nulls, lists and mappings.
        indent: The column at which the lead stands; the first line is without it.
    """
    key = None if lead == "-" else Text([lead.removesuffix(":")], "", lead.removesuffix(":"))
    first, *rest = _entry(Entry(key, tree_of(value)), indent)
    return ["" if line == _KEPT else line for line in (first.lstrip(" "), *rest)]


def in_brackets(value: Any) -> str:
    """Return a value as it is written between brackets, on one line."""
    made = tree_of(value, flow=True)
    found = _brackets(made) if isinstance(made, Branch) else _in_brackets(made)
    assert found is not None
    return found


def key_text(name: str, *, flow: bool = False) -> str:
    """Return a key as it is written, in quotes where it would be read as anything else."""
    return name if _is_plain(name, flow) else quoted(name)


def tree_of(value: Any, *, flow: bool = False) -> Text | Branch:
    """Return a value as part of a tree: in brackets where they fit, a text of several lines as a block.

    Args:
        value: Texts, numbers, truths, nulls, lists and mappings; a scalar that is a tree's already stays as it is.
        flow: Whether it stands between brackets already.
    """
    if isinstance(value, Text):
        return value
    if not isinstance(value, Mapping | list | tuple):
        return (
            _lines_of(value) if _is_text_of_lines(value) and not flow else scalar(value, flow=flow)
        )
    items = value.items() if isinstance(value, Mapping) else ((None, each) for each in value)
    parts = list(items)
    # A mapping of a recipe's own section is open; what is small stays in brackets.
    is_flow = flow or not parts or _is_small(value)
    entries = [
        Entry(
            None if key is None else Text([key_text(str(key), flow=is_flow)], "", str(key)),
            tree_of(each, flow=is_flow),
        )
        for key, each in parts
    ]
    return Branch(not isinstance(value, Mapping), is_flow, entries)


def _is_small(value: Any) -> bool:
    """Return whether a list or mapping holds nothing but scalars on one line, or lists of such."""
    inner = list(value.values()) if isinstance(value, Mapping) else list(value)
    return all(
        not _is_text_of_lines(each)
        and (not isinstance(each, Mapping | list | tuple) or _is_small(each))
        for each in inner
    )


def _is_text_of_lines(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def _lines_of(value: str) -> Text:
    """Return a text of several lines as a block, or in quotes where a block would say something else."""
    body = value.rstrip("\n")
    kept = len(value) - len(body)
    lines = body.split("\n")
    begins = next((line for line in lines if line), "")
    if not body or not all(map(str.isprintable, lines)) or begins[:1] in (" ", "\t"):
        return scalar(value)
    if any(line and not line.strip() for line in lines) or kept > 1:
        # Lines of spaces alone, and lines behind the last one, get lost where somebody's editor tidies up.
        return scalar(value)
    return Text([f"|{'' if kept else '-'}", *lines], "|", value)


def scalar(value: str | float | bool | None, *, flow: bool = False) -> Text:
    """Return a value as a scalar of a tree."""
    if isinstance(value, str):
        written_as = value if _is_plain(value, flow) else quoted(value)
        return Text([written_as], "" if written_as == value else '"', value)
    text = (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
    return Text([text], "", text)
