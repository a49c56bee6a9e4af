"""Rows in a language that a model does not know are named; short English rows, codes and names never are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import models
from engine.data.languages import spoken
from engine.plan.checks.languages import check_languages
from engine.plan.validate import examine
from engine.spec.loader import load
from engine.spec.package_data import shipped
from tests.plan.test_validate import GOOD

GERMAN = [
    "Meine Pizza ist kalt angekommen und es fehlt die Hälfte",
    "Ich möchte gern mein Geld zurück haben bitte",
    "Wann kommt denn endlich meine Bestellung an",
]
CLINC_LIKE = [
    "what is my balance", "transfer $500 to savings", "play some Édith Piaf", "book a table at Le Café de Flore",
    "how do i say thank you in german", "set a timer", "ok", "no", "pto request", "gas level",
    "translate guten morgen for me please", "is my gate at Zürich airport open", "report fraud", "min payment on visa",
]  # fmt: skip
CODES = [
    "4711-22 AB",
    "12,50 EUR",
    "Rs 1,00,000",
    "SKU 99812",
    "2026-11-27",
    "def f(x): return x + 1",
] * 10
NAMES = ["Müller, Hans-Peter", "François Lefèvre", "María José García", "Łukasz Nowak"] * 5


def quickstart(name: str) -> list[str]:
    path = shipped("recipes") / "quickstart" / "data" / f"{name}.jsonl"
    return [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]


def codes(texts: list[str]) -> list[str]:
    return [language.code for language in spoken(texts)]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_quickstart_is_english(split: str) -> None:
    assert codes(quickstart(split)) == ["en"]


def test_what_is_short_or_no_language_is_no_other_language() -> None:
    assert set(codes(CLINC_LIKE)) <= {"en"}
    assert codes(CODES) == codes(NAMES) == codes([]) == codes(["ok"]) == []


def test_other_languages_are_found_alone_and_among_english_rows() -> None:
    assert codes(GERMAN) == ["de"]
    english, german = spoken(quickstart("train") + GERMAN)
    assert (english.code, german.code, german.name) == ("en", "de", "German")
    assert german.places == (60, 61, 62)
    assert codes([*quickstart("train"), GERMAN[0]]) == ["en"], "one row may be a quotation"
    short = [
        "Wo ist mein Paket",
        "Die Box kam nicht",
        "Karte gesperrt",
        "Was kostet das",
        "Bitte umtauschen",
    ] * 3
    assert codes(short) == ["de"], "all together tell where none does alone"
    assert codes(["荷物はどこですか", "住所を変更したい", "返金してください"]) == ["ja"]


def recipe(folder: Path, rows: list[str], text: str = GOOD) -> Path:
    (folder / "data").mkdir()
    for split, texts in (("train", rows), ("validation", rows[:4]), ("test", rows[:4])):
        lines = [json.dumps({"text": t, "label": f"l{n % 2}"}) for n, t in enumerate(texts)]
        (folder / "data" / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    path = folder / "recipe.yaml"
    path.write_text(text, "utf-8")
    return path


def test_validate_warns_with_the_place_the_models_and_the_remedy(tmp_path: Path) -> None:
    found = examine(load(recipe(tmp_path, quickstart("train")[:8] + GERMAN))).problems
    (warning,) = [problem for problem in found if problem.code == "language"]
    assert (warning.level, warning.where.line) == ("warning", 9)
    assert "German" in warning.message
    assert "embedded/smollm2-135m-instruct (teacher, judge, student) for English" in warning.message
    assert "embedded/all-minilm-l6-v2 (embedder)" in warning.message
    assert warning.message.endswith("(the first of 3 such rows)")
    assert "German" in warning.hint
    assert "`teacher: {model: NAME}` takes" in warning.hint


def test_of_models_whose_languages_nobody_states_nothing_is_claimed(tmp_path: Path) -> None:
    other = GOOD.replace("embedded/smollm2-135m-instruct", "someone/model")
    other = other.replace("embedded/all-minilm-l6-v2", "someone/embedder")
    loaded = load(recipe(tmp_path, GERMAN, other))
    assert list(check_languages(loaded, examine(loaded).splits.rows)) == []


@pytest.mark.parametrize(
    ("card", "known"),
    [
        ("---\nlanguage: en\n---\n# M", {"en"}),
        ("---\nlanguage:\n- de\n- pt-br\n- no\n---\n", {"de", "pt", "no"}),
        ("---\nlanguage: [en, multilingual]\n---\n", set()),
        ("---\nlicense: mit\n---\n", set()),
        ("---\nlanguage: [\n---\n", set()),
        ("# English only", set()),
        (None, set()),
    ],
)
def test_a_folder_is_known_for_what_its_card_says(
    tmp_path: Path, card: str | None, known: set[str]
) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card, "utf-8")
    assert models.languages(tmp_path.name, tmp_path.parent) == known


def test_a_model_that_an_embedded_one_was_made_from_is_known_too() -> None:
    assert models.languages("HuggingFaceTB/SmolLM2-135M-Instruct") == {"en"}
