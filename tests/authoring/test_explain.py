"""`pada explain` says what the schema says, in 80 columns, of every key that there is."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import EngineError
from engine.spec.reference.explained import explain, listed, text
from engine.spec.reference.keys import KINDS, paths, schema_of

RUN = CliRunner()


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_can_be_explained(kind: str) -> None:
    for path in paths(kind):
        name = path if kind == "recipe" else f"{kind}:{path}"
        found = explain(name)
        assert found, name
        assert all(one.description for one in found), name
        for line in text(found, 80).splitlines():
            assert len(line) <= 80 or " " not in line.strip() or line.startswith("    "), (
                name,
                line,
            )


def test_an_enumerated_key() -> None:
    assert text(explain("train.order"), 80) == (
        "train.order: Order\n"
        "\n"
        "mixed: original and generated rows shuffled together; generated_first: all\n"
        "passes over generated rows first.\n"
        "\n"
        "type      mixed, generated_first\n"
        "default   mixed\n"
        "values\n"
        "    mixed            Original and generated rows shuffled together.\n"
        "    generated_first  All passes over generated rows first.\n"
        "example\n"
        "    order: generated_first\n"
        "more      docs/recipe.md#train"
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("augment.operators", ("type      list of: mapping", "    paraphrase ", "[{name: paraphrase")),
        ("augment.operators[].name", ("one of the names below or one of your own", "    typos ")),
        ("metrics.name", ("one of your own", "chrF of the corpus")),
        ("augment.operators[2].share", ("Share", "number (above 0)")),
        ("augment.operators.persona.params", ("(persona)", "personas")),
        ("augment.operators[persona].params.personas", ("Who writes rows, in turn.",)),
        ("task.params", ("7 of this name", "extraction", "    context ")),
        ("task.params.context", ("task.params.context (extraction)", "none: this key must be there")),
        ("task.params.max_tokens", ("chat, structured", "numeric")),
        ("models.teacher.api_key.env", ("Name of the environment variable", "TEACHER_KEY")),
        ("models.judge.backend", ("A model behind an OpenAI-compatible server.",)),
        ("quality.gates", ("names with: reject, advise, off", "The gate is not asked.")),
        ("quality.judge", ("    off ", "Left out: as the judge's pack says")),
        ("vars.data", ("vars: Vars",)),
        ("operator:sees", ("must_not ", "docs/operators.md")),
        ("method:overrides.train", ("Keys of the recipe's `train`.",)),
        ("taxonomy:categories.id", ("The category's name",)),
        ("pack:generate.attempts", ("whole number (1 to 10)", "docs/packs.md")),
    ],
)  # fmt: skip
def test_keys(key: str, said: tuple[str, ...]) -> None:
    shown = text(explain(key), 80)
    assert [part for part in said if part not in shown] == [], shown


def test_the_top_is_one_line_a_key() -> None:
    lines = listed(explain(""), 80).splitlines()
    assert [line.split()[0] for line in lines] == list(schema_of("recipe")["properties"])
    assert max(map(len, lines)) <= 80
    assert listed(explain("operator:"), 80).startswith("operator:operator ")


@pytest.mark.parametrize(
    ("key", "message", "hint"),
    [
        ("trian.epochs", "a recipe has no key 'trian.epochs'", "did you mean train.epochs"),
        ("lr", "a recipe has no key 'lr'", "did you mean train.learning_rate"),
        ("operator:lable", "a operator has no key 'lable'", "operator:label"),
        ("recip:name", "there is no kind of file 'recip'", "write one of recipe:"),
        ("....", "a recipe has no key '....'", "`pada explain ` lists the keys"),
        ("train.epochs.more", "a recipe has no key 'train.epochs.more'", ""),
    ],
)
def test_an_unknown_key(key: str, message: str, hint: str) -> None:
    with pytest.raises(EngineError) as caught:
        explain(key)
    assert message.replace("a operator", "an operator") in str(caught.value)
    assert hint.replace("explain `", "explain`") in str(caught.value)


def test_the_command() -> None:
    ended = RUN.invoke(app, ["explain", "task.params.max_tokens", "--json"])
    records = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(r["of"], r["default"]) for r in records] == [
        ("chat, structured", 256), ("extraction", 48), ("generation", 128), ("numeric", 256),
    ]  # fmt: skip
    assert {r["key"] for r in records} == {"task.params.max_tokens"}
    assert RUN.invoke(app, ["explain"]).stdout.startswith("recipe ")
