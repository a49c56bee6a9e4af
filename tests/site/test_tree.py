"""What in a tree is something of recipes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.cli.site.validation import Asked, means_tree
from engine.errors import EngineError
from engine.site.tree import extended, is_tree, read_tree
from tests.operators.writing import write_operator
from tests.site.trees import METHOD, PROMPT, TAXONOMY, git, write_recipe, write_tree


def _kinds(root: Path) -> dict[str, str]:
    return {file.path.relative_to(root).as_posix(): file.kind for file in read_tree(root).files}


def test_files_are_told_by_what_they_say_and_where_they_are(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail", "invoices")
    for name, text in {
        "flat.yaml": "# A recipe that is called otherwise.\nrecipe: 1\nname: flat\n",
        "invoices/methods/pada.yaml": METHOD,
        "invoices/methods/broken.yaml": "name: [",
        "invoices/prompts/mine/pack.yaml": "pack: 1\n",
        "invoices/prompts/tasks/mail.md": PROMPT,
        "invoices/prompts/README.md": PROMPT,
        "invoices/prompts/notes.md": "Remember the milk.\n",
        "invoices/schemas/diagnosis.schema.json": "{}",
        "invoices/other.schema.json": "{}",
        "compose.yaml": "services: {web: {image: nginx}}\n",
        "NOTES.md": PROMPT,
        "pada.lock": "lock: 1\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    write_operator(root / "invoices" / "operators")
    assert _kinds(root) == {
        "flat.yaml": "recipe",
        "invoices/recipe.yaml": "recipe",
        "taxonomies/mail.yaml": "taxonomy",
        "invoices/methods/pada.yaml": "method",
        "invoices/methods/broken.yaml": "method",
        "invoices/operators/shorten/operator.yaml": "operator",
        "invoices/prompts/mine/pack.yaml": "pack",
        "invoices/prompts/tasks/mail.md": "prompt",
        "invoices/schemas/diagnosis.schema.json": "schema",
        "pada.yaml": "project",
        "pada.lock": "lock",
    }
    ignored = {path.relative_to(root).as_posix() for path in read_tree(root).ignored}
    assert ignored == {"compose.yaml", "invoices/prompts/README.md", "invoices/prompts/notes.md"}


def test_what_is_not_the_users_own_is_left_out(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail", "invoices")
    for name in (".pada/packages/shared", "node_modules/x", "env", "drafts", ".git/x"):
        write_recipe(root / name)
    (root / "env" / "pyvenv.cfg").touch()
    (root / ".gitignore").write_text("drafts/\ninvoices/mine.yaml\n", "utf-8")
    (root / "invoices" / "mine.yaml").write_text(TAXONOMY, "utf-8")
    os.symlink(root / "invoices", root / "again")
    import shutil

    shutil.rmtree(root / ".git")
    git(root, "init", "--quiet")
    assert set(_kinds(root)) == {"pada.yaml", "taxonomies/mail.yaml", "invoices/recipe.yaml"}
    # What git ignores as a whole and the user names all the same is what they mean.
    assert set(_kinds(root / "drafts")) == {"recipe.yaml"}


def test_a_link_out_of_the_tree_is_not_opened_to_see_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(TAXONOMY, "utf-8")
    root = write_tree(tmp_path / "mail")
    os.symlink(tmp_path / "secret.yaml", root / "link.yaml")
    os.mkfifo(root / "pipe.yaml")
    assert set(_kinds(root)) == {"pada.yaml", "taxonomies/mail.yaml", "invoices/recipe.yaml"}


def test_a_folder_with_a_recipe_means_that_recipe_and_any_other_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_tree(tmp_path / "mail", "invoices")
    assert is_tree(root)
    assert not is_tree(root / "invoices")
    assert is_tree(root / "taxonomies")
    assert not is_tree(root / "invoices" / "recipe.yaml")
    assert means_tree(str(root / "invoices"), Asked(all=True))
    (root / "invoices" / "pada.yaml").write_text("project: 1\nname: other\n", "utf-8")
    assert is_tree(root / "invoices")
    # The name of a shipped recipe stays one, also beside a folder that is called like it.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()
    assert not means_tree("quickstart", Asked())
    with pytest.raises(EngineError, match="--changed is for a folder of recipes"):
        means_tree("quickstart", Asked(changed="HEAD"))
    with pytest.raises(EngineError, match="is not a folder"):
        read_tree(root / "invoices" / "recipe.yaml")


def test_recipes_that_others_extend_are_known(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail", "invoices")
    for name, first in {
        "base.yaml": "",
        "shared/far.yaml": "",
        "alone.yaml": "",
        "invoices/child.yaml": "extends: '../base.yaml'  # ours\n",
        "other.yaml": "extends: mail-recipes/shared/far.yaml\n",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"{first}recipe: 1\nname: x\n", "utf-8")
    names = {path.relative_to(root).as_posix() for path in extended(read_tree(root))}
    assert names == {"base.yaml", "shared/far.yaml"}
