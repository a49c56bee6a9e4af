"""Mutations of texts, bytes and JSON-like trees; the same random numbers make the same ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

DEEP_LIST: Any = []
for _ in range(200):
    DEEP_LIST = [DEEP_LIST]
ODD_TEXTS = (
    "",
    " ",
    "\n",
    "a\tb",
    "\ud800",
    "x\udfff",
    "\U0001f600",
    "é",
    "e\u0301",
    "\u202e",
    "\x00",
    "\x1b[31m",
    "\ufeff",
    "\u2028",
    "[/red]",
    "[bold",
    "[link=x]y",
    "{",
    "}",
    "{{",
    "{{ x",
    "{% for %}",
    "{{ x|nosuch }}",
    "{{ 1/0 }}",
    "{{ x.y.z }}",
    "{% include 'x' %}",
    "{{ " + "(" * 300,
    "{% if a %}" * 150,
    "{{ x is nosuch }}",
    "{% macro m() %}",
    "{{ 'a' ~ }}",
    "%s",
    "%(x)s",
    "$",
    "${",
    "${x}",
    "$${x}",
    "/",
    ".",
    "..",
    "~",
    "~nobody/x",
    "data",
    "data/",
    "//",
    "*",
    "**",
    "[",
    "data/*",
    "a" * 300,
    "a" * 5000,
    "hf://",
    "hf://a",
    "hf://a/b",
    "hf://a/b/c/d",
    "file:///x",
    "http://",
    "http://[::1",
    "http://localhost:99999/v1",
    "http://localhost:-1",
    "https://a b/",
    "http://%zz/",
    "ftp://x",
    "http://user@:80",
    "(",
    "(?P<",
    "[a-",
    "\\",
    "(?i",
    "a{2,1}",
    "'",
    '"',
    "''",
    "--",
    ";",
    "select",
    "SELECT 1",
    "SELECT",
    "SELECT * FROM nosuch",
    "1 +",
    "(" * 950 + "1" + ")" * 950,
    "NOT " * 950 + "true",
    "1" + " + 1" * 950,
    "accuracy",
    "accuracy <",
    "accuracy < 1",
    "text.a.b",
    "x::INT[]",
    "x -> 'a'",
    "$1",
    "?",
    "list_sum([])",
    "CAST('x' AS INT)",
    "error('x')",
    "1/0",
    "NULL",
    "true",
    "'a' < 1",
    "text[1:",
    "lambda x: x",
    "CASE",
    "nan",
    "inf",
    "1e999",
    "0x10",
    "1_000",
    "2024-02-30",
    "-0",
    "٣",
    "null",
    "None",
    "__class__",
    "utf-16",
    "utf-7",
    "idna",
    "undefined",
    "rot13",
    "base64",
    "cp1252",
    "all",
    "none",
    "last",
    "text",
    "kind",
    "target",
    "id",
    "row",
    "output",
    "train",
    "test",
)
"""Texts that mean something to some reader."""
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    99999,
    2**31,
    2**32,
    2**63,
    2**64,
    -(2**63) - 1,
    10**29,
    10**400,
    0.0,
    -0.0,
    0.5,
    1e-300,
    1e308,
    5e-324,
    1.5,
    -1.5,
    [],
    {},
    [[]],
    [None],
    [""],
    {"": ""},
    {"a": None},
    [1, "a", None, {}],
    DEEP_LIST,
    ["text", "text"],
    {"name": "accuracy"},
    {"sql": "1"},
    [{"name": "x"}],
    {"env": "HOME"},
    {"$ref": "#"},
    {"type": "object"},
)
_DEEP = "[" * 900 + "]" * 900
_CUTS = (
    "\n",
    " ",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "#",
    "-",
    "|",
    ">",
    "&a ",
    "*a",
    "!!int ",
    "<<: ",
    "\t",
    "? ",
)

Path = tuple[Any, ...]


def odd(random: Random) -> Any:
    """Return a value that a reader may not expect."""
    return random.choice(ODD_TEXTS) if random.random() < 0.6 else random.choice(ODD_VALUES)


def paths(tree: Any, path: Path = ()) -> list[Path]:
    """Return the place of every value in a tree; not of those that lie very deep."""
    found = [path]
    if len(path) > 12:
        return found
    items: Any = ()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    for key, value in items:
        found += paths(value, (*path, key))
    return found


def mutated(tree: Any, random: Random, additions: Sequence[tuple[Path, Any]] = ()) -> Any:
    """Return a tree with one to four changes; `additions` are values that may be put at a place of it."""
    tree = copy.deepcopy(tree)
    for _ in range(random.choice((1, 1, 1, 1, 2, 3))):
        if additions and random.random() < 0.4:
            path, value = random.choice(additions)
            value = odd(random) if random.random() < 0.4 else copy.deepcopy(value)
            _put(tree, path, value)
        else:
            _change(tree, random)
    return tree


def _change(tree: Any, random: Random) -> None:
    places = [path for path in paths(tree) if path]
    if not places:
        return
    *above, key = random.choice(places)
    holder = tree
    for step in above:
        holder = holder[step]
    way = random.randrange(6)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[random.choice(ODD_TEXTS)] = holder.pop(key)
    elif way == 2:
        holder[key] = [holder[key]] * random.choice((1, 2, 3))
    elif way == 3:
        *others, other = random.choice(places)
        try:
            donor = tree
            for step in others:
                donor = donor[step]
            holder[key] = copy.deepcopy(donor[other])
        except (LookupError, TypeError):
            holder[key] = odd(random)
    else:
        holder[key] = odd(random)


def _put(tree: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        if not isinstance(tree, dict):
            return
        if not isinstance(tree.get(step), dict):
            tree[step] = {}
        tree = tree[step]
    if isinstance(tree, dict):
        tree[path[-1]] = value


def text_of(tree: Any, random: Random) -> str:
    """Return a tree as JSON, which is YAML too, now and then with a part that is nested very deep."""
    text = json.dumps(tree, indent=random.choice((None, 1)))
    if random.random() < 0.02:
        text = text.replace("null", _DEEP, 1)
    return text


def mutated_text(text: str, random: Random) -> str:
    """Return a text with one to three changes of its characters or lines."""
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((1, 1, 2, 5, 20, 80)))
        before, cut, after = text[:at], text[at:end], text[end:]
        text = random.choice(
            (
                before + after,
                before + random.choice(_CUTS) + cut + after,
                before + random.choice(ODD_TEXTS) + cut + after,
                before + cut * 2 + after,
                before,
                before + random.choice(ODD_TEXTS) + after,
            )
        )
    return text


def mutated_bytes(data: bytes, random: Random) -> bytes:
    """Return bytes with some flipped, removed, repeated or cut off."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        if not changed:
            break
        at = random.randrange(len(changed))
        way = random.randrange(6)
        length = random.choice((1, 2, 8, 64, 512))
        if way < 3:
            changed[at] ^= 1 << random.randrange(8)
        elif way == 3:
            del changed[at : at + length]
        elif way == 4:
            changed[at:at] = random.randbytes(min(length, 64))
        else:
            del changed[max(at, 1) :]
    return bytes(changed)


def written(text: str) -> bytes:
    """Return a text in UTF-8; half of a character stays one, which no reader takes."""
    return text.encode("utf-8", "surrogatepass")
