"""Strict YAML: plain data plus the position of every key and value.

PyYAML's node graph with the scalar rules of YAML 1.2 (core schema): `no` is text, `1e-3` a number.
What makes files ambiguous is refused: duplicate keys, anchors, aliases, merge keys, tags.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from engine.errors import Location, Problem, RecipeError, boundary, reason_of

KeyPath = tuple[str | int, ...]
"""Keys and indexes from the top of the document to a value."""

_PREFIX = "tag:yaml.org,2002:"
_RULES = (
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
)
_MAX_DEPTH = 50
_MAX_VALUES = 20_000
LARGEST = 1_000_000
"""Bytes of a file that says what is to be done: a recipe, a prompt, an operator, a schema."""
LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""Where PyYAML begins a new line."""


class _Resolver(BaseResolver):
    """Scalar types by the core schema of YAML 1.2."""


for _name, _pattern, _first in _RULES:
    _Resolver.add_implicit_resolver(_PREFIX + _name, re.compile(rf"^(?:{_pattern})$"), _first)


class _Composer(Reader, Scanner, Parser, Composer, _Resolver):
    """Builds the node graph and notes anchors, aliases and tags, which a recipe may not have."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Resolver.__init__(self)
        self.refused: list[tuple[yaml.Mark, str, str]] = []
        self.depth = self.count = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: yaml.Mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            hint = "write the value out where it is needed"
            self.refused.append((mark, f"the alias '*{event.anchor}' is not allowed", hint))
            return ScalarNode(_PREFIX + "null", "", mark, mark)
        if event.anchor is not None:
            hint = f"leave '&{event.anchor}' out and write the value where it is needed"
            self.refused.append((mark, f"the anchor '&{event.anchor}' is not allowed", hint))
            event.anchor = None
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace(_PREFIX, "!!")
            hint = "leave it out: types follow from the value"
            self.refused.append((mark, f"the tag '{tag}' is not allowed", hint))
            event.tag = None
            if isinstance(event, yaml.ScalarEvent):
                event.implicit = (True, False)
        self.depth += 1
        self.count += 1
        if self.count > _MAX_VALUES:
            problem = f"more than {_MAX_VALUES:,} values stand in this file"
            raise ConstructorError(problem=problem, problem_mark=mark)
        if self.depth > _MAX_DEPTH:
            raise ConstructorError(problem=f"nested more than {_MAX_DEPTH} deep", problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


@dataclass(frozen=True)
class Document:
    """A parsed file: its `data`, and where each key and value stands."""

    data: dict[str, Any]
    path: Path
    keys: Mapping[KeyPath, Location] = field(default_factory=dict)
    values: Mapping[KeyPath, Location] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    removed: Mapping[KeyPath, Location] = field(default_factory=dict)
    """Keys that a `null` took away from what a recipe extends, and where it stands."""
    extended: str = ""
    """The recipes that it extends, in words; nothing without any."""

    def at(self, path: KeyPath, key: bool = False) -> Location:
        """Return where the value (or `key`) at `path` stands, or the nearest thing around it."""
        while path:
            first, second = (self.keys, self.values) if key else (self.values, self.keys)
            if location := first.get(path) or second.get(path):
                return location
            path, key = path[:-1], True
        return Location.at(self.path, 1, 1)


def read_bytes(path: Path) -> bytes:
    """Return what is in a file that says what is to be done, and is small therefore.

    Raises:
        RecipeError: it is larger than LARGEST, or no file.
        OSError: it cannot be read.
    """
    # Without waiting: a pipe would hold everything up until somebody writes to it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            message, hint = "this is not a file", "a device or a pipe is not read for a recipe"
            raise RecipeError([Problem(Location.at(path), message, hint, code="size")])
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        message = f"this file is larger than {LARGEST / 1e6:g} MB, the most that is read of one"
        hint = "rows belong into data files; divide what is left"
        raise RecipeError([Problem(Location.at(path), message, hint, code="size")])
    return raw


def read_text(path: Path) -> str:
    """Return the text of a file that says what is to be done; raises RecipeError for one that cannot be read."""

    def refused(reason: str) -> RecipeError:
        message, hint = f"this file cannot be read: {reason}", "check its permissions"
        return RecipeError([Problem(Location.at(path), message, hint, code="file")])

    with boundary(refused):
        raw = read_bytes(path)
    return decode(raw, path)


def decode(raw: bytes, path: Path) -> str:
    """Return the text of a UTF-8 file without its byte order mark; raises RecipeError."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise RecipeError(
            [
                Problem(
                    Location.at(path, line, column),
                    f"this is not UTF-8: the byte 0x{raw[error.start]:02x} does not belong here",
                    "save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)",
                    code="utf8",
                )
            ]
        ) from None


def parse(text: str, path: Path, first: str = "recipe: 1") -> Document:
    """Return the document in `text`; raises RecipeError with all problems found at once.

    Args:
        text: The document.
        path: Its file, for messages.
        first: The line that such a file starts with, for a hint.
    """
    builder = _Builder(path)
    try:
        composer = _Composer(text)
        root = composer.get_single_node()
    except ReaderError as error:
        raise RecipeError([_unreadable(error, text, path)]) from None
    except yaml.MarkedYAMLError as error:
        raise RecipeError([_syntax(error, text, path)]) from None
    except Exception as error:
        # PyYAML hands the number of an escape to `chr` as it is; what else it may raise is about this place too.
        mark = composer.get_mark()
        escape = isinstance(error, ValueError | OverflowError)
        builder.problem(
            mark,
            "this escape stands for no character"
            if escape
            else f"this cannot be read: {reason_of(error)}",
            "the last one is \\U0010FFFF; write the character itself"
            if escape
            else "write it another way",
        )
        raise RecipeError(builder.problems) from None
    for mark, message, hint in composer.refused:
        builder.problem(mark, message, hint, "yaml")
    if root is None or (isinstance(root, ScalarNode) and root.value == ""):
        raise RecipeError(
            [Problem(Location.at(path), "the file is empty", f"start with `{first}`", code="empty")]
        )
    if not isinstance(root, MappingNode):
        builder.problem(
            root.start_mark,
            "the file must be a mapping of keys to values",
            f"start with `{first}`",
        )
        raise RecipeError(builder.problems)
    data = builder.build(root, ())
    if errors := [problem for problem in builder.problems if problem.level == "error"]:
        raise RecipeError(errors)
    return Document(data, path, builder.keys, builder.values, tuple(builder.problems))


def _unreadable(error: ReaderError, text: str, path: Path) -> Problem:
    position = (
        text.find(chr(error.character)) if isinstance(error.character, int) else error.position
    )
    *above, line = LINE_BREAK.split(text[:position])
    return Problem(
        Location.at(path, len(above) + 1, len(line) + 1),
        f"the control character U+{ord(text[position]):04X} is not allowed",
        'delete it, or write it as an escape in double quotes: "\\x1b"',
        code="yaml",
    )


def _syntax(error: yaml.MarkedYAMLError, text: str, path: Path) -> Problem:
    """Reword PyYAML's message where users trip most often."""
    mark = error.problem_mark or error.context_mark
    where = Location.at(path, mark.line + 1, mark.column + 1) if mark else Location.at(path)
    complaint = error.problem or error.context or "this is not YAML"
    if complaint.startswith("more than "):
        hint = "rows belong into data files; divide what is left"
        return Problem(where, complaint, hint, code="size")
    line = LINE_BREAK.split(text)[mark.line] if mark else ""
    if "\\t" in complaint or "\t" in line[: (mark.column + 1 if mark else 0)]:
        return Problem(where, "a tab stands here", "use spaces instead of tabs", code="yaml")
    if "found unexpected end of stream" in complaint and error.context_mark:
        opened = error.context_mark
        where = Location.at(path, opened.line + 1, opened.column + 1)
        return Problem(
            where, "the quote that opens here is never closed", "add the closing quote", code="yaml"
        )
    if "mapping values are not allowed" in complaint:
        hint = (
            "a value that contains ': ' needs quotes, and a nested key an indented line of its own"
        )
        return Problem(where, "a second ':' is not allowed here", hint, code="yaml")
    if "but found another document" in complaint:
        return Problem(
            where,
            "a second document starts here",
            "keep one document per file: remove `---`",
            code="yaml",
        )
    if "'@'" in complaint or "'`'" in complaint or "'%'" in complaint:
        return Problem(
            where,
            f"a value cannot start with {complaint.split(' ')[2]}",
            "put it in quotes",
            code="yaml",
        )
    if "${" in line:
        hint = "inside { } or [ ] a value with ${…} needs quotes"
        return Problem(where, "this is not valid YAML", hint, code="yaml")
    if "but found '-'" in complaint and "mapping" in (error.context or ""):
        message = "a list item (`- …`) stands in one block with keys (`key: …`)"
        return Problem(where, message, "write the whole block in one of the two ways", code="yaml")
    outer = error.context_mark
    since = f" and what opens on line {outer.line + 1}" if outer else ""
    hint = f"check quotes, brackets and indentation here{since}"
    return Problem(where, f"this is not valid YAML: {complaint}", hint, code="yaml")


class _Builder:
    """Turns nodes into plain data, noting positions and problems."""

    def __init__(self, path: Path) -> None:
        # Where the file lies is the same for all of its thousands of places.
        self.file = Location.at(path).file
        self.keys: dict[KeyPath, Location] = {}
        self.values: dict[KeyPath, Location] = {}
        self.problems: list[Problem] = []

    def problem(self, mark: yaml.Mark, message: str, hint: str, code: str = "yaml") -> None:
        self.problems.append(Problem(self.place(mark), message, hint, code=code))

    def place(self, mark: yaml.Mark) -> Location:
        return Location(self.file, mark.line + 1, mark.column + 1)

    def build(self, node: Node, path: KeyPath) -> Any:
        self.values[path] = self.place(node.start_mark)
        if isinstance(node, MappingNode):
            return {key: self.build(value, (*path, key)) for key, value in self.entries(node, path)}
        if isinstance(node, SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self.scalar(node)

    def entries(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Node]]:
        """Yield the keys (as written) and values of a mapping; each key once."""
        seen: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.problem(
                    key.start_mark,
                    "a key must be text, not a list or a mapping",
                    "put the key in quotes",
                )
            elif key.style is None and key.value == "<<":
                hint = "write the merged keys out"
                self.problem(key.start_mark, "the merge key '<<' is not allowed", hint)
            elif (name := self.whole(key)) in seen:
                hint = f"it stands on line {seen[name]} already: keep one of the two"
                self.problem(
                    key.start_mark, f"the key '{name}' is given twice", hint, "duplicate-key"
                )
            else:
                seen[name] = key.start_mark.line + 1
                self.keys[(*path, name)] = self.place(key.start_mark)
                yield name, value

    def whole(self, node: ScalarNode) -> str:
        """Return a scalar's text with each pair of surrogates, as JSON escapes them, as the one character it means."""
        text: str = node.value
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.problem(
                node.start_mark,
                "an escape of half a character stands alone",
                'write the character itself, or both halves: "\\ud83d\\ude00"',
            )
            return ""

    def scalar(self, node: ScalarNode) -> Any:
        text = self.whole(node)
        if node.style == "'" and "\\n" in text:
            self.problems.append(
                Problem(
                    self.place(node.start_mark),
                    "'\\n' in single quotes is a backslash and an n, not a line break",
                    'use double quotes ("…\\n…") for a line break',
                    "warning",
                    "single-quotes",
                )
            )
        if node.style is not None:
            return text
        match node.tag.removeprefix(_PREFIX):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return self.integer(node, text)
            case "float":
                return self.number(node, text)
        return text

    def integer(self, node: ScalarNode, text: str) -> int:
        if len(text) > 30:
            self.problem(
                node.start_mark, "this number is too long", "put it in quotes if it is text"
            )
            return 0
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def number(self, node: ScalarNode, text: str) -> float:
        value = math.nan if text[-1] in "fFnN" else float(text)
        if not math.isfinite(value):
            self.problem(
                node.start_mark,
                f"'{text}' is not a finite number",
                "write a number, or quote it as text",
            )
            return 0.0
        return value
