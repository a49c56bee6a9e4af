"""Row functions on rows of every kind: the same draw makes the same row, and what the target hangs on stays."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecipeError
from engine.operators import ROW_FUNCTIONS, Made, Material, NotMade
from engine.operators.making.synonyms import read_synonyms
from engine.operators.making.template import read_templates
from engine.operators.making.typos import LAYOUTS, neighbours
from engine.rows import Example
from engine.tasks import TASKS, Task
from engine.wording import words

SHARED: Mapping[str, Any] = {"share": 0.5, "layout": "qwerty", "variants": 1}
SLOTS = {"type": "object", "properties": {"day": {"type": "string", "maxLength": 9}}}
ROWS: Mapping[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "classification": ({}, {"text": "Where's my card, please?"}, "card"),
    "extraction": (
        {"context": "text"},
        {"text": "They came from Orleans in March, on foot.", "ask": "Which town did they leave?"},
        "Orleans",
    ),
    "multiple_choice": (
        {"options": "options"},
        {"text": "Which fruit is yellow?", "options": "A. Banana\nB. Cherry"},
        "A",
    ),
    "structured": ({"json_schema": SLOTS}, {"text": "Book it for Monday, will you?"}, '{"day": "monday"}'),
    "numeric": ({}, {"text": "Ann has 12 apples, Bob 7.5; how many together?"}, "12 + 7.5 = 19.5\n#### 19.5"),
    "generation": ({}, {"text": "Write a greeting for Miss Marple."}, "Good day, Miss Marple."),
}  # fmt: skip
STAYS = {
    "extraction": ["Orleans"],
    "multiple_choice": ["A. Banana\nB. Cherry"],
    "structured": ["Monday"],
    "numeric": ["12", "7.5"],
}
NOISE = ("typos", "case_noise")
LABELS = ("delete_words", "swap_words")


def material(
    kind: str, seed: int = 0, inputs: Mapping[str, str] | None = None, **more: Any
) -> Material:
    settings, own, target = ROWS[kind]
    row = Example("e", "train", inputs or own, target, {}, "f", 1)
    params = TASKS[kind].params.model_validate(settings)
    more = {"params": SHARED, **more}
    return Material(row, target, TASKS[kind], Task((), params), draw=random.Random(seed), **more)


def make(name: str, given: Material) -> Made:
    return ROW_FUNCTIONS[name].make(given)


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("name", NOISE)
def test_noise_changes_a_row_and_not_what_its_target_hangs_on(name: str, kind: str) -> None:
    seed = ROWS[kind][1]
    for number in range(20):
        made = make(name, material(kind, number))
        assert made.target is None
        assert made.inputs != seed
        assert list(made.inputs) == list(seed)
        assert make(name, material(kind, number)) == made
        for part in STAYS.get(kind, []):
            assert part in "\n".join(made.inputs.values())


def test_a_typo_is_in_a_long_word_behind_its_first_letter() -> None:
    before = words("where is my parcel now")
    for number in range(30):
        given = material("classification", number, {"text": "where is my parcel now"})
        after = words(make("typos", given).inputs["text"])
        assert [a[0] for a in after] == [b[0] for b in before]
        assert [after[i] for i in (1, 2, 4)] == [before[i] for i in (1, 2, 4)]


def test_more_words_are_mistyped_with_a_larger_share() -> None:
    text = " ".join(["parcel"] * 10)
    for share, wrong in ((0.0, 1), (0.3, 3), (1.0, 10)):
        given = material("classification", 1, {"text": text}, params={**SHARED, "share": share})
        made = make("typos", given).inputs["text"].split()
        assert sum(word != "parcel" for word in made) == wrong


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neighbours_on_a_keyboard_are_mutual(layout: str) -> None:
    keys = neighbours(layout)
    assert sorted(keys) == sorted("abcdefghijklmnopqrstuvwxyz")
    assert all(letter in keys[other] for letter, others in keys.items() for other in others)
    assert ("s" in keys["a"]) == (layout != "azerty")


def test_words_are_left_out_or_exchanged_and_none_is_new() -> None:
    text = "one two three four five six"
    for number in range(20):
        given = material("classification", number, {"text": text})
        left = make("delete_words", given).inputs["text"].split()
        assert left == [word for word in text.split() if word in left]
        assert len(left) == 3
        once = material("classification", number, {"text": text}, params={**SHARED, "share": 0.1})
        swapped = make("swap_words", once).inputs["text"]
        assert sorted(swapped.split()) == sorted(text.split())
        moved = [
            i for i, (a, b) in enumerate(zip(swapped.split(), text.split(), strict=True)) if a != b
        ]
        # Neighbours, once: any two words of a short text exchanged make nonsense of it.
        assert len(moved) == 2
        assert moved[1] - moved[0] == 1


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("typos", "is it so", "no word of 4 letters"),
        ("case_noise", "42", "neither capitals nor punctuation"),
        ("delete_words", "parcel", "only one word"),
        ("swap_words", "so so", "are the same"),
    ],
)
def test_a_row_of_which_none_can_be_made_is_told(name: str, text: str, why: str) -> None:
    with pytest.raises(NotMade, match=why):
        make(name, material("classification", 0, {"text": text}))


def test_a_row_is_repeated_as_it_is() -> None:
    assert make("repeat", material("numeric")) == Made(ROWS["numeric"][1])


# Synonyms.


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def test_words_of_the_list_are_exchanged(tmp_path: Path) -> None:
    read = read_synonyms(
        write(tmp_path, "synonyms.yaml", "groups:\n- [card, plastic]\n- [lost, gone]\n")
    )
    given = material("classification", 0, {"text": "Card lost?"}, params={"share": 1.0}, read=read)
    assert make("synonyms", given).inputs == {"text": "Plastic gone?"}
    other = material("classification", 0, {"text": "hello"}, params={"share": 1.0}, read=read)
    with pytest.raises(NotMade, match="no word of the row"):
        make("synonyms", other)


def test_an_answer_is_no_word_that_is_exchanged(tmp_path: Path) -> None:
    read = read_synonyms(
        write(tmp_path, "synonyms.yaml", "groups:\n- [Orleans, Paris]\n- [town, city]\n")
    )
    given = material("extraction", 0, params={"share": 1.0}, read=read)
    made = make("synonyms", given).inputs
    assert made["text"] == ROWS["extraction"][1]["text"]
    assert made["ask"] == "Which city did they leave?"


# Templates.

TEMPLATES = """\
templates:
- inputs: {text: "{name} buys {n} pens at {price} dollars each. What does {name} pay?"}
  target: "{n} * {price} = {n * price}\\n#### {n * price}"
  slots:
    name: [Ann, Bob]
    n: {from: 2, to: 12}
    price: [1.5, 2.25]
  where: n > 3
"""


def test_slots_are_drawn_and_answers_computed(tmp_path: Path) -> None:
    read = read_templates(write(tmp_path, "templates.yaml", TEMPLATES))
    rows = set()
    for number in range(4):
        made = make("template", material("numeric", number, read=read)._replace(target=None))
        assert made.target is not None
        n, price, total, said = map(float, re.findall(r"[\d.]+", made.target))
        assert n * price == total == said
        assert n > 3
        assert f"buys {n:.0f} pens" in made.inputs["text"]
        rows.add(made.inputs["text"])
        task = Task((), TASKS["numeric"].params())
        assert TASKS["numeric"].malformed(made.inputs, made.target, task) is None
        assert TASKS["numeric"].miscalculated(made.target, task) is None
    assert len(rows) > 2


def test_a_template_of_a_label_makes_its_rows(tmp_path: Path) -> None:
    text = (
        'templates:\n- {inputs: {text: "my card"}, target: card}\n'
        '- {inputs: {text: "{{my}} {what}"}, target: money, slots: {what: [money]}}\n'
    )
    read = read_templates(write(tmp_path, "templates.yaml", text))
    for target, row in (("card", "my card"), ("money", "{my} money")):
        given = material("classification", read=read)._replace(target=target)
        assert make("template", given) == Made({"text": row}, None)
    targets = ROW_FUNCTIONS["template"].targets
    assert targets is not None
    assert targets(read) == frozenset({"card", "money"})


def test_a_draw_that_cannot_be_computed_is_told(tmp_path: Path) -> None:
    text = TEMPLATES.replace("n > 3", "n > 99")
    read = read_templates(write(tmp_path, "templates.yaml", text))
    with pytest.raises(NotMade, match="no draw of 50 meets `where: n > 99`"):
        make("template", material("numeric", read=read)._replace(target=None))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{n * price}\\n", "{n * prise}\\n", "*'n * prise': *column 'prise'*"),
        ("{n * price}\\n", "{read_text('x')}\\n", "*'read_text('x')': *"),
        ("{n * price}\\n", "{(SELECT 1)}\\n", "*a SELECT inside the expression*"),
        ("{n} pens", "{n pens", "*a '{' stands alone*"),
        ("{from: 2, to: 12}", "{from: 12, to: 2}", "*the slot 'n' goes from 12 to 2*"),
        ("[Ann, Bob]", "[]", "*the slot 'name' has no values*"),
        ("[1.5, 2.25]", "[1.5, many]", "*the slot 'price' has numbers and texts*"),
        ("n > 3", "m > 3", "*'m > 3': *column 'm'*"),
        ("target:", "goal:", "*unknown key*goal*"),
    ],
)
def test_mistakes_in_templates_are_told_with_their_place(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert old in TEMPLATES
    file = write(tmp_path, "templates.yaml", TEMPLATES.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        read_templates(file)
    told = str(caught.value).replace("\n", " ")
    assert fnmatch(told, f"*templates.yaml:*{said}"), told
