"""Rules of the house that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "engine").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_small_and_say_what_they_are(module: Path) -> None:
    text = module.read_text("utf-8")
    assert len(text.splitlines()) <= 500
    assert ast.get_docstring(ast.parse(text)), "every module opens with a docstring"


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not {m.stem for m in MODULES} & {
        "utils",
        "common",
        "helpers",
        "manager",
        "core",
        "base",
        "misc",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["list", "operators"],
        ["list", "metrics"],
        ["list", "methods"],
    ],
)
def test_help_and_lists_load_no_heavy_library(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['pada', *sys.argv[1:]]\n"
        "from engine.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'sentence_transformers', 'datasets', 'scipy', 'nltk'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert found.returncode == 0, found.stderr


def test_top_level_holds_only_what_the_architecture_names() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False
    ).stdout.splitlines()
    if not tracked:
        pytest.skip("not a git checkout")
    folders = {path.split("/")[0] for path in tracked if "/" in path and not path.startswith(".")}
    assert folders <= {"engine", "recipes", "schemas", "prompts", "tests", "docs"}
