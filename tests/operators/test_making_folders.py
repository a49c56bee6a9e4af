"""Folders whose rows a program makes, what operators vary, and other parts that must agree: mistakes with places."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.operators import Operator
from engine.operators.folder import read_operator
from tests.operators.writing import OPERATOR, PROMPT, changed, write_operator

NOISE = """\
operator: 1
name: shorten
version: 1
description: Typing errors.
label: keep
make: typos
params:
  share: {type: number, default: 0.2, minimum: 0, maximum: 1, description: Share.}
  layout: {type: choice, default: qwerty, choices: [qwerty, azerty], description: Keyboard.}
rows: 1
"""


def made(tmp_path: Path, *changes: tuple[str, str], text: str = NOISE) -> Operator:
    folder = write_operator(tmp_path, changed(*changes, text=text), prompt=None)
    return read_operator(folder, own=True)


def complaint(tmp_path: Path, *changes: tuple[str, str], text: str = NOISE) -> str:
    with pytest.raises(RecipeError) as caught:
        made(tmp_path, *changes, text=text)
    return str(caught.value).replace(f"{(tmp_path / 'shorten').as_posix()}/", "").split("\n")[0]


def test_a_folder_without_a_prompt_is_whole_where_a_program_makes_the_rows(tmp_path: Path) -> None:
    operator = made(tmp_path)
    assert operator.make is not None
    assert (operator.copies, operator.made_from, operator.covers) == ("near", True, True)
    assert not operator.prompts


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("make: typos", "make: typo"), "operator.yaml:6:7: error: no row function 'typo'"),
        (
            ("label: keep", "label: given"),
            "operator.yaml:5:8: error: the row function 'typos' makes rows of `label: keep`, not given",
        ),
        (
            ("share: {", "part: {"),
            "operator.yaml:6:7: error: the row function 'typos' needs a parameter 'share' of type number",
        ),
        (
            ("type: number", "type: text"),
            "operator.yaml:8:17: error: for the row function 'typos' it is of type number",
        ),
        (
            ("rows: 1", "rows: 1\nsees: [row]"),
            "operator.yaml:11:1: error: `sees` is for a prompt, and the row function 'typos' has none",
        ),
        (
            ("make: typos", "make: synonyms"),
            "shorten: error: the row function 'synonyms' needs the file synonyms.yaml",
        ),
    ],
)
def test_mistakes_in_such_a_folder(changes: tuple[str, str], said: str, tmp_path: Path) -> None:
    told = complaint(tmp_path, changes)
    assert told.endswith(said) if "needs the file" in said else told == said


def test_a_prompt_beside_it_is_told(tmp_path: Path) -> None:
    write_operator(tmp_path, NOISE)
    with pytest.raises(
        RecipeError, match=r"small\.md: error: the rows are made by the row function"
    ):
        read_operator(tmp_path / "shorten", own=True)


def test_the_digest_covers_what_is_read_from_the_folder(tmp_path: Path) -> None:
    digests = set()
    for words in ("[a, b]", "[a, c]"):
        write_operator(
            tmp_path, changed(("make: typos", "make: synonyms"), text=NOISE), prompt=None
        )
        (tmp_path / "shorten" / "synonyms.yaml").write_text(f"groups:\n- {words}\n", "utf-8")
        digests.add(read_operator(tmp_path / "shorten", own=True).digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            ("rows: variants", "rows: variants\nseeded: true"),
            "with `label: keep` rows are made from training rows in any case",
        ),
        (
            ("rows: variants", "rows: variants\nwrites: target"),
            "with `label: keep` a reply that brings a target alone would bring nothing new",
        ),
        (
            ("label: keep", "label: given\nchecks: {swapped: true}"),
            "`checks` is about seed rows, and rows are made from none",
        ),
        (
            ("label: keep", "label: given\nseeds: failing"),
            "`seeds` is about seed rows, and rows are made from none",
        ),
        (
            ("rows: variants", "rows: variants\nchecks: {answer: kept}"),
            "`checks.answer` is for an operator that writes targets",
        ),
        (
            ("rows: variants", "rows: variants\nvary: {tone: tones}"),
            "vary.tone: there is no parameter 'tones'",
        ),
        (
            ("rows: variants", "rows: variants\nvary: {tone: style}"),
            "vary.tone: the parameter 'style' must be of type texts",
        ),
        (("rows: variants", "rows: variants\nvary: {tone: []}"), "vary.tone has no values"),
        (
            ("rows: variants", "rows: variants\nexample: {kind: poem, after: {text: x}}"),
            "no task kind 'poem'",
        ),
    ],
)
def test_parts_that_do_not_agree(changes: tuple[str, str], said: str, tmp_path: Path) -> None:
    write_operator(tmp_path, changed(changes, text=OPERATOR), prompt=PROMPT)
    with pytest.raises(RecipeError) as caught:
        read_operator(tmp_path / "shorten", own=True)
    assert said in str(caught.value)


def test_what_varies_is_the_recipes_where_a_parameter_holds_it(tmp_path: Path) -> None:
    text = changed(
        (
            "rows: variants",
            "  tones: {type: texts, default: [calm, loud], max_length: 9, description: Tones.}\n"
            "rows: variants\nvary: {tone: tones, size: [small, large]}",
        ),
        ("[row, rejected]", "[row, rejected, vary]"),
    )
    operator = read_operator(write_operator(tmp_path, text), own=True)
    assert operator.varied(operator.params()) == {
        "tone": ["calm", "loud"],
        "size": ["small", "large"],
    }
    own = operator.params.model_validate({"tones": ["shy"]})
    assert operator.varied(own)["tone"] == ["shy"]
    for wrong in (["much too long"], [], ["ok", 1]):
        with pytest.raises(ValueError, match="validation error"):
            operator.params.model_validate({"tones": wrong})


def test_prose_is_no_part_of_the_digest(tmp_path: Path) -> None:
    plain = made(tmp_path).digest
    told = ("rows: 1", "rows: 1\nchanges: Letters.\nstays: The rest.\nexample: {after: {text: x}}")
    assert made(tmp_path, told).digest == plain
    assert made(tmp_path, ("rows: 1", "rows: 1\nattempts: 1")).digest != plain
