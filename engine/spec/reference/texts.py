"""What a JSON Schema says of each key for people: title, meaning, default, an example, and what each value means.

Meanings are the models' docstrings; examples and what no docstring has are in `examples.yaml` and `meanings.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from engine.spec.reference.shapes import Schema, Shapes, example_of, values_of

EXAMPLES = Path(__file__).with_name("examples.yaml")
MEANINGS = Path(__file__).with_name("meanings.yaml")
_ROLES = {f"models.{role}" for role in ("student", "teacher", "judge", "embedder")}
"""Their keys are explained once for all of them, below `models`."""
_MOST_SHOWN = 3
"""Keys in the example of a mapping that has none of its own."""


def with_texts(
    schema: Schema, kind: str, names: Mapping[str, Mapping[str, str]] | None = None
) -> Schema:
    """Return a schema whose every key, at every depth, has what an editor shows of it.

    Args:
        schema: The schema; it is changed.
        kind: What it is of: recipe, taxonomy, operator, method, pack, project.
        names: Key -> name of a registry that may stand there -> its description.

    Raises:
        ValueError: a key has no example, or a value no meaning.
    """
    _Texts(schema, "" if kind == "recipe" else f"{kind}:", names or {}).visit("", schema)
    return schema


def title_of(key: str) -> str:
    """Return a key in words: `rows_per_round` is "Rows per round"."""
    known: str | None = _meanings()["titles"].get(key)
    words = known or key.replace("_", " ")
    return words[:1].upper() + words[1:]


def value_meanings(
    path: str, values: Sequence[Any], description: str, names: Mapping[str, str]
) -> list[str]:
    """Return what each value of a key means: by its registry, by meanings.yaml, or by the key's docstring.

    Raises:
        ValueError: one has no meaning.
    """
    written = _meanings()["values"].get(path, {})
    said = _in_docstring([str(value) for value in values], description)
    found = []
    for value in values:
        text = names.get(str(value)) or written.get(value) or said.get(str(value))
        if text is None:
            raise ValueError(f"{path}: {value} has no meaning: add one to {MEANINGS.name}")
        found.append(_sentence(text))
    return found


def own_enums(schema: Schema) -> Iterator[Schema]:
    """Yield the lists of allowed values of one key, without those of keys below it."""
    if "enum" in schema:
        yield schema
    for option in schema.get("anyOf", []):
        yield from own_enums(option)
    if isinstance(items := schema.get("items"), dict):
        yield from own_enums(items)
    if (values := values_of(schema)) is not None:
        yield from own_enums(values)


class _Texts:
    """One walk over a schema; parts that several keys have in common are written once, under the first."""

    def __init__(self, schema: Schema, prefix: str, names: Mapping[str, Mapping[str, str]]) -> None:
        self.shapes = Shapes(schema.get("$defs", {}))
        self.prefix = prefix
        self.names = names
        self.examples: Mapping[str, Any] = examples()
        # The parts themselves, so that no other one gets the identity of one that is gone.
        self.done: dict[int, Schema] = {}

    def visit(self, path: str, part: Schema) -> None:
        if id(part) in self.done:
            return
        self.done[id(part)] = part
        if "$ref" in part:
            self.visit(path, self.shapes.parts[part["$ref"].rpartition("/")[2]])
        for option in part.get("anyOf", []):
            self.visit(path, option)
        for below in (part.get("items"), values_of(part)):
            if isinstance(below, dict):
                self.visit(path, below)
        for key, prop in part.get("properties", {}).items():
            if id(prop) in self.done:
                continue
            whole = f"{path}.{key}" if path else f"{self.prefix}{key}"
            # Keys below come first: an example of a mapping is made of theirs.
            role = whole.removeprefix("project:") in _ROLES
            self.visit("models" if role else whole, prop)
            self.finish(whole, key, prop)

    def finish(self, path: str, key: str, prop: Schema) -> None:
        """Write what people read of one key."""
        whole = self.shapes.whole(prop)
        description = prop.get("description") or whole.get("description", "")
        if not description:
            raise ValueError(f"{path} has no docstring")
        texts: Schema = {"title": title_of(key), "description": plain(description)}
        if "default" in prop and not _is_a_default(prop["default"], whole):
            del prop["default"]
        for option in prop.get("anyOf", []):
            if "const" in option:
                # The one word among other values: it has a meaning, as those of a list have.
                option["enum"] = [option.pop("const")]
        names = self.names.get(path, {})
        for part in own_enums(prop):
            part["enumDescriptions"] = value_meanings(path, part["enum"], description, names)
        texts["examples"] = prop.get("examples") or [self.example(path, prop)]
        rest = {name: value for name, value in prop.items() if name not in texts}
        prop.clear()
        prop.update(texts | rest)

    def example(self, path: str, prop: Schema) -> Any:
        if "const" in (whole := self.shapes.whole(prop)):
            return whole["const"]
        mapping = self.shapes.mapping(prop)
        # Parameters are another's in every branch: an example of all would fit one.
        own = mapping is not None and path.endswith(".params")
        value = None if own else example_of(self.shapes, path, prop, self.examples)
        if value is not None:
            return value
        assert mapping is not None
        branch = self.shapes.branches(mapping)[0]
        keys = branch["properties"]
        shown = branch.get("required") or list(keys)[:_MOST_SHOWN]
        return {name: self.example(f"{path}.{name}", keys[name]) for name in shown}


def _is_a_default(value: Any, whole: Schema) -> bool:
    """Return whether a value says what holds when a key is left out: null and "" mean that something else does."""
    if "const" in whole and value != whole["const"]:
        return False
    return (
        value is not None
        and value != ""
        and not (isinstance(value, dict) and "properties" in whole)
    )


def _in_docstring(values: Sequence[str], description: str) -> dict[str, str]:
    """Return the meanings in a text such as `stop: a bad row is an error; drop: it is left out.`."""
    names = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
    head = re.compile(rf"(?<![\w`'])((?:`?(?:{names})`?,\s+)*`?(?:{names})`?):\s+")
    found: dict[str, str] = {}
    for match in head.finditer(description):
        text = re.split(r";|\.(?:\s|$)|\n\n", description[match.end() :], maxsplit=1)[0]
        for name in re.split(r",\s+", match[1]):
            found.setdefault(name.strip("`"), text)
    return found


def plain(text: str) -> str:
    """Return a docstring's text in lines as long as they come; its paragraphs stay."""
    return "\n\n".join(
        re.sub(r"\s+", " ", paragraph).strip() for paragraph in re.split(r"\n\s*\n", text)
    )


def _sentence(text: str) -> str:
    words = re.sub(r"\s+", " ", text).strip()
    # Names such as chrF and vLLM keep their letters.
    first = words.partition(" ")[0]
    begins = words[:1].upper() if first.islower() and first.isalpha() else words[:1]
    return f"{begins}{words[1:].rstrip('.')}."


@cache
def examples() -> Mapping[str, Any]:
    """Return key -> an example of what may stand there."""
    read: dict[str, Any] = yaml.safe_load(EXAMPLES.read_text("utf-8"))
    return read


@cache
def _meanings() -> Mapping[str, Any]:
    read: dict[str, Any] = yaml.safe_load(MEANINGS.read_text("utf-8"))
    return read
