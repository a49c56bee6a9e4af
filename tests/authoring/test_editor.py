"""What an editor shows of recipes, by yaml-language-server: nothing wrong, what a key means, and what may come next.

`npm install yaml-language-server` in any folder, and its program in YAML_LANGUAGE_SERVER, or on the PATH.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.spec.package_data import shipped
from engine.tasks import TASKS
from tests.authoring.language_server import Server, running

OWN = Path(__file__).parents[2]
PROGRAM = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(
        not PROGRAM or not shutil.which("node"),
        reason="yaml-language-server is not here: npm install it, and name it in YAML_LANGUAGE_SERVER",
    ),
]
KINDS = {
    "recipe": "recipe.yaml", "taxonomy": "taxonomies/*.yaml", "method": "methods/*.yaml",
    "operator": "operator.yaml", "pack": "pack.yaml", "project": "pada.yaml",
}  # fmt: skip
FILES = sorted(
    [
        *shipped("recipes").rglob("*.yaml"),
        *shipped("prompts").rglob("pack.yaml"),
        *OWN.joinpath("engine", "operators").rglob("operator.yaml"),
    ]
)
# Its first line names the schema relative to where it lies.
RECIPE = (shipped("recipes") / "quickstart" / "recipe.yaml").read_text("utf-8").split("\n", 1)[1]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    schemas = {
        (shipped("schemas") / f"{kind}.schema.json").as_uri(): f"**/{pattern}"
        for kind, pattern in KINDS.items()
    }
    assert PROGRAM
    with running(Path(PROGRAM), schemas) as started:
        yield started


def at(text: str, words: str) -> tuple[int, int]:
    """Return line and column of the first place of some words."""
    before = text[: text.index(words)]
    return before.count("\n"), len(before) - (before.rfind("\n") + 1)


def opened(server: Server, name: str, text: str) -> tuple[str, list[str]]:
    uri = f"file:///tmp/{name}/recipe.yaml"
    return uri, [each["message"] for each in server.complaints(uri, text)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(OWN)))
def test_nothing_is_wrong_in_what_comes_with_the_engine(server: Server, file: Path) -> None:
    assert server.complaints(file.as_uri(), file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("name: quickstart", "The recipe's name in the store"),
        ("task:", "What the student does."),
        ("input:", "Columns of a row that the student sees."),
        ("pool:", "Further rows, labelled or not"),
        ("student:", "The student"),
        ("metrics:", "Scores per example and over a split"),
        ("diagnose:", "Most failures diagnosed in a round"),
        ("rows_per_round:", "Most generated rows that join the training set"),
        ("train:", "Fine-tuning on the round's whole training set"),
        ("learning_rate:", "Size of the optimizer's steps"),
        ("steps: per_row", "overrides `epochs`"),
        ("seeds:", "Seeds of chance"),
    ],
)
def test_hover_says_what_a_key_means(server: Server, key: str, shown: str) -> None:
    uri, _ = opened(server, "hover", RECIPE)
    line, column = at(RECIPE, key if key not in ("task:", "train:") else f"\n{key}")
    line += key in ("task:", "train:")
    assert shown in server.hover(uri, line, column + 1 if key not in ("task:", "train:") else 1)


def completed(server: Server, name: str, text: str) -> dict[str, str]:
    """Return what may be written where `|` stands, each with what is shown of it."""
    line, column = at(text, "|")
    uri, _ = opened(server, name, text.replace("|", "", 1))
    items = server.completion(uri, line, column)
    return {label: str(item.get("documentation", "")) for label, item in items.items()}


def test_completion_of_keys(server: Server) -> None:
    head = "recipe: 1\nname: a\n"
    top = completed(server, "top", f"{head}|\n")
    assert {"task", "data", "models", "augment", "train", "loop", "seeds"} <= top.keys()
    assert "name" not in top
    augment = completed(server, "augment", f"{head}augment:\n  |\n")
    assert {"rows_per_round", "operators", "mine", "coverage"} <= augment.keys()
    train = completed(server, "train", f"{head}train:\n  method: lora\n  |\n")
    assert {"learning_rate", "epochs", "r"} <= train.keys()
    assert "method" not in train
    assert "Size of the optimizer's steps" in str(train["learning_rate"])


def test_completion_of_values(server: Server) -> None:
    head = "recipe: 1\nname: a\n"
    kinds = completed(server, "kind", f"{head}task:\n  kind: |\n")
    assert set(TASKS) <= kinds.keys()
    orders = completed(server, "order", f"{head}train:\n  order: |\n")
    assert "Original and generated rows shuffled" in orders["mixed"]
    methods = completed(server, "method", f"{head}loop:\n  method: |\n")
    assert {"pada", "vanilla"} <= methods.keys()
    operators = completed(server, "operator", f"{head}augment:\n  operators:\n    - name: |\n")
    assert {"paraphrase", "persona"} <= operators.keys()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mix: 0.5", "mixx: 0.5", "mixx"),
        ("method: lora", "method: qlora", "lora"),
        ("rounds: 1", "rounds: many", "integer"),
        ("algorithm: kmeans", "algorithm: k-means", ""),
    ],
)
def test_what_is_wrong_is_marked(server: Server, old: str, new: str, said: str) -> None:
    _, complaints = opened(server, f"wrong-{said}", RECIPE.replace(old, new, 1))
    assert complaints
    assert any(said in each for each in complaints)


def test_a_first_line_names_the_schema(server: Server) -> None:
    schema = (shipped("schemas") / "recipe.schema.json").as_uri()
    text = f"# yaml-language-server: $schema={schema}\nrecipe: 1\nnmae: x\n"
    complaints = server.complaints("file:///tmp/any/name.yaml", text)
    assert any("nmae" in each["message"] for each in complaints)
