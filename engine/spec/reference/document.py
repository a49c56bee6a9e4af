"""docs/recipe.md, every key of a recipe, from its JSON Schema.

    python -m engine.spec.reference.document

writes it anew; `pada schema > schemas/recipe.schema.json` goes first where a key has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from engine.spec.package_data import shipped
from engine.spec.reference.shapes import Schema, Shapes, children, default_of, example_of, type_of
from engine.spec.reference.whole import as_whole

PAGE = Path(__file__).parents[3] / "docs" / "recipe.md"
EXAMPLES = Path(__file__).with_name("examples.yaml")
_OPENING = """\
# The recipe, key by key

<!-- Written by `python -m engine.spec.reference.document` from schemas/recipe.schema.json; a test fails on drift. -->

Every key that a recipe can have: what it means, what may stand there, what holds when it is left out, and an example.
[README](../README.md#the-recipe-it-ran) shows a whole recipe, `recipes/` holds those that come with the engine, and
`pada validate RECIPE` names every mistake with its place. `pada explain KEY` says what stands here. `${name}` in any
value stands for `vars.name`. What is required may be left out where the recipe [extends](reuse.md) one that has it. An
editor that is told of `schemas/recipe.schema.json` (`pada schema` prints it) completes keys as you type
([authoring-help.md](authoring-help.md#editors)). Where no largest whole number is said, it is 2147483647, the largest
that the store takes.
"""


def page() -> str:
    """Return docs/recipe.md.

    Raises:
        ValueError: a key has no example.
    """
    schema = as_whole(json.loads((shipped("schemas") / "recipe.schema.json").read_text("utf-8")))
    shapes = Shapes(schema["$defs"])
    examples = yaml.safe_load(EXAMPLES.read_text("utf-8"))
    lines = [_OPENING]
    lines += ["## The top level", "", *_table(shapes, "", schema, examples)]
    for paths, part in children(shapes, "", schema):
        lines += _section(shapes, paths, part, examples, 2)
    return "\n".join(lines).rstrip() + "\n"


def _section(
    shapes: Shapes, paths: Sequence[str], part: Schema, examples: Mapping[str, Any], depth: int
) -> Iterator[str]:
    """Yield the section of one mapping, which may stand under several keys, and those below it."""
    path = paths[0]
    yield f"{'#' * min(depth, 4)} {', '.join(paths)}"
    yield ""
    if paths[0] == "models.student":
        yield from _models(shapes, paths, examples)
        return
    whole = shapes.whole(part)
    if whole.get("description"):
        yield _text(whole["description"])
        yield ""
    branches = shapes.branches(whole)
    if len(branches) > 1:
        yield from _branched(shapes, path, branches, examples)
        below = branches[0]
    else:
        below = branches[0]
        yield from _table(shapes, path, below, examples)
    if len(branches) > 1:
        below = {"properties": {k: p for b in branches for k, p in b["properties"].items()}}
    for names, child in children(shapes, path, below):
        # Parameters stand in the branches' own table.
        if len(branches) == 1 or names[0] != f"{path}.params":
            yield from _section(shapes, names, child, examples, depth + 1)


def _branched(
    shapes: Shapes, path: str, branches: Sequence[Schema], examples: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what all branches share, then what each adds: kinds of tasks, operators, metrics, clusterers."""
    key = next(k for k, part in branches[0]["properties"].items() if "const" in part)
    named = [b for b in branches if "const" in b["properties"][key]]
    shared = {
        name: part
        for name, part in branches[0]["properties"].items()
        if not shapes.varies(branches, name)
    }
    choices = [b["properties"][key]["const"] for b in named]
    own = [b for b in branches if b not in named]
    first = {"enum": choices, "description": f"Which {_WHICH.get(path, key)}; the table below."}
    for branch in named:
        if "default" in branch["properties"][key]:
            first["default"] = branch["properties"][key]["default"]
    if own:
        first["description"] = f"One of {', '.join(f'`{c}`' for c in choices)}, or one of your own."
        first["type"] = "string"
        del first["enum"]
        shared |= {
            k: p for b in own for k, p in b["properties"].items() if k not in (key, "params")
        }
    needed = [k for k in shared if all(k in b.get("required", []) for b in branches)]
    if "default" not in first:
        needed.append(key)
    whole = {"properties": {key: first, **shared}, "required": needed}
    yield from _table(shapes, path, whole, examples)
    yield f"| {key} | what it is | its own keys |"
    yield "|---|---|---|"
    for branch in named:
        about = branch["properties"][key]
        rest = {k: p for k, p in branch["properties"].items() if k not in shared and k != key}
        yield f"| `{about['const']}` | {_cell(about.get('description', ''))} | {_own(shapes, path, rest, examples)} |"
    yield ""


_WHICH = {"task": "kind of task", "metrics": "metric", "augment.operators": "operator"}


def _own(
    shapes: Shapes, path: str, parts: Mapping[str, Schema], examples: Mapping[str, Any]
) -> str:
    """Return a branch's own keys in one cell."""
    said = []
    for name, part in parts.items():
        whole = shapes.whole(part)
        if name == "params":
            inner = whole.get("properties", {})
            needed = set(whole.get("required", []))
            said += [
                _brief(
                    shapes, f"{path}.params.{key}", f"params.{key}", each, key in needed, examples
                )
                for key, each in inner.items()
            ]
        else:
            said.append(_brief(shapes, f"{path}.{name}", name, part, False, examples))
    return "<br>".join(said) or "–"


def _brief(
    shapes: Shapes, path: str, shown: str, part: Schema, needed: bool, examples: Mapping[str, Any]
) -> str:
    default = "required" if needed else f"default {default_of(shapes, part)}"
    example = example_of(shapes, path, part, examples)
    more = "" if example is None else f"; `{_yaml(path, example)}`"
    about = _cell(part.get("description", "")).rstrip(".")
    return f"`{shown}` ({_cell(type_of(shapes, part))}, {default}{more}): {about}."


def _models(shapes: Shapes, roles: Sequence[str], examples: Mapping[str, Any]) -> Iterator[str]:
    """Yield what every model takes, and what each backend adds; each says for which roles where not for all."""
    branches = {
        (role, branch["properties"]["backend"]["const"]): branch
        for role in roles
        for branch in shapes.branches(shapes.of_role(role))
    }
    yield "A model, and who computes or serves it. [docs/backends.md](backends.md) says what each backend does."
    yield ""
    backends = list(dict.fromkeys(backend for _, backend in branches))
    whole = {
        key
        for role in roles
        for key in set.intersection(
            *(set(b["properties"]) for (of, _), b in branches.items() if of == role)
        )
        if role != "models.embedder" or key in ("backend", "model")
    }
    first = branches["models.student", backends[0]]["properties"]
    rows: dict[str, Schema] = {
        "backend": {**first["backend"], "enum": backends},
        "model": first["model"],
    }
    del rows["backend"]["const"]
    for branch in branches.values():
        rows |= {k: p for k, p in branch["properties"].items() if k in whole and k not in rows}
    marked = {
        key: _for_roles(
            part, {of for (of, _), b in branches.items() if key in b["properties"]}, roles
        )
        for key, part in rows.items()
    }
    table = {"properties": marked, "required": ["backend", "model"]}
    yield from _table(shapes, "models", table, examples)
    below: dict[str, Schema] = {}
    written: dict[str, str] = {}
    for backend in backends:
        of = [role for role in roles if (role, backend) in branches]
        found: dict[str, Schema] = {}
        holders: dict[str, set[str]] = {}
        for role in of:
            for key, part in branches[role, backend]["properties"].items():
                if key not in rows:
                    found.setdefault(key, part)
                    holders.setdefault(key, set()).add(role)
        about = branches[of[0], backend].get("description", "")
        yield f"#### models: {backend}"
        yield ""
        yield f"{_text(about)} For: {_roles(of)}.".strip()
        yield ""
        marked = {key: _for_roles(part, holders[key], of) for key, part in found.items()}
        needed = branches[of[0], backend].get("required", [])
        table = {"properties": marked, "required": needed}
        same = written.setdefault(json.dumps(table), backend)
        if same == backend:
            yield from _table(shapes, "models", table, examples)
        else:
            yield f"Its keys are those of [{same}](#{_anchor(f'models: {same}')})."
            yield ""
        for names, child in children(shapes, "models", {"properties": found}):
            below.setdefault(names[0], child)
    for name, child in below.items():
        yield from _section(shapes, [name], child, examples, 4)


def _for_roles(part: Schema, holders: set[str], of: Sequence[str]) -> Schema:
    if holders == set(of):
        return part
    only = f"({_roles([role for role in of if role in holders])}) "
    return {**part, "description": only + part.get("description", "")}


def _roles(roles: Sequence[str]) -> str:
    return ", ".join(role.rpartition(".")[2] for role in roles)


def _table(shapes: Shapes, path: str, part: Schema, examples: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of a mapping's keys; nothing where it has none."""
    if not part["properties"]:
        return
    headings = {
        name: ", ".join(names)
        for names, _ in children(shapes, path, part)
        for name in (each.rpartition(".")[2] for each in names)
    }
    yield "| key | what may stand there | default | example | meaning |"
    yield "|---|---|---|---|---|"
    for key, schema in part["properties"].items():
        whole = f"{path}.{key}" if path else key
        kind = _cell(type_of(shapes, schema))
        if key in headings:
            kind = f"[{kind}](#{_anchor(headings[key])})"
        default = "required" if key in part.get("required", []) else default_of(shapes, schema)
        example = example_of(shapes, whole, schema, examples)
        shown = "" if example is None else f"`{_yaml(whole, example)}`"
        about = schema.get("description") or shapes.whole(schema).get("description", "")
        yield f"| `{key}` | {kind} | {default} | {shown} | {_cell(about)} |"
    yield ""


def _yaml(path: str, value: Any) -> str:
    """Return a key and its value as one line of YAML."""
    key = path.rpartition(".")[2]
    if isinstance(value, dict | list):
        text = yaml.safe_dump(
            {key: value}, default_flow_style=True, width=1000, allow_unicode=True, sort_keys=False
        )
        return text.strip()[1:-1].replace("|", "\\|")
    text = yaml.safe_dump({key: value}, width=1000, allow_unicode=True)
    return text.strip().replace("|", "\\|")


def _text(description: str) -> str:
    return re.sub(r"\s+", " ", description).strip()


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
