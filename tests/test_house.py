"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "engine").rglob("*.py"))
PACKAGES = [module for module in MODULES if module.name == "__init__.py"]
MOST_LINES, MOST_MODULES = 500, 16
EMPTY_NAMES = {"utils", "util", "common", "helpers", "manager", "core", "base", "misc"}


def placed(path: Path) -> str:
    """Return a path as it is shown: from the top of the checkout."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """Return each piece of each module, and the module."""
    return [
        (module, node)
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Subscript | ast.Call | ast.arg | ast.ImportFrom)
    ]


def shown(module: Path, node: ast.AST) -> str:
    return f"{placed(module)}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"


@pytest.mark.parametrize("module", MODULES, ids=placed)
def test_modules_stay_small_and_say_what_they_are(module: Path) -> None:
    text = module.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES, "split it by what its parts are about"
    assert ast.get_docstring(parsed(module)), "every module opens with a docstring"


@pytest.mark.parametrize("package", PACKAGES, ids=placed)
def test_folders_stay_small_and_open_with_one_sentence_on_what_may_be_touched(
    package: Path,
) -> None:
    modules = list(package.parent.glob("*.py"))
    assert len(modules) <= MOST_MODULES, "make a room for those that belong together"
    sentence = (ast.get_docstring(parsed(package)) or "").split("\n\n")[0]
    assert sentence.endswith(".")
    assert len(sentence.split()) >= 8


def test_every_folder_with_modules_is_a_package() -> None:
    assert {module.parent for module in MODULES} == {package.parent for package in PACKAGES}


def test_no_module_and_no_folder_has_a_name_that_says_nothing() -> None:
    names = {part for module in MODULES for part in module.relative_to(ROOT).with_suffix("").parts}
    assert not names & EMPTY_NAMES


def test_stages_are_typed() -> None:
    """What a stage needs are fields that mypy sees: no keys of a dict, no edges by name."""
    untyped = []
    for module, node in nodes():
        match node:
            case (
                ast.Subscript(value=ast.Name(id="params"), slice=ast.Constant(value=str()))
                | ast.Call(func=ast.Attribute(value=ast.Name(id="params"), attr="get"))
                | ast.Call(func=ast.Attribute(value=ast.Name(id="inputs"), attr="edges" | "of"))
            ):
                untyped.append(shown(module, node))
            case ast.arg(arg="params" | "inputs", annotation=ast.Subscript() as annotation) if (
                "stages" in module.parts and "Mapping[str, Any]" in ast.unparse(annotation)
            ):
                untyped.append(shown(module, node))
    assert untyped == []


def test_imports_name_their_module_from_the_top() -> None:
    relative = [
        shown(module, node)
        for module, node in nodes()
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.mark.runs
def test_help_and_lists_load_no_heavy_library() -> None:
    code = """
import sys
from engine.cli import main
for words in ("--help", "run --help", "list operators", "list metrics", "list methods"):
    sys.argv = ["pada", *words.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
    heavy = {"torch", "transformers", "sklearn", "sentence_transformers", "datasets", "scipy", "nltk", "trl"}
    assert not heavy & set(sys.modules), (words, heavy & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_tests_mirror_the_tree() -> None:
    """What is about no package has its own folder: whole runs, CONTRIBUTING's steps, what others may do, servers."""
    tests = ROOT / "tests"
    folders = {path.parent.relative_to(tests).as_posix() for path in tests.rglob("test_*.py")}
    without = {folder for folder in folders if not (ROOT / "engine" / folder).is_dir()}
    assert without == {"e2e", "contributing", "security", "servers"}


def module_marks(path: Path) -> list[str]:
    """Return what a file of tests assigns to `pytestmark`."""
    return [
        ast.unparse(node.value)
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]


def test_tests_of_whole_runs_are_no_part_of_the_fast_suite() -> None:
    """But for one, which goes round the loop without a model."""
    folders = (ROOT / "tests" / "e2e", ROOT / "tests" / "contributing")
    marks = {f"pytest.mark.{sort}" for sort in ("models", "runs", "servers", "long")}
    plain = {
        placed(path)
        for folder in folders
        for path in folder.glob("test_*.py")
        if not marks & set(module_marks(path))
    }
    assert plain == {"tests/e2e/test_balance.py"}


def tracked() -> list[str]:
    """Return the files of the checkout; skips the test where git does not know them."""
    found = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False
    ).stdout.splitlines()
    if not found:
        pytest.skip("not a git checkout")
    return found


def test_top_level_holds_only_what_the_architecture_names() -> None:
    folders = {path.split("/")[0] for path in tracked() if "/" in path and not path.startswith(".")}
    assert folders <= {"engine", "recipes", "schemas", "prompts", "tests", "docs"}


def test_nothing_names_a_folder_of_one_machine_or_leaves_work_undone() -> None:
    marks = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/|\b(?:TODO|FIXME)\b")
    told = [
        f"{name}:{number}: {line.strip()}"
        for name in tracked()
        if (ROOT / name).suffix in {".py", ".md", ".toml", ".yaml", ".sql", ".txt"}
        and name != "tests/test_house.py"
        and (ROOT / name).is_file()
        for number, line in enumerate((ROOT / name).read_text("utf-8", "replace").splitlines(), 1)
        if marks.search(line)
    ]
    assert told == []


def test_no_test_asserts_how_long_something_takes() -> None:
    """On a busy machine that fails without a fault; such promises are scripts in tests/benchmarks."""
    clocks = re.compile(r"assert .*(?:seconds|elapsed|monotonic|perf_counter|took).*<")
    found = [
        f"{placed(path)}:{number}"
        for path in (ROOT / "tests").rglob("*.py")
        if "benchmarks" not in path.parts and path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if clocks.search(line)
    ]
    assert found == []
