"""Wheel and sdist hold what users need and only the checkout's own files, and run without a checkout around them."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from importlib.metadata import requires
from pathlib import Path, PurePosixPath

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from engine.spec.method import find_methods
from engine.version import __version__

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("prompts/", "schemas/", "recipes/", "docs/sql.md")
BUILT_FROM = "engine/studio/web/"
"""What the studio's page is built from: it travels as it was built."""
LITTER = (
    *(
        "recipes/quickstart/.pada/store.duckdb",
        ".pada/store.duckdb",
        ".venv/lib/site.py",
        ".env",
        "notes.txt",
    ),
    *("mine/recipe.yaml", "engine/__pycache__/x.pyc", "dist/old.whl"),
    *("engine/studio/web/node_modules/vite/index.js",),
)
"""What lies in a checkout that somebody works in."""


def tracked() -> list[str]:
    """Return the checkout's own files; skips where git does not know them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    if not listed.stdout:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def files() -> set[str]:
    return set(tracked())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both, built from a checkout that somebody works in."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, checkout / name)
    for name in LITTER:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("nobody's", "utf-8")
    dist = tmp_path_factory.mktemp("dist")
    for builder in (SdistBuilder, WheelBuilder):
        assert list(builder(str(checkout)).build(directory=str(dist)))
    return dist


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(built / f"pada_engine-{__version__}-py3-none-any.whl")


@pytest.fixture(scope="module")
def sdist(built: Path) -> set[str]:
    with tarfile.open(built / f"pada_engine-{__version__}.tar.gz") as archive:
        return {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return email.message_from_bytes(wheel.read(f"pada_engine-{__version__}.dist-info/METADATA"))


def test_the_wheel_holds_the_engine_and_what_it_ships_and_nothing_else(
    wheel: zipfile.ZipFile, files: set[str]
) -> None:
    ours = {
        name for name in files if name.startswith("engine/") and not name.startswith(BUILT_FROM)
    }
    ours |= {f"engine/_shipped/{name}" for name in files if name.startswith(SHIPPED)}
    theirs = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert theirs == ours
    needed = (
        "engine/py.typed",
        "engine/_shipped/recipes/quickstart/data/pool.jsonl",
        "engine/operators/mix/small.md",
        "engine/studio/static/index.html",
    )
    assert set(needed) <= theirs


def test_the_sdist_holds_the_checkout_and_nothing_else(sdist: set[str], files: set[str]) -> None:
    assert sdist == files | {"PKG-INFO"}


def test_a_wheel_of_the_sdist_is_that_of_the_checkout(built: Path, tmp_path: Path) -> None:
    with tarfile.open(built / f"pada_engine-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (again,) = WheelBuilder(str(tmp_path / f"pada_engine-{__version__}")).build(
        directory=str(tmp_path)
    )
    (first,) = built.glob("*.whl")
    assert Path(again).read_bytes() == first.read_bytes()


def test_licences_travel(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0 AND CC0-1.0"
    for name in metadata.get_all("License-File", []):
        inside = wheel.read(f"pada_engine-{__version__}.dist-info/licenses/{name}")
        assert inside == (ROOT / name).read_bytes()
    held = {
        PurePosixPath(name).parent.as_posix()
        for name in tracked()
        if "LICENSE" in name or "NOTICE" in name
    }
    assert {
        PurePosixPath(name).parent.as_posix() for name in metadata.get_all("License-File", [])
    } == held


def test_metadata_say_what_an_index_shows(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.11"
    for field in ("Summary", "Author", "Keywords", "Project-URL", "Classifier"):
        assert metadata[field], field
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith("# PaDA Engine")
    entry = wheel.read(f"pada_engine-{__version__}.dist-info/entry_points.txt").decode()
    assert "pada = engine.cli:main" in entry


def test_classifiers_are_known_and_say_what_was_tested(metadata: Message) -> None:
    from trove_classifiers import classifiers

    said = metadata.get_all("Classifier", [])
    assert set(said) <= set(classifiers)
    tested = [
        c.rpartition(" ")[2] for c in said if c.startswith("Programming Language :: Python :: 3.")
    ]
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    assert tested == re.findall(r"^\| (3\.\d+) \| tested", page, re.MULTILINE)
    assert [c for c in said if c.startswith("Operating System")] == [
        "Operating System :: POSIX :: Linux"
    ]


CUDA = ("cuda-", "nvidia-", "triton")
"""What the CUDA build of torch brings; it asks for its own versions, which no other build was tested with."""


def installed_with_the_project() -> set[str]:
    """Return every library that comes along here, also those that libraries bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    left = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    needed: set[tuple[str, str]] = set()
    while left:
        wanted = Requirement(left.pop())
        if canonicalize_name(wanted.name).startswith(CUDA):
            continue
        for extra in {"", *wanted.extras}:
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            if (one := (canonicalize_name(wanted.name), extra)) in needed:
                continue
            needed.add(one)
            for text in requires(wanted.name) or ():
                inner = Requirement(text)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    inner.marker = None
                    left.append(str(inner))
    return {name for name, _ in needed}


def test_constraints_name_every_library_that_comes_along_and_no_other() -> None:
    """What is not installed was not tested either, and can keep pip from what something asks for.

    What a library needs on other systems or Pythons alone is not looked at.
    """
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    needed = installed_with_the_project()
    assert needed - pinned == set()
    assert pinned - needed == set()


@pytest.fixture(scope="module")
def unpacked(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel") / "site"
    wheel.extractall(folder)
    return folder


def _pada(unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        capture_output=True, text=True, cwd=unpacked.parent, check=False,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
    )  # fmt: skip


@pytest.mark.runs
def test_shipped_methods_are_listed(unpacked: Path) -> None:
    listed = _pada(unpacked, "list", "methods")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == sorted(find_methods())


@pytest.mark.runs
def test_a_shipped_recipe_is_found_and_planned_by_name(unpacked: Path) -> None:
    valid = _pada(unpacked, "validate", "quickstart")
    assert valid.returncode == 0, valid.stderr
    assert "'quickstart' is valid" in valid.stdout
    listed = _pada(unpacked, "list", "operators")
    assert "paraphrase" in listed.stdout
    plan = _pada(unpacked, "plan", "quickstart")
    assert plan.returncode == 0, plan.stderr
    assert "seed-0/round-1/train" in plan.stdout
