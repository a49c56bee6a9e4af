"""Writing into people's YAML: items are appended to a list, and every other byte stays as it is.

PyYAML says where each part of a document stands; the new text goes in there, in the style that is around it. A library
that writes whole documents keeps comments, and rewrites indentation, quotes and line breaks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.errors import EngineError, RecipeError
from engine.spec.yaml import parse

Item = Mapping[str, str | Sequence[str]]


class _Edit(NamedTuple):
    """A text that goes in at a place."""

    at: int
    text: str


def appended(text: str, path: Sequence[str], items: Sequence[Item], file: Path) -> str:
    """Return a YAML document with items at the end of one of its lists; a list that is not there yet is made.

    Args:
        text: The document, one that `engine.spec.yaml.parse` takes; a mapping.
        path: The keys that lead to the list.
        items: What is appended.
        file: Where it is from, for messages.

    Raises:
        EngineError: the document cannot be extended without changing what it says.
    """
    before = parse(text, file).data
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    written = text
    if isinstance(root, MappingNode) and items:
        for edit in sorted(_edits(text, root, path, items), reverse=True):
            written = written[: edit.at] + edit.text + written[edit.at :]
    _check(before, written, path, items, file)
    return written


def _check(
    before: Any, written: str, path: Sequence[str], items: Sequence[Item], file: Path
) -> None:
    """Raise EngineError where the document does not say what it said, with the items."""
    with suppress(RecipeError, AttributeError, TypeError):
        here = before
        for key in path[:-1]:
            here[key] = here.get(key) or {}
            here = here[key]
        here[path[-1]] = [*(here.get(path[-1]) or []), *({**item} for item in items)]
        if parse(written, file).data == before:
            return
    raise EngineError(
        f"{file}: {'.'.join(path)} cannot be extended in the form in which it is written",
        "write it as a list with one item a line",
    )


def _edits(text: str, root: MappingNode, path: Sequence[str], items: Sequence[Item]) -> list[_Edit]:
    """Return what goes where: the list, or the innermost mapping on the way to it, is extended."""
    here, left = root, list(path)
    while left:
        node = _value(here, left[0])
        if node is None or _is_empty(node):
            return [_in_mapping(text, here, node, left, items)]
        left.pop(0)
        if isinstance(node, SequenceNode):
            return _in_list(text, node, items)
        if not isinstance(node, MappingNode):
            break
        here = node
    return []


def _value(mapping: MappingNode, key: str) -> Node | None:
    return next((value for name, value in mapping.value if name.value == key), None)


def _is_empty(node: Node) -> bool:
    """Return whether a key stands there without any value."""
    return isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index


def _in_list(text: str, node: SequenceNode, items: Sequence[Item]) -> list[_Edit]:
    if not node.flow_style:
        return [_Edit(_line_end(text, node), _newline(text, block(items, node.start_mark.column)))]
    if not node.value:
        return [_Edit(node.end_mark.index - 1, flow(items))]
    last = node.value[-1]
    if last.start_mark.line == node.start_mark.line:
        return [_Edit(last.end_mark.index, f", {flow(items)}")]
    # One item a line: the comma behind the last one, the new ones below it, each on its own.
    end = last.end_mark.index
    rest = re.match(r"[^\n]*", text[end:])
    behind = rest[0] if rest else ""
    has_comma = behind.lstrip().startswith(",")
    if behind.strip().startswith("]"):
        return [_Edit(end, f", {flow(items)}")]
    margin = " " * last.start_mark.column
    lines = (",\n" + margin).join(flow([item]) for item in items)
    below = _newline(text, f"{margin}{lines}" + ("," if has_comma else ""))
    at = end + len(behind.rstrip("\r"))
    return [_Edit(at, below)] if has_comma else [_Edit(end, ","), _Edit(at, below)]


def _in_mapping(
    text: str, here: MappingNode, empty: Node | None, left: Sequence[str], items: Sequence[Item]
) -> _Edit:
    """Return the keys that are missing on the way to the list, with the list."""
    if here.flow_style:
        inner = f"[{flow(items)}]"
        for key in reversed(left[1:]):
            inner = f"{{{key}: {inner}}}"
        if empty is not None:
            return _Edit(empty.end_mark.index, f" {inner}")
        comma = ", " if here.value else ""
        at = here.value[-1][1].end_mark.index if here.value else here.end_mark.index - 1
        return _Edit(at, f"{comma}{left[0]}: {inner}")
    column = here.start_mark.column
    lines = [] if empty is not None else [" " * column + f"{left[0]}:"]
    for depth, key in enumerate(left[1:], start=1):
        lines.append(" " * (column + 2 * depth) + f"{key}:")
    lines.append(block(items, column + 2 * len(left)))
    at = _line_end_at(text, empty.end_mark.index) if empty is not None else _line_end(text, here)
    return _Edit(at, _newline(text, "\n".join(lines)))


def _newline(text: str, lines: str) -> str:
    """Return lines to put behind a line's end, with the document's line breaks."""
    lines = "\n" + lines
    return lines.replace("\n", "\r\n") if "\r\n" in text else lines


def _line_end(text: str, node: Node) -> int:
    """Return the end of the last line on which a block collection holds something."""
    last = node
    while isinstance(last, (MappingNode, SequenceNode)) and last.value and not last.flow_style:
        child = last.value[-1]
        last = child[1] if isinstance(last, MappingNode) else child
    end = last.end_mark.index
    return _line_end_at(text, len(text[:end].rstrip()))


def _line_end_at(text: str, index: int) -> int:
    """Return where the line ends that holds a place, before its line break."""
    rest = re.match(r"[^\r\n]*", text[index:])
    return index + (len(rest[0]) if rest else 0)


def block(items: Iterable[Item], indent: int = 0) -> str:
    """Return a block list of mappings, one key a line; `indent` is the column of its dashes."""
    margin = " " * indent
    lines = []
    for item in items:
        for number, (key, value) in enumerate(item.items()):
            written = scalar(value) if isinstance(value, str) else _quoted_list(value)
            lines.append(f"{margin}{'  ' if number else '- '}{key}: {written}")
    return "\n".join(lines)


def flow(items: Iterable[Item]) -> str:
    """Return mappings as they stand between the brackets of a flow list."""
    return ", ".join("{" + ", ".join(_flow_pairs(item)) + "}" for item in items)


def _flow_pairs(item: Item) -> Iterable[str]:
    for key, value in item.items():
        if not isinstance(value, str):
            yield f"{key}: {_quoted_list(value)}"
        else:
            plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*(?<! )", value) and _reads_back(value)
            yield f"{key}: {value if plain else _quoted(value)}"


def _quoted_list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def scalar(text: str) -> str:
    """Return a text as a value on one line: plain where it is read back as it is, else in double quotes."""
    if text and "\n" not in text and _reads_back(text):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    # What JSON writes, YAML reads; beyond ASCII it needs no escapes but for what no file can hold.
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _reads_back(text: str) -> bool:
    try:
        return parse(f"text: {text}\n", Path("text")).data == {"text": text}
    except RecipeError:
        return False


def listed(items: Sequence[Item]) -> str:
    """Return a document that is a list under `categories`."""
    return f"categories:\n{block(items, 2)}" if items else "categories: []"
