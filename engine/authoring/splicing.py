"""Where in a YAML text a change goes: PyYAML says where things stand, and what is around it how to write there.

Knows no schema, and does not look at what the result says: `authoring.editing` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from engine.authoring.tree import Text
from engine.authoring.writing import in_brackets, key_text, value_lines
from engine.spec.extending.merging import ADDS
from engine.spec.yaml import KeyPath

_COLON = re.compile(r"[ \t]*:")
_BLOCK_HEADER = re.compile(r"[|>][0-9+-]*")


class Refused(Exception):
    """A place is written in a form into which the change does not go."""


Places = Callable[[KeyPath], Mapping[str, int]]
"""The order of the keys in the mapping at a path."""


def spliced(text: str, path: KeyPath, op: str, value: Any, places: Places) -> str:
    """Return a text with one change (`authoring.editing.Edit`); raises Refused.

    Args:
        text: A document that can be read.
        path: Where.
        op: What is done.
        value: With what; for `write` the scalar as it is to stand there.
        places: In which order keys stand.
    """
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    if root is None or not path:
        raise Refused
    work = _Work(text)
    if op in ("set", "write"):
        return work.put(root, path, Text([value], "", value) if op == "write" else value, places)
    found = _found(root, path[:-1])
    holder, last = found[-1], path[-1]
    if op == "insert":
        if len(found) < len(path) or not isinstance(holder, SequenceNode):
            return work.put(root, path[:-1], [value], places)
        assert isinstance(last, int)
        return work.insert_item(holder, last, value)
    if len(found) < len(path):
        raise Refused
    if op == "remove":
        return work.remove(holder, last, path)
    if op == "swap":
        assert isinstance(last, int)
        return work.swap(holder, last)
    key = _entry(holder, last)[0]
    if key is None:
        raise Refused
    name = key_text(value, flow=_is_flow(holder))
    return work.replaced(key.start_mark.index, key.end_mark.index, name)


def _found(root: Node, path: KeyPath) -> list[Node]:
    """Return the nodes on a way, the root first, as far as they are there."""
    nodes = [root]
    for part in path:
        try:
            nodes.append(_entry(nodes[-1], part)[1])
        except Refused:
            break
    return nodes


def _entry(node: Node, part: str | int) -> tuple[Node | None, Node]:
    """Return the key and the value of an entry; raises Refused where there is none."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key, value
    elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    raise Refused


def _is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None and node.value in ("", "null", "~")


def _is_flow(node: Node) -> bool:
    """Return whether a mapping or a list stands between brackets."""
    return isinstance(node, CollectionNode) and node.flow_style is True


def _is_open(node: Node) -> bool:
    """Return whether a mapping or a list stands in lines of its own."""
    return isinstance(node, CollectionNode) and node.flow_style is not True


class _Work:
    """A text, and what is asked of it again and again."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"

    # Places.

    def end(self, node: Node) -> int:
        """Return where what a node says ends, without the comments and blank lines behind it."""
        if isinstance(node, MappingNode | SequenceNode) and not _is_flow(node) and node.value:
            last = node.value[-1]
            return self.end(last[1] if isinstance(node, MappingNode) else last)
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            header = _BLOCK_HEADER.match(self.text, start)
            raw = self.text[start:end]
            kept = header is not None and "+" in header[0]
            return start + len(raw.removesuffix("\n").removesuffix("\r") if kept else raw.rstrip())
        return end

    def line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """Return where a line ends, before its break."""
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        return end - 1 if end > at and self.text[end - 1] == "\r" else end

    def is_first(self, at: int) -> bool:
        """Return whether nothing stands before a place on its line."""
        return not self.text[self.line_start(at) : at].strip(" \t")

    def colon(self, key: Node) -> int:
        """Return where the colon behind a key ends."""
        found = _COLON.match(self.text, key.end_mark.index)
        if found is None:
            raise Refused
        return found.end()

    def dash(self, holder: Node, item: Node) -> int:
        """Return where the dash of an item in a block list stands."""
        column = holder.start_mark.column
        at = item.start_mark.index
        while True:
            start = self.line_start(at)
            before = self.text[start : start + column]
            if self.text[start + column : start + column + 1] == "-" and not before.strip(" -?:"):
                return start + column
            if start == 0 or start <= holder.start_mark.index - column:
                raise Refused
            at = start - 1

    # Changes.

    def replaced(self, start: int, end: int, by: str) -> str:
        return self.text[:start] + by + self.text[end:]

    def joined(self, lines: list[str], column: int) -> str:
        """Return lines, the first of them at a column; the others have their margins."""
        return self.newline.join([" " * column + lines[0], *lines[1:]])

    def put(self, root: Node, path: KeyPath, value: Any, places: Places) -> str:
        nodes = _found(root, path)
        if len(nodes) > len(path):
            return self.replace(nodes[-2], path[-1], value)
        at = len(nodes) - 1
        for part in reversed(path[at + 1 :]):
            value = [value] if isinstance(part, int) else {part: value}
        holder, part = nodes[-1], path[at]
        if isinstance(holder, MappingNode) and isinstance(part, str):
            return self.add(nodes, part, value, places(path[:at]), path[:at])
        if isinstance(holder, SequenceNode) and part == len(holder.value):
            return self.insert_item(holder, len(holder.value), value)
        if _is_nothing(holder) and at > 0:
            wrapped = [value] if isinstance(part, int) else {part: value}
            return self.replace(nodes[-2], path[at - 1], wrapped)
        raise Refused

    def replace(self, holder: Node, part: str | int, value: Any) -> str:
        """Return the text with another value of an entry."""
        key, old = _entry(holder, part)
        start, end = old.start_mark.index, self.end(old)
        if _is_flow(holder):
            by = in_brackets(value)
            if start < end:
                return self.replaced(start, end, by)
            assert key is not None
            colon = _COLON.match(self.text, key.end_mark.index)
            after = colon.end() if colon else key.end_mark.index
            return self.replaced(after, after, f" {by}" if colon else f": {by}")
        if key is not None:
            behind, column, lead = self.colon(key), holder.start_mark.column, "key:"
        else:
            dash = self.dash(holder, old)
            behind, column, lead = dash + 1, holder.start_mark.column, "-"
        if key is not None and (reshaped := self.reshaped(holder, old, value)) is not None:
            return reshaped
        first, *rest = value_lines(lead, value, column)
        first = first[len(lead) :]
        if self.line_end(behind) >= end:
            # It stands on one line, with what is said beside it; how far from the colon stays, too.
            if first and start > behind:
                behind, first = start, first.removeprefix(" ")
            return self._behind(behind, end, first, rest)
        if isinstance(old, ScalarNode) and old.style in ("|", ">"):
            header = _BLOCK_HEADER.match(self.text, start)
            assert header is not None
            cut = _Work(self.replaced(self.line_end(start), end, ""))
            return cut._behind(behind, header.end(), first, rest)
        if _is_open(old) and key is not None:
            # A comment behind the key stays there, those among the old lines go with them.
            cut = _Work(self.replaced(self.line_end(behind), end, ""))
            return cut._behind(behind, behind, first, rest)
        return self.replaced(behind, end, self.newline.join([first, *rest]))

    def reshaped(self, holder: Node, old: Node, value: Any) -> str | None:
        """Return the text with the items of a list as names, or names as items, with the comments among them.

        None where the change is another one, or where an entry takes more than a line.
        """
        wanted = dict if isinstance(old, SequenceNode) else list
        if not _is_open(old) or not isinstance(value, wanted):
            return None
        entries = list(self.spans(old))
        said = [node.value for node, _, _ in entries]
        is_list = isinstance(old, SequenceNode)
        values = [] if is_list else [each for _, each in old.value]
        if not said or list(value) != said:
            return None
        if not all(isinstance(each, ScalarNode) for each in [*values, *(n for n, _, _ in entries)]):
            return None
        at = from_ = self.line_start(entries[0][1])
        written = ""
        for name, (node, start, end) in zip(said, entries, strict=True):
            lead, new = (f"{key_text(name)}:", value[name]) if is_list else ("-", name)
            end = end if is_list else max(end, self.colon(node))
            lines = value_lines(lead, new, 0)
            if len(lines) > 1 or "\n" in self.text[start:end]:
                return None
            written += self.text[at:start] + lines[0]
            at = end
        written += self.text[at : self.line_end(at)]
        if is_list and old.start_mark.column <= holder.start_mark.column:
            # Items may stand as far left as their key, names may not.
            written = "\n".join(
                f"  {line}" if line.strip() else line for line in written.split("\n")
            )
        return self.replaced(from_, self.line_end(at), written)

    def _behind(self, start: int, end: int, first: str, rest: list[str]) -> str:
        """Return the text with the rest of a line replaced up to its comment, and lines below it."""
        line_end = self.line_end(end)
        below = "".join(self.newline + line for line in rest)
        return self.text[:start] + first + self.text[end:line_end] + below + self.text[line_end:]

    def add(
        self, nodes: list[Node], name: str, value: Any, places: Mapping[str, int], path: KeyPath
    ) -> str:
        """Return the text with a key more in a mapping: behind the one that comes before it in the documentation."""
        holder = nodes[-1]
        assert isinstance(holder, MappingNode)
        before = _before(holder, name, places)
        if _is_flow(holder):
            entry = f"{key_text(name, flow=True)}: {in_brackets(value)}"
            if before is not None:
                at = self.flow_end(before)
                return self.replaced(at, at, f", {entry}")
            at = holder.start_mark.index + 1
            return self.replaced(at, at, f"{entry}, " if holder.value else entry)
        column = holder.start_mark.column
        lines = value_lines(f"{key_text(name)}:", value, column)
        if before is None and not path:
            at = holder.start_mark.index
            return self.replaced(at, at, self.joined(lines, 0) + self.newline + " " * column)
        if before is None and isinstance(nodes[-2], MappingNode):
            key, _ = _entry(nodes[-2], path[-1])
            assert key is not None
            at = self.line_end(self.colon(key))
        else:
            at = self.line_end(self.end((before or holder.value[0])[1]))
        return self.replaced(at, at, self.newline + self.joined(lines, column))

    def flow_end(self, entry: tuple[Node, Node]) -> int:
        """Return where an entry between brackets ends; one without a value ends with its key."""
        key, value = entry
        if value.start_mark.index < value.end_mark.index:
            return value.end_mark.index
        colon = _COLON.match(self.text, key.end_mark.index)
        return colon.end() if colon else key.end_mark.index

    def insert_item(self, holder: SequenceNode, number: int, value: Any) -> str:
        items = holder.value
        if _is_flow(holder):
            said = in_brackets(value)
            if number:
                at = items[number - 1].end_mark.index
                return self.replaced(at, at, f", {said}")
            at = holder.start_mark.index + 1
            return self.replaced(at, at, f"{said}, " if items else said)
        column = holder.start_mark.column
        lines = value_lines("-", value, column)
        if number == 0:
            at = self.dash(holder, items[0])
            return self.replaced(at, at, self.joined(lines, 0) + self.newline + " " * column)
        at = self.line_end(self.end(items[number - 1]))
        return self.replaced(at, at, self.newline + self.joined(lines, column))

    def remove(self, holder: Node, part: str | int, path: KeyPath) -> str:
        """Return the text without an entry; a comment behind it stays, as one above what comes next."""
        key, value = _entry(holder, part)
        spans = list(self.spans(holder))
        here = next(
            number
            for number, (_, start, _) in enumerate(spans)
            if start
            == (key.start_mark.index if key is not None else self.item_start(holder, value))
        )
        _, start, end = spans[here]
        if _is_flow(holder):
            return self.remove_in_brackets(spans, here)
        if len(spans) == 1:
            if len(path) == 1:
                raise Refused
            empty = "{}" if isinstance(holder, MappingNode) else "[]"
            between = self.text[:start].rstrip()
            # On the line of the key above it, where nothing but white space is between the two.
            return (
                self.replaced(len(between), end, f" {empty}")
                if between.endswith((":", "-"))
                else (self.replaced(start, end, empty))
            )
        if not self.is_first(start):
            # Behind a dash: what comes next takes its place.
            until = spans[here + 1][1]
            return self.replaced(start, end if "#" in self.text[end:until] else until, "")
        line_end = self.line_end(end)
        beside = self.text[end:line_end].strip()
        from_, to = self.line_start(start), line_end
        if beside:
            return self.replaced(start, line_end, beside)
        if to < len(self.text):
            to = self.text.index("\n", to) + 1
        elif from_:
            from_ -= len(self.newline) if self.text[:from_].endswith(self.newline) else 1
        return self.replaced(from_, to, "")

    def remove_in_brackets(self, spans: list[tuple[Node, int, int]], here: int) -> str:
        _, start, end = spans[here]
        if here + 1 < len(spans):
            until = spans[here + 1][1]
            between = self.text[end:until]
            if "#" in between:
                until = end + between.index(",") + 1 if "," in between.split("#")[0] else end
            return self.replaced(start, until, "")
        if here:
            before = spans[here - 1][2]
            if "#" in self.text[before:start]:
                raise Refused
            return self.replaced(before, end, "")
        return self.replaced(start, end, "")

    def item_start(self, holder: Node, item: Node) -> int:
        return item.start_mark.index if _is_flow(holder) else self.dash(holder, item)

    def spans(self, holder: Node) -> Iterator[tuple[Node, int, int]]:
        """Yield each entry of a mapping or a list: its node, where it begins and where it ends."""
        for each in holder.value:
            if isinstance(holder, MappingNode):
                key, value = each
                end = self.flow_end(each) if _is_flow(holder) else self.end(value)
                yield key, key.start_mark.index, max(end, key.end_mark.index)
            else:
                start = self.item_start(holder, each)
                yield each, start, max(self.end(each), start + (0 if _is_flow(holder) else 1))

    def swap(self, holder: Node, number: int) -> str:
        """Return the text with an item and the one behind it exchanged, with the comments behind them."""
        spans = list(self.spans(holder))
        if not isinstance(holder, SequenceNode) or number + 1 >= len(spans):
            raise Refused
        (_, a, a_end), (_, b, b_end) = spans[number], spans[number + 1]
        if not _is_flow(holder):
            a_end, b_end = self.line_end(a_end), self.line_end(b_end)
        text = self.text
        return text[:a] + text[b:b_end] + text[a_end:b] + text[a:a_end] + text[b_end:]


def _before(holder: MappingNode, name: str, places: Mapping[str, int]) -> tuple[Node, Node] | None:
    """Return the entry behind which a key goes; None where it comes first."""
    entries: list[tuple[Node, Node]] = holder.value
    if not entries:
        return None
    mine = places.get(name.removeprefix(ADDS))
    if mine is None:
        return entries[-1]
    known = [
        (place, number)
        for number, (key, _) in enumerate(entries)
        if (place := places.get(str(key.value).removeprefix(ADDS))) is not None and place < mine
    ]
    return entries[max(known)[1]] if known else None
