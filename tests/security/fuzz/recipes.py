"""Mutated recipes and the files that belong to them: operators, prompts, packs, schemas, taxonomies, methods."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.security.fuzz.commands import pada
from tests.security.fuzz.mutations import mutated, mutated_bytes, mutated_text, text_of, written

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "engine/spec/reference/examples.yaml"
SCRIPTED = {
    role: {"backend": "scripted", "model": role}
    for role in ("student", "teacher", "judge", "embedder")
}
_SPLITS = {name: {"path": "rows.jsonl"} for name in ("train", "validation", "test")}
_BASE: dict[str, Any] = {
    "recipe": 1,
    "name": "fuzzed",
    "data": _SPLITS,
    "models": SCRIPTED,
    "augment": {"rows_per_round": 4, "operators": [{"name": "paraphrase"}]},
    "quality": {"judge": "advises", "gates": {"similarity": "off"}},
    "loop": {"rounds": 1},
}
KINDS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "classification": (
        {
            "task": {
                "kind": "classification",
                "input": ["text"],
                "target": "kind",
                "labels": {"a": "A.", "b": "B."},
                "shots": {"n": 1},
                "prompt": "mine.md",
            },
            "metrics": [
                "accuracy",
                {"name": "long_right", "sql": "avg(accuracy) FILTER (length(text) > 3)"},
            ],
            "failure": "accuracy < 1",
            "slices": [{"name": "long", "sql": "length(text) > 5"}],
            "patterns": {
                "taxonomy": {
                    "mode": "hybrid",
                    "categories": [
                        {
                            "id": "negation",
                            "description": "A wish is turned down.",
                            "where": "length(text) < 30",
                        }
                    ],
                }
            },
            "privacy": {"redact": [{"pattern": "[A-Z]{2}[0-9]{6}"}]},
        },
        [
            {"text": f"row {'ab'[n % 2]} number {n}", "kind": "ab"[n % 2], "length": n}
            for n in range(8)
        ],
    ),
    "numeric": (
        {"task": {"kind": "numeric", "input": ["text"], "target": "kind"}},
        [{"text": f"what is {n} and {n}", "kind": f"It is so. #### {2 * n}"} for n in range(6)],
    ),
    "multiple_choice": (
        {
            "task": {
                "kind": "multiple_choice",
                "input": ["text", "choices"],
                "target": "kind",
                "params": {"options": "choices"},
            }
        },
        [
            {"text": f"which one is {n}", "choices": [f"x{n}", "y", "z"], "kind": "A"}
            for n in range(6)
        ],
    ),
    "extraction": (
        {
            "task": {
                "kind": "extraction",
                "input": ["text", "asked"],
                "target": "kind",
                "params": {"context": "text"},
            }
        },
        [
            {"text": f"the cat {n} sat there", "asked": "Who sat?", "kind": f"cat {n}"}
            for n in range(6)
        ],
    ),
    "structured": (
        {
            "task": {
                "kind": "structured",
                "input": ["text"],
                "target": "kind",
                "params": {
                    "json_schema": {
                        "type": "object",
                        "properties": {
                            "city": {"type": "string", "maxLength": 40},
                            "nights": {"type": "integer", "minimum": 0, "maximum": 20},
                            "tags": {"type": "array", "maxItems": 3, "items": {"enum": ["a", "b"]}},
                        },
                        "required": ["city"],
                        "additionalProperties": False,
                    }
                },
            }
        },
        [
            {
                "text": f"book {n} nights in Rome",
                "kind": {"city": "Rome", "nights": n, "tags": ["a"]},
            }
            for n in range(6)
        ],
    ),
    "generation": (
        {
            "task": {"kind": "generation", "input": ["text"], "target": "kind"},
            "metrics": ["rouge1", {"name": "liked", "judge": {"rubric": "It is right."}}],
            "failure": "rouge1 < 0.3",
        },
        [{"text": f"summarise this long text {n}", "kind": f"text {n} in short"} for n in range(6)],
    ),
    "chat": (
        {"task": {"kind": "chat", "input": ["messages"], "target": "kind"}},
        [
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": f"hello {n}"},
                ],
                "kind": f"hello to you, {n}",
            }
            for n in range(6)
        ],
    ),
}
"""Task kind -> what its recipe has besides `_BASE`, and rows."""
_PROMPT = (
    "{# purpose: the task; variables: row #}\n[[system]]\nYou sort texts.\n[[user]]\n{{ row }}\n"
)
_OPERATOR = (ROOT / "engine/operators/paraphrase/operator.yaml").read_text("utf-8")
_FILES: dict[str, str] = {
    "operators/mine/operator.yaml": _OPERATOR.replace("name: paraphrase", "name: mine"),
    "operators/mine/small.md": (ROOT / "engine/operators/paraphrase/small.md").read_text("utf-8"),
    "prompts/small/diagnose.md": (ROOT / "prompts/small/diagnose.md").read_text("utf-8"),
    "prompts/mine.md": _PROMPT,
    "prompts/mypack/pack.yaml": (ROOT / "prompts/small/pack.yaml")
    .read_text("utf-8")
    .replace("name: small", "name: mypack"),
    "schemas/diagnosis.schema.json": (ROOT / "schemas/diagnosis.schema.json").read_text("utf-8"),
    "methods/mine.yaml": (ROOT / "recipes/methods/random.yaml")
    .read_text("utf-8")
    .replace("name: random", "name: mine"),
    "taxonomy.yaml": (ROOT / "recipes/taxonomies/spans.yaml").read_text("utf-8"),
}
_NAMING: dict[str, tuple[tuple[str, ...], Any]] = {
    "operators/mine": (("augment", "operators"), [{"name": "mine"}]),
    "prompts/mypack": (("models", "teacher", "pack"), "mypack"),
    "methods/mine": (("loop", "method"), "mine"),
    "taxonomy": (("patterns", "taxonomy"), "taxonomy.yaml"),
}
"""Beginning of a file's name -> how a recipe names it."""


@cache
def additions() -> list[tuple[tuple[Any, ...], Any]]:
    """Return what a recipe may hold, key by key, as docs/recipe.md shows it."""
    examples: dict[str, Any] = yaml.safe_load(EXAMPLES.read_text("utf-8"))
    found = []
    for name, value in examples.items():
        path = tuple(name.split("."))
        roles = SCRIPTED if path[0] == "models" else {"": None}
        for role in roles:
            found.append((("models", role, *path[1:]) if role else path, value))
    return found


@cache
def shipped() -> list[dict[str, Any]]:
    """Return the recipes that come with the engine, with rows of their own in place of the Hub's."""
    found = []
    for file in sorted((ROOT / "recipes").glob("*/recipe.yaml")):
        tree = yaml.safe_load(file.read_text("utf-8"))
        found.append({**tree, "vars": {**tree.get("vars", {}), "data": "data"}})
    return found


def recipe_of(kind: str) -> dict[str, Any]:
    """Return a recipe without mistakes."""
    return copy.deepcopy({**_BASE, **KINDS[kind][0]})


def write_rows(kind: str, folder: Path) -> None:
    """Write the rows of such a recipe."""
    text = "".join(json.dumps(row) + "\n" for row in KINDS[kind][1])
    (folder / "rows.jsonl").write_text(text, "utf-8")


def attempt(number: int, random: Random, folder: Path) -> str:
    """Check and plan a recipe, itself mutated or one of its files."""
    kind = random.choice([*KINDS, "classification", "classification"])
    tree = random.choice(shipped()) if random.random() < 0.05 else recipe_of(kind)
    write_rows(kind, folder)
    _write(folder, "prompts/mine.md", _PROMPT.encode())
    if random.random() < 0.65:
        (folder / "recipe.yaml").write_bytes(_mutated_recipe(tree, random))
    else:
        (folder / "recipe.yaml").write_text(_with_mutated_file(tree, random, folder), "utf-8")
    if random.random() < 0.2:
        pada("validate", "recipe.yaml")
    # A plan checks all that `validate` does, and goes on from there.
    return f"exit code {pada('plan', 'recipe.yaml')}"


def _write(folder: Path, name: str, data: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def warm(folder: Path) -> None:
    """Plan a recipe of each kind: what that loads and remembers need not be done by each process anew."""
    for kind in KINDS:
        write_rows(kind, folder)
        (folder / "prompts").mkdir(exist_ok=True)
        (folder / "prompts/mine.md").write_text(_PROMPT, "utf-8")
        (folder / "recipe.yaml").write_text(json.dumps(recipe_of(kind)), "utf-8")
        pada("plan", "recipe.yaml", codes={0})


def _mutated_recipe(tree: dict[str, Any], random: Random) -> bytes:
    way = random.random()
    if way < 0.75:
        return written(text_of(mutated(tree, random, additions()), random))
    text = yaml.safe_dump(tree, sort_keys=False)
    if way < 0.95:
        return written(mutated_text(text, random))
    return mutated_bytes(text.encode(), random)


def _with_mutated_file(tree: dict[str, Any], random: Random, folder: Path) -> str:
    """Write a mutated file into the folder; return the recipe that leads to it."""
    name = random.choice([*_FILES])
    text = _FILES[name]
    for beginning, (path, value) in _NAMING.items():
        if name.startswith(beginning):
            holder = tree
            for step in path[:-1]:
                holder = holder.setdefault(step, {})
            holder[path[-1]] = value
            for other in _FILES:
                if other.startswith(beginning):
                    _write(folder, other, _FILES[other].encode())
    way = random.random()
    if way < 0.5 and not name.endswith(".md"):
        data = written(text_of(mutated(yaml.safe_load(text), random), random))
    elif way < 0.93:
        data = written(mutated_text(text, random))
    else:
        data = mutated_bytes(text.encode(), random)
    _write(folder, name, data)
    if random.random() < 0.03:
        (folder / name).unlink()
        (folder / name).mkdir()
    return text_of(tree, random)
