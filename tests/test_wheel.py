"""The wheel carries prompts, schemas, recipes and operators, and runs without a checkout around it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from engine.spec.method import find_methods

pytestmark = pytest.mark.runs

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def _pada(unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        capture_output=True, text=True, cwd=unpacked.parent, check=False,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
    )  # fmt: skip


def test_the_wheel_has_what_the_checkout_has(unpacked: Path) -> None:
    shipped = unpacked / "engine" / "_shipped"
    for name in ("prompts", "schemas", "recipes"):
        ours = {p.relative_to(ROOT / name) for p in (ROOT / name).rglob("*") if p.is_file()}
        theirs = {p.relative_to(shipped / name) for p in (shipped / name).rglob("*") if p.is_file()}
        assert ours == theirs
    for suffix in ("yaml", "md"):
        ours = {p.relative_to(ROOT) for p in (ROOT / "engine" / "operators").rglob(f"*.{suffix}")}
        assert ours
        assert all((unpacked / file).is_file() for file in ours)
    assert (shipped / "recipes" / "methods" / "pada.yaml").is_file()
    assert list((unpacked / "engine" / "store" / "migrations").glob("*.sql"))
    assert list((unpacked / "engine" / "report" / "templates").iterdir())


def test_shipped_methods_are_listed(unpacked: Path) -> None:
    listed = _pada(unpacked, "list", "methods")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == sorted(find_methods())


def test_a_shipped_recipe_is_found_and_planned_by_name(unpacked: Path) -> None:
    valid = _pada(unpacked, "validate", "quickstart")
    assert valid.returncode == 0, valid.stderr
    assert "'quickstart' is valid" in valid.stdout
    listed = _pada(unpacked, "list", "operators")
    assert "paraphrase" in listed.stdout
    plan = _pada(unpacked, "plan", "quickstart")
    assert plan.returncode == 0, plan.stderr
    assert "seed-0/round-1/train" in plan.stdout
