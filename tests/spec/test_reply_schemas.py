"""Schemas of replies: the recipe's own before the engine's, never less than the engine reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecipeError
from engine.spec.package_data import shipped
from engine.spec.reply_schemas import SchemaLibrary, _checked


def ours(pack: str = "small") -> dict[str, Any]:
    return dict(SchemaLibrary(Path("nowhere")).get("diagnosis", pack))


def write(base: Path, schema: object, name: str = "small/diagnosis") -> Path:
    file = base / "schemas" / f"{name}.schema.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = schema if isinstance(schema, str) else json.dumps(schema)
    file.write_text(text, "utf-8")
    return file


def refused(base: Path, name: str = "diagnosis", pack: str = "small") -> str:
    with pytest.raises(RecipeError) as caught:
        SchemaLibrary(base).get(name, pack)
    return str(caught.value).replace(f"{base.as_posix()}/", "")


def test_prose_at_the_top_is_left_out() -> None:
    assert {"$schema", "title", "description"}.isdisjoint(ours())
    assert ours()["type"] == "object"


def test_a_schema_of_ones_own_may_ask_for_more(tmp_path: Path) -> None:
    schema = ours()
    schema["properties"] = {
        "thoughts": {"type": "string", "maxLength": 900},
        **schema["properties"],
    }
    write(tmp_path, schema)
    assert "thoughts" in SchemaLibrary(tmp_path).get("diagnosis", "small")["properties"]


def test_the_packs_own_comes_before_the_one_for_all_packs(tmp_path: Path) -> None:
    for name, pack in (("small/diagnosis", "small"), ("diagnosis", "mine")):
        schema = ours(pack)
        schema["properties"] = {**schema["properties"], f"for_{pack}": {"type": "boolean"}}
        write(tmp_path, schema, name)
    library = SchemaLibrary(tmp_path)
    assert "for_small" in library.get("diagnosis", "small")["properties"]
    assert "for_mine" in library.get("diagnosis", "mine")["properties"]


@pytest.mark.parametrize("where", ["properties", "required"])
def test_what_the_engine_reads_must_stay(tmp_path: Path, where: str) -> None:
    schema = json.loads(json.dumps(ours()))
    if where == "properties":
        del schema["properties"]["scenario"]
    else:
        schema["required"].remove("scenario")
    write(tmp_path, schema)
    assert refused(tmp_path).startswith(
        "schemas/small/diagnosis.schema.json: error: the schema leaves out 'scenario', which the engine reads"
    )


def test_a_file_that_is_no_schema_is_told_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, '{"type": "object",\n "properties": }')
    assert "diagnosis.schema.json:2:1: error: this is not a JSON Schema" in refused(tmp_path)
    write(tmp_path, {"type": "objekt"})
    assert "this is not a JSON Schema" in refused(tmp_path)
    write(tmp_path, {"type": "array"})
    assert "a reply's schema must be an object" in refused(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "recipe"
    file = write(base, ours())
    file.rename(tmp_path / "elsewhere.json")
    file.symlink_to(tmp_path / "elsewhere.json")
    assert "is a link that leaves the schemas folder" in refused(base)


def test_a_pack_without_a_schema_is_told_which_file_to_write(tmp_path: Path) -> None:
    said = refused(tmp_path, "nonsense", "mine")
    assert "the pack 'mine' has no schema 'nonsense', and there is none for all packs" in said
    assert "write schemas/mine/nonsense.schema.json" in said


@pytest.mark.parametrize(
    "file", sorted(shipped("schemas").rglob("*.schema.json")), ids=lambda file: file.name
)
def test_the_engines_own_schemas_are_schemas(file: Path) -> None:
    """They are not checked when a recipe is."""
    assert isinstance(_checked(file.read_text("utf-8")), dict)
