"""What is known of one key, in words: as its JSON Schema has it, for a terminal or a program."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from engine.errors import EngineError
from engine.spec.reference.keys import KINDS, Key, branch_of, find, mappings, schema_of
from engine.spec.reference.shapes import Shapes, type_of
from engine.spec.reference.texts import own_enums
from engine.spec.reference.unknown import nearest

_PAGES = {
    "recipe": "docs/recipe.md",
    "taxonomy": "docs/taxonomies.md",
    "operator": "docs/operators.md",
    "method": "docs/methods.md",
    "pack": "docs/packs.md",
    "project": "docs/authoring.md",
}
_LABEL = 10
"""Characters of the column that says what stands beside it."""


@dataclass(frozen=True)
class Explained:
    """One key, as people read of it."""

    key: str
    """Its dotted path, with what kind of file it is of where that is no recipe: `operator:rows`."""
    of: str
    """The mapping that has it, where its place takes several: `persona`."""
    title: str
    description: str
    type: str
    required: bool
    default: Any
    values: tuple[tuple[Any, str], ...]
    """What may stand there, where that is one of several, each with its meaning."""
    keys: tuple[tuple[str, str], ...]
    """The keys below it, each with its meaning."""
    example: Any
    page: str
    """Where the documentation says more."""
    has_default: bool

    def record(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "key": self.key,
            "of": self.of,
            "title": self.title,
            "description": self.description,
            "type": self.type,
            "required": self.required,
            "default": self.default,
            "values": [{"value": value, "meaning": meaning} for value, meaning in self.values],
            "keys": [{"key": key, "meaning": meaning} for key, meaning in self.keys],
            "example": self.example,
            "docs": self.page,
        }


def split(key: str) -> tuple[str, str]:
    """Return kind of file and dotted path of `operator:rows`, or of a recipe's `train.epochs`."""
    kind, colon, path = key.partition(":")
    return (kind, path) if colon else ("recipe", key)


def explain(key: str) -> list[Explained]:
    """Return what is known of a key, once per mapping that has it and says something else of it.

    Args:
        key: `augment.operators`, `metrics[].name`, `task.params`; of another file with its kind: `operator:rows`. A
            kind alone (`operator:`), or nothing, is all keys at the top.

    Raises:
        EngineError: there is no such key; the nearest ones are named.
    """
    kind, path = split(key.strip())
    if kind not in KINDS or not schema_of(kind):
        known = ", ".join(f"{each}:" for each in KINDS if schema_of(each))
        raise EngineError(
            f"there is no kind of file '{kind}'", f"write one of {known} before the key"
        )
    if not path:
        return [_explained(kind, one) for one in top(kind)]
    found = find(kind, path)
    while found and "description" not in found[0].schema:
        # A name of the author's own: what is said of all of them is said of what they stand under.
        path = path.rpartition(".")[0]
        found = find(kind, path) if path else []
    if not found:
        near = [f"{_prefix(kind)}{each}" for each in nearest(kind, path or key)]
        hint = (
            f"did you mean {' or '.join(near)}?"
            if near
            else f"`{f'pada explain {_prefix(kind)}'.strip()}` lists the keys"
        )
        raise EngineError(
            f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} has no key '{path or key}'", hint
        )
    if (choice := _choice(kind, found)) is not None:
        return [choice]
    told: dict[str, Explained] = {}
    for one in found:
        explained = _explained(kind, one)
        # What several mappings say alike is said once.
        alike = repr({**explained.record(), "of": ""})
        told[alike] = _also_of(told[alike], explained.of) if alike in told else explained
    only = list(told.values())
    return [replace(only[0], of="")] if len(only) == 1 and len(found) > 1 else only


def top(kind: str) -> Iterator[Key]:
    """Yield the keys at the top of a kind of file."""
    for name in schema_of(kind)["properties"]:
        yield from find(kind, name)


def _choice(kind: str, found: Sequence[Key]) -> Explained | None:
    """Return the key that says which of several mappings stands in a place; None for any other key."""
    names = [key.schema["const"] for key in found if isinstance(key.schema.get("const"), str)]
    if len(names) < 2:
        return None
    above = found[0].path.rpartition(".")[0]
    of_all = _explained(kind, find(kind, above)[0])
    free = next((key for key in found if "const" not in key.schema), None)
    own = " or one of your own" if free else ""
    return replace(
        _explained(kind, free or found[0]),
        of="",
        description=f"Which of these{own}. {free.schema['description'] if free else ''}".strip(),
        type=f"one of the names below{own}",
        values=tuple(pair for pair in of_all.values if pair[0] in names),
    )


def _also_of(explained: Explained, other: str) -> Explained:
    return replace(explained, of=", ".join(name for name in (explained.of, other) if name))


def _prefix(kind: str) -> str:
    return "" if kind == "recipe" else f"{kind}:"


def _explained(kind: str, key: Key) -> Explained:
    shapes = Shapes(schema_of(kind).get("$defs", {}))
    schema: dict[str, Any] = dict(key.schema)
    values = [
        pair
        for enum in _enums(shapes, schema)
        for pair in zip(enum["enum"], enum.get("enumDescriptions", ()), strict=False)
    ]
    owners = list(mappings(shapes, schema))
    named = {name: owner for owner in owners if (name := branch_of(owner))}
    branches = _branch_texts(named)
    if len(branches) > 1:
        values += branches.items()
    return Explained(
        key=f"{_prefix(kind)}{key.path}",
        of=key.branch,
        title=schema.get("title", ""),
        description=schema.get("description", ""),
        type=type_of(shapes, schema).replace("`", ""),
        required=key.required,
        default=schema.get("default"),
        values=tuple({repr(value): (value, said) for value, said in reversed(values)}.values())[
            ::-1
        ],
        keys=tuple(_keys_below(owners, len(branches) > 1).items()),
        example=next(iter(schema.get("examples", ())), None),
        page=_page(kind, key.path, shapes),
        has_default="default" in schema,
    )


def _enums(shapes: Shapes, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from own_enums(schema)
    if "$ref" in schema:
        whole = shapes.whole(schema)
        if "properties" not in whole:
            yield from own_enums(whole)


def _keys_below(owners: Sequence[Mapping[str, Any]], several: bool) -> dict[str, str]:
    """Return the keys of the mappings that may stand in a place, each with its meaning."""
    below: dict[str, str] = {}
    for owner in owners:
        for name, part in owner.get("properties", {}).items():
            first = str(part.get("description", "")).split("\n\n")[0]
            if several and isinstance(part.get("const"), str):
                first = "Which of the above."
            elif several and name == "params":
                first = "Parameters of its own; explain them with its name in the path."
            below.setdefault(name, first)
    return below


def _branch_texts(named: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what each mapping of one place is, by name: as it says itself, or as its name's key does."""
    whole = {
        name: _capital(str(owner.get("description", "")).removeprefix("Settings of "))
        for name, owner in named.items()
    }
    of_name = {
        name: str(part.get("description", ""))
        for name, owner in named.items()
        for part in owner["properties"].values()
        if part.get("const") == name
    }
    # One of the two is the same for all, and says nothing of any.
    return whole if len(set(whole.values())) >= len(set(of_name.values())) else of_name


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _page(kind: str, path: str, shapes: Shapes) -> str:
    page = _PAGES[kind]
    if kind != "recipe":
        return page
    first = path.partition(".")[0]
    has_section = shapes.mapping(schema_of(kind)["properties"][first]) is not None
    return f"{page}#{first if has_section else 'the-top-level'}"


# For a terminal.


def text(found: Sequence[Explained], width: int) -> str:
    """Return what is known of a key as lines of at most `width` characters, but for words that are longer."""
    if len(found) == 1:
        return "\n".join(_whole(found[0], width))
    lines = [f"{found[0].key}: {len(found)} of this name, by what else stands there", ""]
    for each in found:
        lines += [*_brief(each, width), ""]
    return "\n".join(lines).rstrip()


def listed(found: Sequence[Explained], width: int) -> str:
    """Return the keys at the top of a file, one line each."""
    room = max(len(each.key) for each in found)
    return "\n".join(
        f"{each.key:<{room}}  {shortened(each.description, width - room - 2)}" for each in found
    )


def shortened(description: str, room: int) -> str:
    """Return as much of a text as a line has room for."""
    line = " ".join(description.split())
    return line if len(line) <= room else textwrap.shorten(line, room, placeholder=" …")


def _whole(one: Explained, width: int) -> Iterator[str]:
    heading = f"{one.key}{f' ({one.of})' if one.of else ''}{f': {one.title}' if one.title else ''}"
    yield from textwrap.wrap(heading, width, break_on_hyphens=False)
    for paragraph in one.description.split("\n\n"):
        yield ""
        yield from textwrap.wrap(paragraph, width, break_on_hyphens=False)
    yield ""
    yield from _row("type", one.type, width)
    yield from _row("default", _default(one), width)
    yield from _table("values", one.values, width)
    yield from _table("keys", one.keys, width)
    if one.example is not None:
        yield "example"
        name = one.key.rpartition(":")[2].rpartition(".")[2]
        for line in _example(name, one.example, width - 4).splitlines():
            yield f"    {line}"
    yield from _row("more", one.page, width)


def _brief(one: Explained, width: int) -> Iterator[str]:
    yield one.of or "others"
    lead = "    "
    for line in textwrap.wrap(" ".join(one.description.split()), width - 4, break_on_hyphens=False):
        yield f"{lead}{line}"
    for line in (*_row("type", one.type, width - 4), *_row("default", _default(one), width - 4)):
        yield f"{lead}{line}"
    for line in _table("values", one.values, width - 4):
        yield f"{lead}{line}"
    for line in _table("keys", one.keys, width - 4):
        yield f"{lead}{line}"


def _default(one: Explained) -> str:
    if one.required:
        return "none: this key must be there"
    return yaml_of(one.default).strip() if one.has_default else "none"


def _row(label: str, said: str, width: int) -> Iterator[str]:
    lines = textwrap.wrap(said, width - _LABEL, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        yield f"{'' if number else label:<{_LABEL}}{line}"


def _table(label: str, pairs: Sequence[tuple[Any, str]], width: int) -> Iterator[str]:
    if not pairs:
        return
    yield label
    names = [
        (name if isinstance(name, str) else yaml_of(name).strip(), text) for name, text in pairs
    ]
    room = min(max(len(name) for name, _ in names), 22)
    for name, meaning in names:
        lines = textwrap.wrap(
            " ".join(meaning.split()), width - room - 6, break_on_hyphens=False
        ) or [""]
        if len(name) > room:
            yield f"    {name}"
            name = ""
        for number, line in enumerate(lines):
            yield f"    {'' if number else name:<{room}}  {line}".rstrip()


def _example(name: str, value: Any, width: int) -> str:
    """Return a key with its value: on one line where there is room."""
    line = f"{name}: {yaml_of(value).strip()}"
    return line if len(line) <= width and "\n" not in line else yaml_of({name: value}, flow=False)


def yaml_of(value: Any, *, flow: bool = True) -> str:
    """Return a value as YAML, between brackets or in lines of its own."""
    text: str = yaml.safe_dump(
        value,
        allow_unicode=True,
        sort_keys=False,
        width=1000,
        default_flow_style=flow,
    )
    # PyYAML quotes for readers of YAML 1.1, to whom `off` is false.
    return re.sub(r"'(off|on|yes|no)'", r"\1", text.removesuffix("...\n"))
