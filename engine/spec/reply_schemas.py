"""Schemas of replies, looked up as prompts are: the recipe's own before the engine's, a pack's before those for all.

A schema of the recipe's own may ask for more than the engine's (a field for thinking aloud, say); what the engine reads
must stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine import json_text
from engine.bounds import LARGEST, SMALLEST
from engine.errors import Location, Problem, RecipeError, reason_of
from engine.spec.named_files import NOTHING_FURTHER, Further, passed_file
from engine.spec.package_data import is_ours, shipped
from engine.spec.yaml import read_text

Schema = Mapping[str, Any]
"""A JSON Schema."""
_PROSE = {"$schema", "title", "description"}


class SchemaLibrary:
    """Finds the schemas of replies by name."""

    def __init__(self, recipe_dir: Path, more: Further = NOTHING_FURTHER) -> None:
        """Take the recipe's folder, and where schemas are looked for besides."""
        self._recipe_dir, self._more = recipe_dir, more
        self._own, self._ours = recipe_dir / "schemas", shipped("schemas")
        self._loaded: dict[tuple[str, str], Schema] = {}

    def get(self, name: str, pack: str) -> Schema:
        """Return a schema without its prose at the top, which no backend needs.

        Args:
            name: Such as `diagnosis`, for `diagnosis.schema.json`.
            pack: The pack of the model that replies.

        Raises:
            RecipeError: there is none, it cannot be read, or it leaves out what the engine reads.
        """
        if (name, pack) not in self._loaded:
            self._loaded[name, pack] = self._load(name, pack)
        return self._loaded[name, pack]

    def _load(self, name: str, pack: str) -> Schema:
        ours = self._find(self._ours, name, pack)
        own = self.find_own(name, pack)
        if ours is None:
            where = Location.at(self._own / pack / f"{name}.schema.json")
            message = f"the pack '{pack}' has no schema '{name}', and there is none for all packs"
            if own is None:
                hint = f"write schemas/{pack}/{name}.schema.json"
                raise RecipeError([Problem(where, message, hint, code="schema")])
        if own is None:
            assert ours is not None
            return _read(ours)
        schema = _read(own)
        needed = _read(ours) if ours is not None else {}
        problems = [
            Problem(
                Location.at(own),
                f"the schema leaves out '{path}', which the engine reads",
                f"add it, and to `required`; {name} of the engine shows how",
                code="schema",
            )
            for path in _missing(needed, schema)
        ]
        problems += [
            Problem(
                Location.at(own),
                f"the schema lets '{path}' be other than {words}, and the engine stores nothing else",
                f"write it as the engine's {name} does",
                code="schema",
            )
            for path, words in _loosened(needed, schema)
        ]
        if problems:
            raise RecipeError(problems)
        return schema

    def find_own(self, name: str, pack: str) -> Path | None:
        """Return the file of a schema that is the recipe's, of a folder that it looks in, or of a package's pack.

        None where there is none, or only the engine's own. Raises RecipeError for a link that leads out.
        """
        if pack in self._more.packs:
            file = self._more.packs[pack].parent / f"{name}.schema.json"
            if file.is_file():
                return passed_file(file, self._recipe_dir, "schema")
        folders = (self._own, *(folder / "schemas" for folder in self._more.folders))
        found = (self._find(folder, name, pack) for folder in folders)
        return next((file for file in found if file is not None), None)

    def _find(self, folder: Path, name: str, pack: str) -> Path | None:
        for file in (folder / pack / f"{name}.schema.json", folder / f"{name}.schema.json"):
            if file.is_file():
                if not file.resolve().is_relative_to(folder.resolve()):
                    message = f"the schema '{name}' is a link that leaves the schemas folder"
                    hint = "copy the file into the folder"
                    raise RecipeError([Problem(Location.at(file), message, hint, code="schema")])
                return passed_file(file, self._recipe_dir, "schema")
        return None


def _read(file: Path) -> Schema:
    text = read_text(file)
    try:
        # The engine's own are checked by its tests, and not at each start.
        schema = json_text.parse(text) if is_ours(file) else _checked(text)
    except Exception as error:
        from jsonschema import SchemaError

        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        what = error.message if isinstance(error, SchemaError) else reason_of(error)
        message = f"this is not a JSON Schema: {what[:200]}"
        raise RecipeError([Problem(Location.at(file, line, 1), message, code="schema")]) from None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        message, hint = "a reply's schema must be an object", 'write "type": "object"'
        raise RecipeError([Problem(Location.at(file), message, hint, code="schema")])
    return {key: value for key, value in schema.items() if key not in _PROSE}


@lru_cache(maxsize=256)
def _checked(text: str) -> Any:
    """Return what a file holds, checked once per text of it; raises ValueError and SchemaError."""
    from jsonschema import Draft202012Validator

    schema = json_text.parse(text)
    Draft202012Validator.check_schema(schema)
    return schema


def _loosened(needed: Any, schema: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the whole numbers of one schema, with their bounds in words, that another lets be anything else."""
    if not isinstance(needed, Mapping) or not isinstance(schema, Mapping):
        return
    if needed.get("type") == "integer":
        low, high = needed.get("minimum", SMALLEST), needed.get("maximum", LARGEST)
        least, most = (schema.get(key) for key in ("minimum", "maximum"))
        is_within = all(isinstance(bound, int) and low <= bound <= high for bound in (least, most))
        if schema.get("type") != "integer" or not is_within:
            yield path, f"a whole number from {low} to {high}"
    for name, part in (needed.get("properties") or {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield from _loosened(part, (schema.get("properties") or {}).get(name), here)
    yield from _loosened(needed.get("items"), schema.get("items"), f"{path}[]")


def _missing(needed: Any, schema: Any, path: str = "") -> Iterator[str]:
    """Yield what one schema requires of objects and another does not."""
    if not isinstance(needed, Mapping) or not isinstance(schema, Mapping):
        return
    required = schema.get("required", ())
    for name in needed.get("required", ()):
        here = f"{path}.{name}".lstrip(".")
        if name not in required or name not in schema.get("properties", {}):
            yield here
        else:
            yield from _missing(needed["properties"][name], schema["properties"][name], here)
    if "items" in needed:
        yield from _missing(needed["items"], schema.get("items"), f"{path}[]")
