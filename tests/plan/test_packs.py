"""Which pack a model gets, what follows from it, and what a newcomer is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecipeError
from engine.operators.finding import FOLDER
from engine.plan.packs import choose, judge_mode, pack_of, packs_of, thinking_tokens
from engine.plan.resources import gather
from engine.plan.stage_params import StageParams
from engine.plan.validate import check_recipe
from engine.project import Project
from engine.run.context import NodeContext
from engine.spec.loader import LoadedRecipe, load
from engine.spec.recipe import ModelSpec, WriterSpec
from tests.operators.writing import write_operator
from tests.plan.test_validate import GOOD, write_good
from tests.spec.test_pack import OWN, write_pack

TEACHER = "  teacher: {backend: transformers, model: embedded/smollm2-135m-instruct}\n"
JUDGE = "  judge: {backend: transformers, model: embedded/smollm2-135m-instruct}\n"
OPENAI = "  teacher: {backend: openai, model: some-model, base_url: http://127.0.0.1:9/v1}\n"


def spec(**settings: Any) -> WriterSpec:
    return WriterSpec.model_validate({"backend": "openai", "model": "m", **settings})


@pytest.mark.parametrize(
    ("parameters", "pack"),
    [(0, "small"), (2.99e9, "small"), (3e9, "standard"), (99.9e9, "standard"), (1e11, "frontier")],
)
def test_a_pack_by_size(parameters: float, pack: str) -> None:
    assert pack_of(parameters) == pack


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        ({"size": "135M"}, ("small", True)),
        ({"size": "3B"}, ("standard", True)),
        ({"size": "70.6B"}, ("standard", True)),
        ({"size": "1T"}, ("frontier", True)),
        ({"size": "8B", "pack": "mine"}, ("mine", True)),
        ({"backend": "anthropic"}, ("frontier", True)),
        ({"backend": "scripted"}, ("small", True)),
        ({"backend": "transformers", "model": "embedded/smollm2-135m-instruct"}, ("small", True)),
        ({"backend": "transformers", "model": "some/model"}, ("standard", False)),
        ({}, ("standard", False)),
    ],
)
def test_a_pack_by_what_is_known_of_a_model(
    settings: dict[str, Any], choice: tuple[str, bool]
) -> None:
    assert choose(spec(**settings)) == choice


def test_a_student_has_no_size_to_declare() -> None:
    plain = ModelSpec.model_validate({"backend": "openai", "model": "m", "size": "8B"})
    assert choose(plain) == ("standard", False)


def recipe(folder: Path, *changes: tuple[str, str]) -> LoadedRecipe:
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return load(write_good(folder, text))


def warned(loaded: LoadedRecipe) -> list[str]:
    """Return the warnings; errors are those of prompts that a pack lacks, and are told elsewhere."""
    return [p.message for p in check_recipe(loaded) if p.level == "warning"]


NEWCOMER = ((TEACHER, OPENAI), (JUDGE, ""), ("quality: {judge: advises}\n", ""))


def test_a_newcomer_is_told_in_one_line_what_is_chosen_and_what_changes_it(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, *NEWCOMER)
    (warning,) = [p for p in check_recipe(loaded) if p.level == "warning"]
    assert warning.where.line == 10
    assert warning.message == (
        "the teacher's size is not known: it gets the pack 'standard' (similarity and neighbours only advise); "
        "as the judge of its own rows it only advises"
    )
    assert warning.hint == (
        "write models.teacher.size, such as 8B, or pack: small, standard or frontier; "
        "name another model as models.judge"
    )


@pytest.mark.parametrize(
    "more",
    ["\nloop: {method: vanilla}\n", "\nloop: {rounds: 0}\n"],
)
def test_where_no_rows_are_written_nothing_is_said_of_it(tmp_path: Path, more: str) -> None:
    without = ("label, description: Mail.}", "label}")
    loaded = recipe(tmp_path, without, *NEWCOMER, ("augment:\n", f"{more.strip()}\naugment:\n"))
    assert warned(loaded) == []


def test_a_judge_that_is_off_is_not_spoken_of(tmp_path: Path) -> None:
    off = ("quality: {judge: advises}", "quality: {judge: off}")
    (message,) = warned(recipe(tmp_path, (TEACHER, OPENAI), (JUDGE, ""), off))
    assert "judge" not in message


def test_a_judge_too_small_to_test_patterns_is_warned_of(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, ("patterns:\n", "patterns:\n  confirm: 40\n"))
    (problem,) = check_recipe(loaded)
    assert (problem.code, problem.level, problem.where.line) == ("confirm", "warning", 16)
    other = tmp_path / "other"
    other.mkdir()
    off = recipe(other, ("patterns:\n", "patterns:\n  confirm: off\n"))
    assert check_recipe(off) == []


def test_a_task_without_a_description_is_warned_of(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, ("label, description: Mail.}", "label}"))
    (problem,) = check_recipe(loaded)
    assert (problem.code, problem.level, problem.where.line) == ("description", "warning", 3)
    assert "task.description" in problem.hint


@pytest.mark.parametrize(
    ("changes", "mode", "told"),
    [
        # Nobody says anything: the judge is the teacher.
        (((JUDGE, ""), ("quality: {judge: advises}\n", "")), "advises", True),
        ((("quality: {judge: advises}\n", ""),), "advises", True),
        # The recipe says it.
        (((JUDGE, ""),), "advises", False),
        (((JUDGE, ""), ("judge: advises", "judge: off")), "off", False),
        ((("judge: advises", "judge: decides"),), "decides", True),
        # Another judge: as its pack says.
        (
            ((JUDGE, "  judge: {backend: scripted, model: j, pack: frontier}\n"),
             ("quality: {judge: advises}\n", "")),
            "decides",
            False,
        ),
        (
            ((JUDGE, "  judge: {backend: scripted, model: j}\n"),
             ("quality: {judge: advises}\n", "")),
            "advises",
            False,
        ),
    ],
)  # fmt: skip
def test_what_the_judge_does_where_it_is_left_open(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], mode: str, told: bool
) -> None:
    loaded = recipe(tmp_path, *changes)
    assert judge_mode(loaded) == mode
    assert any("the judge is the teacher" in message for message in warned(loaded)) == told


def test_the_same_model_at_another_server_is_another_judge(tmp_path: Path) -> None:
    other = (
        "  judge: {backend: openai, model: some-model, base_url: http://127.0.0.1:8/v1, size: 8B}\n"
    )
    teacher = OPENAI.replace("}", ", size: 8B}")
    changes = ((TEACHER, teacher), (JUDGE, other), ("quality: {judge: advises}\n", ""))
    loaded = recipe(tmp_path, *changes)
    assert judge_mode(loaded) == "decides"
    assert warned(loaded) == []


def test_a_pack_beside_the_recipe_is_used(tmp_path: Path) -> None:
    write_pack(tmp_path)
    loaded = recipe(tmp_path, (TEACHER, TEACHER.replace("}", ", pack: mine}")))
    assert packs_of(loaded)["teacher"].generate.rows_per_call == 2
    assert packs_of(loaded)["judge"].name == "small"


@pytest.mark.parametrize(
    ("changes", "asked"), [((), 1.7), ((("augment:\n", "augment:\n  oversample: 3\n"),), 3.0)]
)
def test_how_many_more_rows_are_asked_for_is_the_packs_word_and_before_it_the_recipes(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], asked: float
) -> None:
    write_pack(tmp_path, OWN.replace("oversample: 1.2", "oversample: 1.7"))
    loaded = recipe(tmp_path, (TEACHER, TEACHER.replace("}", ", pack: mine}")), *changes)
    params = StageParams(loaded.recipe, gather(loaded), "", None).generate()
    assert params.oversample == asked


@pytest.mark.parametrize(
    ("gates", "message", "hint"),
    [
        ("similarty: advise", "no gate 'similarty'", "did you mean 'similarity'?"),
        ("leak: advise", "the gate 'leak' always rejects", "leave leak out of the gates of the pack 'mine'"),
    ],
)  # fmt: skip
def test_a_gate_of_a_pack_is_checked_as_one_of_the_recipe_is(
    tmp_path: Path, gates: str, message: str, hint: str
) -> None:
    file = write_pack(tmp_path, OWN.replace("similarity: advise", gates))
    loaded = recipe(tmp_path, (TEACHER, TEACHER.replace("}", ", pack: mine}")))
    (problem,) = [p for p in check_recipe(loaded) if "gate" in p.message and p.level == "error"]
    assert (problem.where.file, problem.where.line, problem.where.column) == (str(file), 10, 9)
    assert (problem.message, problem.hint) == (message, hint)


def test_an_operator_without_a_prompt_for_the_pack_is_told_where_the_recipe_names_it(
    tmp_path: Path,
) -> None:
    write_pack(tmp_path)
    folder = write_operator(tmp_path / FOLDER)
    used = (
        "{name: paraphrase, params: {variants: 2}, patterns: [short_text, other]}",
        "{name: shorten}",
    )
    loaded = recipe(tmp_path, (TEACHER, TEACHER.replace("}", ", pack: mine}")), used)
    message = "the operator 'shorten' has no prompt for the pack 'mine'"
    (found,) = [p for p in check_recipe(loaded) if p.message == message]
    assert (found.level, found.where.line) == ("error", 18)
    assert found.hint.endswith(
        "operators/shorten/mine.md, or prompt.md there for all packs; there is: small"
    )
    (folder / "small.md").rename(folder / "prompt.md")
    assert message not in [p.message for p in check_recipe(loaded)]


def test_an_unknown_pack_is_one_problem_with_its_place(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, (TEACHER, TEACHER.replace("}", ", pack: smal}")))
    problems = [p for p in check_recipe(loaded) if p.code == "unknown-pack"]
    assert [(p.where.line, p.hint) for p in problems] == [(10, "did you mean 'small'?")]


def test_a_size_that_is_none_is_told_how_sizes_are_written(tmp_path: Path) -> None:
    path = write_good(tmp_path, GOOD.replace("teacher: {", "teacher: {size: big, ", 1))
    with pytest.raises(RecipeError, match=r"models\.teacher\.size is not a size: 'big'") as caught:
        load(path)
    assert caught.value.problems[0].hint == "write it as 135M, 8B or 1T, all experts counted"


def test_room_to_think_is_the_models_own_or_the_packs(tmp_path: Path) -> None:
    packs = packs_of(recipe(tmp_path))
    frontier = packs["teacher"].model_copy(update={"thinking_tokens": 8000})
    assert thinking_tokens(spec(), frontier) == 8000
    assert thinking_tokens(spec(thinking_tokens=0), frontier) == 0
    assert thinking_tokens(spec(thinking_tokens=99), packs["teacher"]) == 99
    plain = ModelSpec.model_validate({"backend": "openai", "model": "m"})
    assert thinking_tokens(plain, frontier) == 8000


def test_room_to_think_is_in_each_requests_limit_and_in_the_fingerprint(tmp_path: Path) -> None:
    nodes, limits = [], []
    for number, setting in enumerate(("", ", thinking_tokens: 0", ", thinking_tokens: 300")):
        folder = tmp_path / str(number)
        folder.mkdir()
        loaded = recipe(folder, (TEACHER, TEACHER.replace("}", f"{setting}}}")))
        resources = gather(loaded)
        plan = Project(loaded, folder / "state").plan().plan
        node = plan.nodes["seed-0/round-0/diagnose"]
        nodes.append(node.id)
        session = type("S", (), {"model": staticmethod(resources.models.get)})()
        context = NodeContext(node, resources.prompts, session, None, None, folder)  # type: ignore[arg-type]
        schema = {"type": "string", "maxLength": 10}
        prompt = context.prompt("diagnose.md")
        failure = {"id": "f1", "row": {}, "answer": "a", "right": "b", "read": "a", "said": "a"}
        row = {"description": "", "failures": [failure], "labels": []}
        given = dict.fromkeys(prompt.variables, "") | row
        limits.append(context.request("teacher", prompt, given, schema).max_tokens)
    assert nodes[0] == nodes[1]
    assert nodes[2] != nodes[0]
    assert [limit - limits[0] for limit in limits] == [0, 0, 300]
