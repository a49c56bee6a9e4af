"""A recipe made and mended in Debian's Chromium: the list, the form and the YAML, a mistake, its fix, and the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.spec.package_data import shipped
from tests.studio.test_browser import looked_at, served

pytestmark = [pytest.mark.browser]
DRIVER = Path(__file__).with_name("author.mjs")
NAME = "recipes%2Fquickstart%2Frecipe.yaml"
PAGES: list[dict[str, Any]] = [
    {"name": "recipes", "path": "recipes", "wait": "tbody a", "full": True},
    {"name": "recipes-shipped", "path": "recipes", "click": [".sheet > summary"], "wait": ".one"},
    {"name": "recipe", "path": f"recipe/{NAME}", "wait": ".form .field"},
    {"name": "recipe-wrong", "path": "recipe/wrong.yaml", "wait": ".field-problem"},
    {"name": "recipe-odd", "path": "recipe/odd.yaml", "wait": ".hides"},
    {
        "name": "recipe-checked",
        "path": f"recipe/{NAME}",
        "click": ["button:text-is('Check with the data')", ".problems summary"],
        "wait": "summary:has-text('What was read')",
    },
    {
        "name": "recipe-broken",
        "path": "recipe/broken.yaml",
        "wait": ".form .wrong",
        "alert": True,
    },
    {"name": "plan", "path": f"recipe/{NAME}/plan", "wait": "#takes", "full": True},
    {
        "name": "plan-graph",
        "path": f"recipe/{NAME}/plan",
        "click": ["button:text-is('Graph')", ".graph .node"],
        "wait": "#step-title",
        "full": True,
    },
    {
        "name": "plan-table",
        "path": f"recipe/{NAME}/plan",
        "click": ["button:text-is('Table')", ".steps button"],
        "wait": "#step-title",
        "full": True,
    },
    {
        "name": "plan-run",
        "path": f"recipe/{NAME}/plan",
        "click": ["button:text-is('Run it…')"],
        "wait": "dialog[open]",
    },
    {"name": "plan-wrong", "path": "recipe/wrong.yaml/plan", "wait": ".wrong", "alert": True},
    {"name": "preview", "path": f"recipe/{NAME}/preview", "wait": "#before"},
    {"name": "preview-wrong", "path": "recipe/wrong.yaml/preview", "wait": "#before"},
    {"name": "prompts", "path": f"recipe/{NAME}/prompts", "wait": ".turn", "full": True},
    {
        "name": "prompts-row",
        "path": f"recipe/{NAME}/prompts?row=3",
        "click": ["button:text-is('Find a row…')"],
        "wait": ".rows li",
        "full": True,
    },
    {"name": "versions-none", "path": f"recipe/{NAME}/versions", "wait": ".empty"},
    {"name": "repository-none", "path": "versions", "wait": "#project"},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a recipe that is right, one that is wrong and one whose texts are anything."""
    folder = tmp_path / "project"
    shutil.copytree(shipped("recipes") / "quickstart", folder / "recipes/quickstart")
    (folder / "pada.yaml").write_text("project: 1\nname: mine\n", "utf-8")
    text = (folder / "recipes/quickstart/recipe.yaml").read_text("utf-8")
    wrong = text.replace("train: {method", "trian: {method").replace(
        "name: quickstart", "name: wrong"
    )
    (folder / "wrong.yaml").write_text(wrong, "utf-8")
    labels = {
        f"label {n} تغيير 🙂": "A sentence that goes on. " * (400 if n == 3 else 2)
        for n in range(200)
    }
    odd = text.replace("name: quickstart", "name: odd").replace(
        "  target: intent", f"  target: intent\n  labels: {json.dumps(labels, ensure_ascii=False)}"
    )
    (folder / "odd.yaml").write_text(odd.replace("Messages of", "Mess\u202eages of"), "utf-8")
    (folder / "broken.yaml").write_text("recipe: 1\n  name: 'x\n", "utf-8")
    return folder


def test_every_page_of_recipes(project: Path) -> None:
    with served(project / ".pada", project) as url:
        assert looked_at(url, PAGES) == []


def test_a_mistake_is_seen_at_its_line_and_field_mended_with_a_click_and_saved(
    project: Path,
) -> None:
    file = project / "recipes/quickstart/recipe.yaml"
    before = file.read_bytes()
    with served(project / ".pada", project) as url:
        assert looked_at(url, [{"recipe": NAME}], DRIVER) == []
    after = file.read_bytes()
    # What was typed, mended and set in the form, and not a byte besides.
    assert (
        after
        == before.replace(b"seeds: [0]\n", b"budget: {calls: 500}\nseeds: [0]\n") + b"limits: {}"
    )


@pytest.mark.parametrize("ends", ["all alike", "mixed"])
def test_a_file_is_edited_in_the_browser_byte_for_byte(project: Path, ends: str) -> None:
    text = (
        "# 🙂 \u202eabc\u202c \u200b\ttab\nrecipe: 1\nname: odd  # 👩‍👩‍👧‍👦\n"
        "description: 'a\u2028 b \u0085 \u200f'\nextends: recipes/quickstart/recipe.yaml\n# 𝕏\n"
    )
    text = text.replace("\n", "\r\n") if ends == "all alike" else text.replace("\ndesc", "\rdesc")
    mark = "\ufeff" if ends == "all alike" else ""
    file = project / "bytes.yaml"
    file.write_bytes((mark + text).encode())
    with served(project / ".pada", project) as url:
        assert looked_at(url, [{"recipe": "bytes.yaml", "plainly": True}], DRIVER) == []
    assert file.read_bytes() == (mark + text.replace("odd ", "even ") + "# x").encode()
