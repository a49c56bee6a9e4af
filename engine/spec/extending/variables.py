"""`${name}` in a recipe: the vars that it declares, the values that a command gives them, and what takes their place.

A text that is a `${name}` and nothing else becomes the value, a number too; within a longer text it is text. `$${`
writes `${`. Where a path begins with a `${name}`, it counts from where the value was written: the current directory for
`--var`, else the folder of that recipe.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import Location, Problem
from engine.registry import did_you_mean
from engine.spec.error_messages import check_part
from engine.spec.extending.places import kind_of
from engine.spec.extending.typed import Value, Var, as_text
from engine.spec.yaml import LARGEST, Document, KeyPath
from engine.system.places import expanded

VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MOST = 10 * LARGEST
"""Characters that all `${…}` of a recipe may stand for together."""


class Variables:
    """Replaces `${name}` in texts and notes what is wrong."""

    def __init__(self, document: Document, overrides: Mapping[str, Value]) -> None:
        """Take a recipe, merged, and the values of a command."""
        self.document, self.overrides = document, overrides
        self.problems: list[Problem] = []
        self.given: set[KeyPath] = set()
        """Paths of the values that begin with a var of the command's."""
        self.used: dict[KeyPath, tuple[str, ...]] = {}
        """Vars of the command in each value."""
        self.starts: dict[KeyPath, Location] = {}
        """Where the var was written with which a path begins."""
        self.unknown: set[Location] = set()
        """Places of values that are not what they will be: a var in them has none, or a wrong one."""
        self.values: dict[str, Value] = {}
        self._written = 0
        declared = document.data.get("vars")
        self._names = declared.keys() if isinstance(declared, dict) else ()
        self._declared: dict[str, Var] = {}
        for name, value in (declared if isinstance(declared, dict) else {}).items():
            self._declare(name, value)
        names = declared if isinstance(declared, dict) else {}
        for name in overrides.keys() - names.keys():
            hint = did_you_mean(name, names) or "this recipe has no vars"
            message = f"no var '{name}' in this recipe (--var {name}=…)"
            self.problems.append(
                Problem(document.at(("vars",), key=True), message, hint, code="var")
            )
        for name, var in self._declared.items():
            self._give(name, var)

    def _declare(self, name: str, value: Any) -> None:
        where = self.document.at(("vars", name))
        if not _NAME.match(name):
            hint = "use letters, digits and _"
            self.problems.append(
                Problem(where, f"'{name}' cannot be the name of a var", hint, code="var")
            )
        if isinstance(value, str) and "${" in value:
            hint = "write the value out, and combine vars where they are used"
            self.problems.append(
                Problem(where, "a var cannot be made of other vars", hint, code="var")
            )
        if isinstance(value, dict):
            if wrong := check_part(Var, value, self.document, ("vars", name)):
                # A default that another recipe says is wrong there.
                at = self.document.at(("vars", name, "default"))
                moved = at.file != where.file
                self.problems += [
                    replace(p, where=at) if moved and p.where == where else p for p in wrong
                ]
            else:
                self._declared[name] = Var.model_validate(value)
        elif isinstance(value, bool | int | float | str):
            self._declared[name] = Var.model_construct(default=value)

    def _give(self, name: str, var: Var) -> None:
        where = self.document.at(("vars", name))
        if name in self.overrides:
            try:
                self.values[name] = var.read(self.overrides[name])
            except ValueError as error:
                message = f"--var {name}={as_text(self.overrides[name])[:60]}: '{name}' {error}"
                self.problems.append(Problem(where, message, self._about(name, var), code="var"))
        elif var.default is not None:
            self.values[name] = var.default
        else:
            message = f"the var '{name}' has no value"
            self.problems.append(Problem(where, message, self._about(name, var), code="no-value"))

    def _about(self, name: str, var: Var) -> str:
        example = as_text(var.choices[0]) if var.choices else "…"
        if not var.choices and var.default is not None:
            example = as_text(var.default)
        hint = f"write --var {name}={example}"
        if len(var.choices) > 1:
            hint += f" (one of {', '.join(map(as_text, var.choices))})"
        return f"{hint}: {var.description}" if var.description else hint

    def replace(self, value: Any, path: KeyPath = ()) -> Any:
        """Return a part of the recipe with the values of its vars."""
        if isinstance(value, dict):
            if path == ("vars",):
                return {name: self._settled(name, each) for name, each in value.items()}
            return {key: self.replace(child, (*path, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [self.replace(child, (*path, index)) for index, child in enumerate(value)]
        return self._replaced(value, path) if isinstance(value, str) and "${" in value else value

    def _settled(self, name: str, declared: Any) -> Any:
        """Return a var with the value that it has in this recipe."""
        if name not in self.values:
            return declared
        value = self.values[name]
        return {**declared, "default": value} if isinstance(declared, dict) else value

    def _replaced(self, text: str, path: KeyPath) -> Value:
        first = VARIABLE.match(text)
        used = [match[2] for match in VARIABLE.finditer(text) if not match[1]]
        if given := tuple(dict.fromkeys(name for name in used if name in self.overrides)):
            self.used[path] = given
        if any(name not in self.values for name in used):
            self.unknown.add(self.document.at(path))
        alone = self.values.get(used[0]) if first and first[0] == text and used else None
        if alone is not None and not isinstance(alone, str):
            return alone
        result = VARIABLE.sub(lambda match: self._text(match, path), text)
        if not first or first[1]:
            return result
        kind = kind_of(path)
        if kind not in ("data", "file", "model", "folder", "json") or "://" in result:
            return result
        if first[2] in self.overrides:
            self.given.add(path)
            return _from_here(result, must_exist=kind == "model")
        if first[2] in self.values:
            declared = (("vars", first[2], "default"), ("vars", first[2]))
            at = next(
                each for each in declared if each in self.document.values or each == declared[1]
            )
            self.starts[path] = self.document.at(at)
        return result

    def _text(self, match: re.Match[str], path: KeyPath) -> str:
        """Return what takes the place of one `${name}` within a text."""
        if match[1]:
            return match[0][1:]
        name = match[2]
        if name not in self._names:
            hint = did_you_mean(name, self.values) or f"declare it: `vars: {{{name}: …}}`"
            where = self.document.at(path)
            self.problems.append(Problem(where, f"there is no var '{name}'", hint, code="var"))
        value = as_text(self.values.get(name, ""))
        if self._written <= _MOST < self._written + len(value):
            message = f"vars stand for more than {_MOST // 1_000_000} million characters"
            hint = "name what is long once, in a file"
            self.problems.append(Problem(self.document.at(path), message, hint, code="size"))
        self._written += len(value)
        if self._written > _MOST:
            return ""
        return self._in_query(value, match, path) if path[-1] == "sql" else value

    def _in_query(self, value: str, match: re.Match[str], path: KeyPath) -> str:
        """Return the start of a file's name in a query, such as `'${data}/x.csv'`, as an absolute path."""
        starts = match.string[: match.start()].endswith("'")
        if (
            not starts
            or match[2] not in self.overrides
            or kind_of(path) != "query"
            or "://" in value
        ):
            return value
        path_text = _from_here(value, must_exist=not match.string[match.end() :].startswith("/"))
        if Path(path_text).is_absolute():
            self.given.add(path)
        return path_text


def _from_here(text: str, must_exist: bool) -> str:
    """Return a path from the command line as an absolute one; a model's name stays a name."""
    absolute = expanded(text).absolute()
    return text if must_exist and not absolute.exists() else os.fspath(absolute)
