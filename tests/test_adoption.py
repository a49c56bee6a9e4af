"""Proposed categories are written into the taxonomy, in the recipe or in its file, and nothing else is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.adoption import Proposal, adopt, id_of
from engine.errors import EngineError, RecipeError
from engine.spec.loader import LoadedRecipe, load
from tests.plan.test_validate import GOOD, write_good

PROPOSED = [
    Proposal("wrong_end", "Wrong end", "The last ${word} decides: always.", 9, "diagnosis"),
    Proposal("numbers", "numbers", "A number is read as text.", 3, "diagnosis"),
    Proposal("rare", "rare", "Seen once.", 1, "diagnosis"),
    Proposal("a_pattern", "A pattern", "Of a cluster.", 12, "pattern"),
]
FILE = """\
# What our readers get wrong.
taxonomy: 1
mode: hybrid   # until all is known
categories:
  - id: reading        # the whole
    description: Something in the text is missed.
  - {id: negation, parent: reading, description: 'A wish is turned down.', examples: [no thanks]}

# The end.
"""
INLINE = '{mode: hybrid, categories: [{id: short_text, where: "length(text) < 20"}]}'


def recipe(folder: Path, taxonomy: str = INLINE) -> LoadedRecipe:
    text = GOOD.replace(INLINE, taxonomy).replace(", patterns: [short_text, other]", "")
    return load(write_good(folder, text))


@pytest.fixture
def shared(tmp_path: Path) -> LoadedRecipe:
    (tmp_path / "taxonomies").mkdir()
    (tmp_path / "taxonomies" / "reading.yaml").write_text(FILE, "utf-8")
    return recipe(tmp_path, "taxonomies/reading.yaml")


def test_what_stands_for_enough_failures_is_written_into_the_shared_file(
    shared: LoadedRecipe,
) -> None:
    before = shared.path.read_bytes()
    adopted = adopt(shared, PROPOSED)
    assert [one.id for one in adopted.categories] == ["wrong_end", "numbers"]
    assert [one.id for one in adopted.too_few] == ["rare"]
    assert adopted.file == (shared.base / "taxonomies" / "reading.yaml").resolve()
    assert adopted.file.read_text("utf-8") == FILE.replace(
        "[no thanks]}\n",
        "[no thanks]}\n"
        '  - id: wrong_end\n    description: "The last ${word} decides: always."\n'
        "  - id: numbers\n    description: A number is read as text.\n",
    )
    assert shared.path.read_bytes() == before
    taxonomy = load(shared.path).recipe.patterns.taxonomy
    assert [c.id for c in taxonomy.categories] == ["reading", "negation", "wrong_end", "numbers"]
    assert [one.id for one in adopt(load(shared.path), PROPOSED).categories] == []


def test_without_a_file_the_recipe_itself_gets_them(tmp_path: Path) -> None:
    loaded = recipe(tmp_path)
    adopted = adopt(loaded, PROPOSED, ["wrong end", "rare"])
    assert adopted.file == loaded.path.resolve()
    lines = loaded.source.splitlines()
    written = loaded.path.read_text("utf-8").splitlines()
    assert [one for one in written if one not in lines] == [
        '  taxonomy: {mode: hybrid, categories: [{id: short_text, where: "length(text) < 20"}, '
        '{id: wrong_end, description: "The last $${word} decides: always."}, '
        '{id: rare, description: "Seen once."}]}'
    ]
    categories = load(loaded.path).recipe.patterns.taxonomy.categories
    assert categories[1].description == "The last ${word} decides: always."


def test_a_recipe_without_a_taxonomy_gets_one(tmp_path: Path) -> None:
    text = GOOD.replace(f"patterns:\n  taxonomy: {INLINE}\n", "").replace(
        ", patterns: [short_text, other]", ""
    )
    loaded = load(write_good(tmp_path, text))
    assert loaded.recipe.patterns.taxonomy.sorting == "open"
    adopt(loaded, PROPOSED)
    again = load(loaded.path).recipe.patterns.taxonomy
    assert again.sorting == "hybrid"
    assert [c.id for c in again.categories] == ["wrong_end", "numbers"]


def test_where_no_diagnosis_proposes_any_those_of_patterns_are_taken(shared: LoadedRecipe) -> None:
    assert [one.id for one in adopt(shared, PROPOSED[3:]).categories] == ["a_pattern"]


def test_a_dry_run_writes_nothing(shared: LoadedRecipe) -> None:
    assert len(adopt(shared, PROPOSED, write=False).categories) == 2
    assert (shared.base / "taxonomies" / "reading.yaml").read_text("utf-8") == FILE


def test_the_file_keeps_its_rights_its_line_breaks_and_its_place_behind_a_link(
    shared: LoadedRecipe,
) -> None:
    link = shared.base / "taxonomies" / "reading.yaml"
    file = shared.base / "elsewhere.yaml"
    link.unlink()
    file.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    os.symlink(file, link)
    adopt(load(shared.path), PROPOSED)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf# What our readers get wrong.\r\n")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert len(load(shared.path).recipe.patterns.taxonomy.categories) == 4


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["wrong_edn"], "no category 'wrong_edn' is proposed"),
        (["Negation"], "the taxonomy has a category 'Negation' already"),
    ],
)
def test_what_is_not_proposed_is_said_and_nothing_is_written(
    shared: LoadedRecipe, names: list[str], said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        adopt(shared, PROPOSED, ["numbers", *names])
    assert (shared.base / "taxonomies" / "reading.yaml").read_text("utf-8") == FILE


def test_an_open_taxonomy_takes_none(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="the taxonomy is open"):
        adopt(recipe(tmp_path, "{mode: open}"), PROPOSED)


def test_a_file_that_cannot_be_written_is_said(
    shared: LoadedRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EngineError, match=r"reading\.yaml cannot be written: No space left"):
        adopt(shared, PROPOSED)
    assert (shared.base / "taxonomies" / "reading.yaml").read_text("utf-8") == FILE


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("Wrong end!", "wrong_end"), ("p-3", "p_3"), ("Größe", "gr_e"), ("…", "category"), ("other", "category"),
        ("x" * 99, "x" * 64),
    ],
)  # fmt: skip
def test_an_id_is_made_of_the_name(name: str, identity: str) -> None:
    assert id_of(name) == identity


def test_the_mode_of_a_file_holds_unless_the_recipe_says_otherwise(shared: LoadedRecipe) -> None:
    assert shared.recipe.patterns.taxonomy.sorting == "hybrid"
    text = shared.path.read_text("utf-8")
    text = text.replace("taxonomies/reading.yaml", "{file: taxonomies/reading.yaml, mode: closed}")
    shared.path.write_text(text, "utf-8")
    again = load(shared.path).recipe.patterns.taxonomy
    assert (again.sorting, len(again.categories)) == ("closed", 2)
    shared.path.write_text(text.replace("mode: closed", "mode: open"), "utf-8")
    assert load(shared.path).recipe.patterns.taxonomy.sorting == "open"


def test_a_tree_knows_its_depths_and_its_parts(shared: LoadedRecipe) -> None:
    taxonomy = shared.recipe.patterns.taxonomy
    assert [taxonomy.depth(category) for category in taxonomy.categories] == [0, 1]
    assert taxonomy.within("reading") == ["reading", "negation"]
    assert taxonomy.within("negation") == ["negation"]


def test_a_file_whose_categories_form_a_circle_is_refused_where_it_does(
    shared: LoadedRecipe,
) -> None:
    file = shared.base / "taxonomies" / "reading.yaml"
    file.write_text(FILE.replace("# the whole", "\n    parent: negation"), "utf-8")
    with pytest.raises(RecipeError) as raised:
        load(shared.path)
    (problem,) = raised.value.problems
    assert problem.where.file.endswith("taxonomies/reading.yaml")
    assert problem.where.line == 6
    assert "part of each other" in problem.message
