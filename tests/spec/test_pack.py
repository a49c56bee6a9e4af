"""Packs as files: those of the engine, those beside a recipe, and what is wrong in one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import Location, RecipeError
from engine.spec.pack import FILE, find_packs, load_pack, read_pack
from engine.spec.package_data import shipped

HERE = Location("recipe.yaml", 9, 3)
OWN = """\
pack: 1
name: mine
description: For the model under my desk.
diagnose: {failures_per_call: 2, passed: 1}
name_pattern: {diagnoses: 6, confusions: 3}
generate: {rows_per_call: 2, seeds: 2, oversample: 1.2, attempts: 1}
verify: {samples: 0}
judge: {rows_per_call: 2, verdict: advises}
thinking_tokens: 500
gates: {similarity: advise}
confirm: {rows: 60, rows_per_call: 5}
"""


def write_pack(base: Path, text: str = OWN, name: str = "mine") -> Path:
    file = base / "prompts" / name / FILE
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    return file


def test_the_engine_has_three_and_they_grow() -> None:
    packs = {name: read_pack(file) for name, file in find_packs().items()}
    assert set(packs) == {"small", "standard", "frontier"}
    grown = [packs[name] for name in ("small", "standard", "frontier")]
    assert [p.diagnose.failures_per_call for p in grown] == [1, 6, 12]
    assert [p.diagnose.passed for p in grown] == [0, 3, 4]
    assert [p.name_pattern.diagnoses for p in grown] == [4, 12, 30]
    assert [p.confirm.rows for p in grown] == [0, 80, 100]
    assert [p.confirm.rows_per_call for p in grown] == [1, 10, 20]
    assert [p.generate.rows_per_call for p in grown] == [1, 4, 10]
    assert [p.generate.seeds for p in grown] == [3, 4, 6]
    # The more of its rows are accepted, the fewer are asked for beyond those that are wanted.
    assert [p.generate.oversample for p in grown] == [1.5, 1.2, 1.1]
    assert [p.judge.rows_per_call for p in grown] == [1, 4, 8]
    assert [p.verify.samples for p in grown] == [0, 2, 3]
    assert [p.thinking_tokens for p in grown] == [0, 0, 8000]
    assert [p.judge.verdict for p in grown] == ["advises", "decides", "decides"]


def test_one_beside_the_recipe_is_found_and_comes_before_the_engines(tmp_path: Path) -> None:
    file = write_pack(tmp_path)
    assert find_packs(tmp_path)["mine"] == file
    assert load_pack("mine", tmp_path, HERE).thinking_tokens == 500
    ours = shipped("prompts") / "small" / FILE
    text = ours.read_text("utf-8").replace("thinking_tokens: 0", "thinking_tokens: 7")
    write_pack(tmp_path, text, "small")
    assert load_pack("small", tmp_path, HERE).thinking_tokens == 7
    assert load_pack("small", None, HERE).thinking_tokens == 0


def test_the_pack_that_the_page_shows_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "packs.md"
    (shown,) = re.findall(r"^```yaml\n(pack: 1\n.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    assert read_pack(write_pack(tmp_path, shown)).generate.attempts == 2


def test_an_unknown_pack_is_told_with_its_place_and_the_nearest() -> None:
    with pytest.raises(RecipeError) as caught:
        load_pack("fronteer", None, HERE)
    assert str(caught.value) == (
        "recipe.yaml:9:3: error: there is no pack 'fronteer'\n    did you mean 'frontier'?"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("passed: 1", "passed: 99", "4:42: error: diagnose.passed must be at most 20, not 99"),
        ("samples: 0", "sample: 0", "7:10: error: unknown key 'sample' in verify"),
        ("advise}", "warn}", "gates.similarity must be 'reject', 'advise' or 'off', not 'warn'"),
        ("name: mine", "name: yours", "2:7: error: the pack in the folder mine is called 'yours'"),
        ("description: For", "descriptio: For", "description is missing"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in OWN
    file = write_pack(tmp_path, OWN.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        load_pack("mine", tmp_path, HERE)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
