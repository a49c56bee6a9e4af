"""A YAML file as a tree that keeps what people wrote: comments, blank lines, and every scalar letter by letter.

A comment belongs to what it stands above, or beside: so it moves with it. PyYAML's parser says where things stand.
Libraries that keep comments hang them onto what stands *before* them, from where they do not move, and write numbers
and texts anew by other rules than the engine's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.spec.yaml import Document, parse

_COMMENT = re.compile(r"#[^\n\r\x85\u2028\u2029]*")
_HEADER = re.compile(r"([|>])([0-9+-]*)[ \t]*(#.*)?$")


@dataclass
class Text:
    """A scalar as it is written."""

    lines: list[str]
    """One line, or several without their common indentation; of a block scalar the header comes first."""
    style: str
    """`|`, `>`, `'`, `"`, or nothing for a plain one."""
    value: str
    """What it says, before its type is told."""

    @property
    def is_block(self) -> bool:
        """Whether it is a block scalar."""
        return self.style in ("|", ">")


@dataclass
class Entry:
    """A key with its value, or an item of a list."""

    key: Text | None
    """None for an item of a list."""
    value: Text | Branch
    above: list[str] = field(default_factory=list)
    """Comment lines above it, and "" where a blank line stands."""
    beside: str = ""
    """The comment behind it on its line."""

    @property
    def name(self) -> str:
        """The key's text; empty for an item of a list."""
        return self.key.value if self.key else ""


@dataclass
class Branch:
    """A mapping or a list."""

    is_list: bool
    is_flow: bool
    """Whether it is written in brackets."""
    entries: list[Entry]
    below: list[str] = field(default_factory=list)
    """Comment lines behind its last entry."""

    def get(self, name: str) -> Entry | None:
        """Return the entry of a key; None without one."""
        return next((entry for entry in self.entries if entry.name == name), None)


@dataclass
class Tree:
    """A whole file."""

    root: Branch
    head: list[str]
    """Comment lines at the top that are about the file and not about its first key."""
    document: Document
    """What the file says, and where."""
    comments: list[str]
    """All its comments, sorted."""


@dataclass
class _Place:
    """Where an entry stands in the text."""

    start: int
    column: int
    entry: Entry
    value: Node
    inside: list[tuple[Branch, int]]
    """The mappings and lists around it, outermost first, each with the column of its entries."""
    flows: list[int]
    """Starts of the brackets around it, outermost first."""


def read_tree(text: str, path: Path) -> Tree:
    r"""Return a file's tree; raises RecipeError for what the engine does not read.

    Args:
        text: What stands in the file, with `\\n` at the ends of lines.
        path: The file, for messages.
    """
    return _Reader(text).tree(parse(text, path))


def comments_in(text: str) -> list[str]:
    """Return the comments of a document that can be read, as they stand from the first to the last."""
    text = text.replace("\r\n", "\n")
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    reader = _Reader(text)
    if isinstance(root, MappingNode):
        reader.branch(root, [], [], None)
    return [comment for _, comment in reader.comments()]


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.places: list[_Place] = []
        self.spans: list[tuple[int, int]] = []
        """Where scalars stand."""
        self.kept: list[tuple[int, int]] = []
        """Where block scalars stand whose last blank lines belong to them."""
        self.flows: dict[int, tuple[int, Branch, Entry | None]] = {}
        """Start of brackets -> their end, what they hold, and the entry whose value they are."""
        self.within: dict[int, tuple[list[_Place], list[int]]] = {}
        """Start of brackets -> the places directly in them, and where these start."""

    def tree(self, document: Document) -> Tree:
        root_node = yaml.compose(self.text, Loader=yaml.BaseLoader)
        assert isinstance(root_node, MappingNode)
        root = self.branch(root_node, [], [], None)
        self.places.sort(key=lambda place: place.start)
        found = list(self.comments())
        self.attach(root, found)
        return Tree(root, _head(root), document, sorted(comment for _, comment in found))

    # The tree.

    def value(
        self, node: Node, inside: list[tuple[Branch, int]], flows: list[int], owner: Entry | None
    ) -> Text | Branch:
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        return self.branch(node, inside, flows, owner)

    def branch(
        self, node: Node, inside: list[tuple[Branch, int]], flows: list[int], owner: Entry | None
    ) -> Branch:
        assert isinstance(node, MappingNode | SequenceNode)
        is_list, is_flow = isinstance(node, SequenceNode), node.flow_style is True
        branch = Branch(is_list, is_flow, [])
        column = node.start_mark.column
        around = [*inside, (branch, column)]
        if is_flow:
            self.flows[node.start_mark.index] = (node.end_mark.index, branch, owner)
            flows = [*flows, node.start_mark.index]
        for child in node.value:
            key, value = (None, child) if is_list else child
            entry = Entry(None, Text([], "", ""))
            start = value.start_mark.index
            if key is not None:
                entry.key = self.scalar(key)
                start = key.start_mark.index
            elif not is_flow:
                start = self.dash(value, column)
            self.places.append(_Place(start, column, entry, value, around, flows))
            branch.entries.append(entry)
            entry.value = self.value(value, around, flows, entry)
        return branch

    def dash(self, value: Node, column: int) -> int:
        """Return where the `-` of a list's item stands, which may be on a line before its value."""
        for line in range(value.start_mark.line, -1, -1):
            at = self.starts[line] + column
            before = self.text[self.starts[line] : at]
            if self.text[at : at + 1] == "-" and "#" not in before and not before.strip(" -?:"):
                return at
        return value.start_mark.index

    def scalar(self, node: ScalarNode) -> Text:
        start, end = node.start_mark.index, node.end_mark.index
        raw = self.text[start:end]
        self.spans.append((start, end))
        style = node.style or ""
        if style in ("|", ">"):
            return self.block(node, raw)
        first, *rest = raw.split("\n")
        lines = [first.rstrip(" \t"), *(line.strip(" \t") for line in rest)] if rest else [first]
        return Text(lines, style, node.value)

    def block(self, node: ScalarNode, raw: str) -> Text:
        """Return a block scalar: its header without a comment, and its lines without their indentation."""
        head, *lines = raw.split("\n")
        match = _HEADER.match(head)
        assert match is not None
        assert node.style is not None
        chomp = "".join(sign for sign in match[2] if sign in "+-")
        if chomp == "+":
            self.kept.append((node.start_mark.index, node.end_mark.index))
            if lines and lines[-1] == "":
                del lines[-1]
        else:
            while lines and not lines[-1].strip(" "):
                del lines[-1]
        first = next((line for line in lines if line.strip(" ")), "")
        said = next((line for line in node.value.split("\n") if line.strip(" ")), "")
        indent = (len(first) - len(first.lstrip(" "))) - (len(said) - len(said.lstrip(" ")))
        body = [line[indent:] for line in lines]
        # Where the first line itself begins with spaces, nothing else tells how far it is indented.
        begins = next((line for line in body if line.strip(" ")), "")
        longer = any(len(line) for line in body[: body.index(begins)]) if begins else False
        sign = "2" if begins.startswith(" ") or longer else ""
        return Text([f"{node.style}{sign}{chomp}", *body], node.style, node.value)

    # Comments.

    def attach(self, root: Branch, found: list[tuple[int, str]]) -> None:
        """Give each comment and blank line to the entry to which it belongs."""
        outside = [place for place in self.places if not place.flows]
        around = _Brackets(self.flows)
        events: list[tuple[int, str | None, _Place | None]] = [
            *((place.start, None, place) for place in outside),
            *((index, text, None) for index, text in found),
        ]
        passed = 0
        for index, text, place in sorted(events, key=lambda event: event[0]):
            if place is not None:
                passed += 1
                if self.first_on_line(index) and self.after_blank(index):
                    place.entry.above.append("")
            elif text is not None:
                start = around.innermost(index)
                if start is not None:
                    self.in_brackets(start, index, text)
                else:
                    last = outside[passed - 1] if passed else None
                    following = outside[passed] if passed < len(outside) else None
                    self.comment(index, text, last, following, root)

    def comments(self) -> Iterator[tuple[int, str]]:
        """Yield where each comment begins, and its text."""
        at = 0
        for start, end in [*sorted(self.spans), (len(self.text), len(self.text))]:
            for match in _COMMENT.finditer(self.text, at, max(at, start)):
                yield match.start(), match[0].rstrip()
            head = self.text[start:end].split("\n", 1)[0]
            behind = _HEADER.match(head)
            if behind and behind[3]:
                yield start + behind.start(3), behind[3].rstrip()
            at = max(at, end)

    def comment(
        self, index: int, text: str, last: _Place | None, following: _Place | None, root: Branch
    ) -> None:
        """Give a comment that is in no brackets to the entry before it or behind it."""
        own_line = self.first_on_line(index)
        lines = ["", text] if own_line and self.after_blank(index) else [text]
        if not own_line and last is not None:
            if last.entry.beside:
                last.entry.above.append(last.entry.beside)
            last.entry.beside = text
            return
        if last is not None and not _is_block(last.value) and index < last.value.start_mark.index:
            last.entry.above += lines
            return
        column = index - self.text.rfind("\n", 0, index) - 1
        least = following.column if following else -1
        if last is not None and (following is None or following.column < last.column):
            for branch, at in reversed(last.inside):
                if least < at <= column:
                    branch.below += lines
                    return
        if following is not None:
            following.entry.above += lines
        else:
            root.below += lines

    def in_brackets(self, start: int, index: int, text: str) -> None:
        """Give a comment between brackets to an entry there; the brackets become lines then."""
        _, branch, owner = self.flows[start]
        if start not in self.within:
            inner = [place for place in self.places if place.flows and place.flows[-1] == start]
            self.within[start] = (inner, [place.start for place in inner])
        inner, starts = self.within[start]
        behind = bisect_right(starts, index)
        if self.first_on_line(index):
            (inner[behind].entry.above if behind < len(inner) else branch.below).append(text)
            return
        entry = inner[behind - 1].entry if behind else owner
        if entry is None:
            branch.below.append(text)
            return
        if entry.beside:
            entry.above.append(entry.beside)
        entry.beside = text

    def first_on_line(self, index: int) -> bool:
        return not self.text[self.text.rfind("\n", 0, index) + 1 : index].strip(" \t")

    def after_blank(self, index: int) -> bool:
        """Return whether the line before a place is blank, and no part of a text."""
        line = self.text.rfind("\n", 0, index)
        if line < 0:
            return False
        before = self.text[self.text.rfind("\n", 0, line) + 1 : line]
        if before.strip():
            return False
        number = bisect_right(self.kept, (line, 0)) - 1
        return number < 0 or line >= self.kept[number][1]


class _Brackets:
    """Finds the brackets around a place; they are nested or apart, and never cross."""

    def __init__(self, flows: Mapping[int, tuple[int, Branch, Entry | None]]) -> None:
        self.starts = sorted(flows)
        self.ends = [flows[start][0] for start in self.starts]
        self.around: list[int] = []
        open_ones: list[int] = []
        for number, start in enumerate(self.starts):
            while open_ones and self.ends[open_ones[-1]] <= start:
                open_ones.pop()
            self.around.append(open_ones[-1] if open_ones else -1)
            open_ones.append(number)

    def innermost(self, index: int) -> int | None:
        """Return the start of the innermost brackets around a place; None without any."""
        number = bisect_right(self.starts, index) - 1
        while number >= 0 and self.ends[number] <= index:
            number = self.around[number]
        return self.starts[number] if number >= 0 else None


def _is_block(node: Node) -> bool:
    """Return whether a value is a mapping or a list in lines of its own."""
    return isinstance(node, MappingNode | SequenceNode) and node.flow_style is not True


def _head(root: Branch) -> list[str]:
    """Take the comments that are about the file from its first entry: all, or those above the last blank line."""
    if not root.entries:
        return []
    above = root.entries[0].above
    while above and not above[0]:
        del above[0]
    last = max((n for n, line in enumerate(above) if not line), default=len(above))
    head, root.entries[0].above = above[:last], [line for line in above[last:] if line]
    return [*head, ""] if head and last < len(above) else head
