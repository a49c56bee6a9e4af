"""Recipes of a repository that are broken or hostile, and the bases, taxonomies, prompts and queries they lead to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.security.repositories.places import BASE, DATA, EXTENDING, RECIPE, TAXONOMY, Place


class Case(NamedTuple):
    """What is wrong, how it is made, what the command says of it."""

    name: str
    build: Callable[[Place], None]
    says: str
    """A regular expression."""
    at: str = r"recipe\.yaml:\d+:\d+"
    """A regular expression of the place that the message begins with."""
    most: int = 3
    """Problems at most that are told."""
    hinted: bool = True
    """Whether what to do stands in a line of its own; else the message itself says it."""


def recipe(text: str, **files: str) -> Callable[[Place], None]:
    """Return what writes a recipe, and files beside it by their names without `.yaml`."""

    def build(place: Place) -> None:
        place.write("project/recipe.yaml", text)
        for name, content in files.items():
            place.write(f"project/{name}.yaml", content)

    return build


def changed(old: str, new: str) -> Callable[[Place], None]:
    """Return what writes the recipe with one part of it replaced."""
    assert old in RECIPE
    return recipe(RECIPE.replace(old, new))


def with_prompt(body: str) -> Callable[[Place], None]:
    """Return what writes a recipe whose prompt of the diagnosis is its own."""

    def build(place: Place) -> None:
        place.write("project/recipe.yaml", f"{RECIPE}limits: {{seconds: 1}}\n")
        place.write("project/prompts/diagnose.md", f"[[user]]\n{body}\n")

    return build


def packaged_base(
    base: str, extends: str = "shared-pack/recipes/base.yaml"
) -> Callable[[Place], None]:
    """Return what writes a recipe that extends one of a package."""

    def build(place: Place) -> None:
        place.uses_package()
        place.write("project/shared/recipes/base.yaml", base)
        place.write("project/recipe.yaml", EXTENDING.replace("base.yaml", extends))

    return build


def _link(place: Place) -> None:
    outside = place.write("outside/base.yaml", BASE)
    place.uses_package()
    (place.package / "recipes/linked.yaml").symlink_to(outside)
    place.write(
        "project/recipe.yaml", EXTENDING.replace("base.yaml", "shared-pack/recipes/linked.yaml")
    )


def _above(place: Place) -> None:
    place.write("outside/base.yaml", BASE)
    place.write("project/recipe.yaml", EXTENDING.replace("base.yaml", "../outside/base.yaml"))


def _folder(place: Place) -> None:
    (place.project / "base.yaml").mkdir()
    place.write("project/recipe.yaml", EXTENDING)


def _pipe(place: Place) -> None:
    os.mkfifo(place.project / "base.yaml")
    place.write("project/recipe.yaml", EXTENDING)


def _data_link(place: Place) -> None:
    outside = place.write("outside/rows.jsonl", '{"text": "a", "label": "b"}\n')
    file = place.project / "data/train.jsonl"
    file.unlink()
    file.symlink_to(outside)


def _taxonomy_of_package(place: Place) -> None:
    place.uses_package()
    place.write(
        "project/recipe.yaml",
        f"{RECIPE}patterns: {{taxonomy: {{file: shared-pack/taxonomies/none.yaml}}}}\n",
    )
    place.write("project/shared/taxonomies/known.yaml", TAXONOMY)


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nrecipe: 1\nname: base\n"
DEEP = "recipe: 1\nname: base\ntask: " + "[" * 200 + "]" * 200 + "\n"
LARGE = "# " + "x" * 998 + "\n"
FAILURE = "failure: accuracy < 1"
PACKED = r"(shared/)?recipes/base\.yaml:\d+:\d+"
BESIDE = r"base\.yaml(:\d+:\d+)?"


def cases() -> Iterator[Case]:
    """Yield every case."""
    yield Case(
        "extends-itself",
        recipe(EXTENDING.replace("base.yaml", "recipe.yaml")),
        r"recipe\.yaml.*recipe\.yaml",
    )
    yield Case(
        "extends-in-a-circle-of-two",
        recipe(EXTENDING, base="recipe: 1\nname: base\nextends: recipe.yaml\n"),
        r"recipe\.yaml.*base\.yaml.*recipe\.yaml", r"(recipe|base)\.yaml:\d+:\d+",
    )  # fmt: skip
    yield Case(
        "extends-in-a-circle-of-three",
        recipe(
            EXTENDING,
            base="recipe: 1\nname: base\nextends: next.yaml\n",
            next="recipe: 1\nname: next\nextends: base.yaml\n",
        ),
        r"base\.yaml.*next\.yaml.*base\.yaml", r"(recipe|base|next)\.yaml:\d+:\d+",
    )  # fmt: skip
    yield Case("base-missing", recipe(EXTENDING), r"base\.yaml")
    yield Case("base-is-a-folder", _folder, r"base\.yaml", rf"(recipe\.yaml:\d+:\d+|{BESIDE})")
    yield Case(
        "base-is-a-pipe",
        _pipe,
        r"neither a file nor a folder|pipe",
        rf"(recipe\.yaml:\d+:\d+|{BESIDE})",
    )
    yield Case("base-is-a-taxonomy", recipe(EXTENDING, base=TAXONOMY), r"taxonomy")
    yield Case("base-is-no-yaml", recipe(EXTENDING, base="recipe: [1\n"), r".", BESIDE)
    yield Case(
        "base-of-the-future",
        recipe(EXTENDING, base=BASE.replace("recipe: 1", "recipe: 7")),
        r"7",
        BESIDE,
    )
    yield Case("recipe-of-the-future", changed("recipe: 1", "recipe: 2"), r"2")
    yield Case(
        "base-of-50-MB",
        recipe(EXTENDING, base=LARGE * 50_000 + BASE),
        r"large|MB|characters|bytes",
        BESIDE,
    )
    yield Case(
        "recipe-of-50-MB",
        recipe(LARGE * 50_000 + RECIPE),
        r"large|MB|characters|bytes",
        r"recipe\.yaml",
    )
    yield Case("base-is-a-bomb", recipe(EXTENDING, base=BOMB), r"anchor|alias", BESIDE, 7)
    yield Case("base-nested-deep", recipe(EXTENDING, base=DEEP), r"nested", BESIDE)
    yield Case(
        "base-of-many-values",
        recipe(EXTENDING, base=BASE + "slices: [" + "x, " * 30_000 + "]\n"),
        r"values",
        BESIDE,
    )
    yield Case(
        "list-into-map", recipe(f"{EXTENDING}task: [a, b]\n", base=BASE), r"task", r"recipe\.yaml:\d+:\d+"
    )  # fmt: skip
    yield Case(
        "map-into-list", recipe(f"{EXTENDING}metrics: {{accuracy: 1}}\n", base=BASE), r"metrics"
    )
    yield Case("plus-on-a-map", recipe(f"{EXTENDING}+task: [a]\n", base=BASE), r"\+task")
    yield Case(
        "plus-on-nothing", recipe(f"{EXTENDING}+metricks: [accuracy]\n", base=BASE), r"metricks"
    )
    yield Case("null-for-what-is-needed", recipe(f"{EXTENDING}task: null\n", base=BASE), r"task")
    yield Case(
        "extends-an-address",
        recipe(EXTENDING.replace("base.yaml", "https://example.org/base.yaml")),
        r"https://example\.org",
    )
    yield Case(
        "extends-no-text",
        recipe(EXTENDING.replace("base.yaml", "[base.yaml, other.yaml]")),
        r"extends",
    )
    yield Case(
        "extends-above-the-project",
        _above,
        r"outside",
        r".*base\.yaml|recipe\.yaml:\d+:\d+",
    )
    yield Case(
        "extends-out-of-a-package", packaged_base(BASE, "shared-pack/../outside/base.yaml"), r"shared-pack|outside"
    )  # fmt: skip
    yield Case(
        "extends-a-link-out-of-a-package",
        _link,
        r"outside|link",
        r".*linked\.yaml|recipe\.yaml:\d+:\d+",
    )
    yield Case(
        "extends-no-package",
        recipe(EXTENDING.replace("base.yaml", "nobody-pack/recipes/base.yaml")),
        r"nobody-pack",
    )
    yield Case(
        "nothing-of-that-name-in-a-package",
        packaged_base(BASE, "shared-pack/recipes/bass.yaml"),
        r"bass\.yaml",
    )
    yield Case(
        "base-of-a-package-reads-the-user's-files",
        packaged_base(BASE + "look_in: [../../data]\n"), r"outside|leaves the package",
        r".*(base|recipe)\.yaml:\d+:\d+|.*data",
    )  # fmt: skip
    yield Case(
        "base-of-a-package-has-data-elsewhere",
        packaged_base(BASE + "failures: {source: log, path: /etc/hostname}\n"), r"outside|/etc/hostname|failures",
        r".*(base|recipe)\.yaml:\d+:\d+|.*hostname",
    )  # fmt: skip
    yield Case(
        "base-of-a-package-holds-a-key",
        packaged_base(BASE.replace("model: teacher}", "model: t, api_key: sk-abcdefghijklmnop1234}")),
        r"secret", r".*base\.yaml:\d+:\d+",
    )  # fmt: skip
    yield Case("taxonomy-that-a-package-lacks", _taxonomy_of_package, r"none\.yaml")
    yield Case(
        "var-of-the-wrong-type",
        recipe(f"{RECIPE}vars: {{rows: {{type: int, default: many}}}}\n"),
        r"rows: its type is int, and 'many' is not a whole number",
        hinted=False,
    )
    yield Case(
        "var-not-given",
        recipe(f'{RECIPE}vars: {{rows: {{type: int}}}}\nseeds: ["${{rows}}"]\n'),
        r"--var rows",
    )
    yield Case("var-of-itself", recipe(f'{RECIPE}vars: {{a: "${{a}}"}}\n'), r"var")
    yield Case(
        "prompt-asks-for-a-class",
        with_prompt("{{ ''.__class__ }}"),
        r"__class__|unsafe|sandbox",
        r"prompts/diagnose\.md(:\d+:\d+)?",
    )
    yield Case(
        "prompt-loops-for-ever",
        with_prompt("{% for i in range(1000000000) %}x{% endfor %}"),
        r"range",
        r"prompts/diagnose\.md(:\d+:\d+)?",
    )
    yield Case(
        "prompt-of-nested-loops",
        with_prompt("{% set x = 'x' * 9999 %}" + "{% for i in x %}" * 3 + "{% endfor %}" * 3),
        r"second",
        r"prompts/diagnose\.md(:\d+:\d+)?",
    )
    yield Case(
        "prompt-includes-a-file",
        with_prompt("{% include '/etc/passwd' %}"),
        r"include",
        r"prompts/diagnose\.md(:\d+:\d+)?",
    )
    yield Case(
        "prompt-of-an-unknown-name",
        with_prompt("{{ secrets }}"),
        r"secrets",
        r"prompts/diagnose\.md(:\d+:\d+)?",
    )
    for name, condition, says in (
        ("reads-a-file", "length(read_text('/etc/passwd').content) > 1", r"read_text|file"),
        ("attaches", "accuracy < 1; ATTACH '/tmp/x.db'", r"."),
        ("asks-the-environment", "getenv('HOME') = 'x'", r"getenv"),
        ("repeats", "length(repeat('x', 10000000000)) > 1", r"."),
        ("copies", "accuracy < 1); COPY (SELECT 1) TO '/tmp/pada-copied.csv'; --", r"."),
        ("loads", "accuracy < 1; INSTALL httpfs", r"."),
        ("selects-a-file", "(SELECT count(*) FROM '/etc/passwd') > 1", r"."),
    ):
        yield Case(f"predicate-{name}", changed(FAILURE, f'failure: "{condition}"'), says)
    yield Case(
        "data-of-the-system",
        changed("data/train.jsonl", "/etc/passwd"),
        r"outside",
        r".*(passwd|recipe\.yaml:\d+:\d+)",
    )
    yield Case(
        "data-above-the-project",
        changed("data/train.jsonl", "../outside.jsonl"),
        r"outside",
        r".*(outside\.jsonl|recipe\.yaml:\d+:\d+)",
    )
    yield Case("data-by-a-link", _data_link, r"outside", r".*(train\.jsonl|recipe\.yaml:\d+:\d+)")
    yield Case(
        "data-by-a-query",
        changed(
            "train: {path: data/train.jsonl}",
            "train: {sql: \"SELECT * FROM read_csv('/etc/passwd')\"}",
        ),
        r".",
        r".*(recipe\.yaml:\d+:\d+|passwd)",
    )
    yield Case(
        "data-by-a-device",
        changed("data/train.jsonl", "/dev/zero"),
        r".",
        r".*(recipe\.yaml:\d+:\d+|zero)",
    )
    yield Case(
        "backend-by-a-dotted-path",
        changed("backend: scripted, model: teacher", "backend: os.system, model: ls"),
        r"os\.system",
    )
    yield Case(
        "operator-by-a-dotted-path",
        changed("name: paraphrase", "name: subprocess.run"),
        r"subprocess\.run",
    )
    yield Case(
        "metric-by-a-dotted-path", changed("[accuracy]", "[builtins.eval]"), r"builtins\.eval"
    )
    yield Case("name-of-control-characters", changed("name: mail", 'name: "\\e]0;x\\a"'), r".")
    yield Case(
        "key-in-a-recipe",
        changed("model: judge", "model: judge, api_key: sk-abcdefghijklmnop1234"),
        r"secret",
    )
    yield Case(
        "tag-that-makes-objects",
        changed("seed", "seed")
        if False
        else recipe(RECIPE + "seeds: !!python/object/apply:os.system [ls]\n"),
        r"tag",
    )
    yield Case("keys-twice", recipe(RECIPE + "metrics: [accuracy]\n"), r"metrics")
    yield Case("half-a-character", recipe(RECIPE.replace("Mail", '"\\ud800"')), r".")


assert DATA in RECIPE
