"""What holds for all tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer.main
import typer.testing
from hypothesis import settings

from engine import gate
from engine.store import migrate

# Many tests start processes: none of them must compile the engine anew, which takes each a second.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# numpy's threads spin while they wait for each other: with matrices as small as these, and as many processes as
# cores, that is all they do. Read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# How wide the terminal is in which tests are run is no matter of theirs.
os.environ.pop("COLUMNS", None)

# The user's own settings are neither read nor written: which state folders are theirs, what recipes may read.
_SETTINGS = tempfile.TemporaryDirectory(prefix="pada-settings-")
os.environ["PADA_CONFIG"] = _SETTINGS.name

# What a quickstart left in the checkout is the developer's own, also by these settings.
_LEFT = Path(__file__).resolve().parents[1] / ".pada"
if _LEFT.is_dir():
    gate.trust_state(_LEFT)

# The same examples each time, no clock (a slow machine is no fault), and nothing kept in the checkout.
settings.register_profile("suite", max_examples=100, derandomize=True, deadline=None, database=None)
# A quarter of them where the working loop is what counts.
settings.register_profile("fast", settings.get_profile("suite"), max_examples=25)
# By hand, for new examples and many of them: pytest --hypothesis-profile search tests/spec
settings.register_profile("search", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile("suite")

LONGEST_FIRST = (
    "tests/e2e/test_recipes.py",
    "tests/e2e/test_real_run.py",
    "tests/e2e/test_tiny_runs.py",
    "tests/backends/training/test_finetune.py",
    "tests/e2e/test_planted_causes.py",
)
"""Files that take a quarter of a minute of CPU time and more, the longest first."""
_SORTS = ("models", "runs", "long", "servers")
_HEAVY = "torch"
"""Takes seconds to load, in each process: no part of the fast tests."""
_THERE = pytest.StashKey[bool]()
"""Whether it was loaded before a test and its fixtures."""


def _is_fast(config: pytest.Config) -> bool:
    return "not models" in config.option.markexpr


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples in the fast tests, unless a profile is named."""
    if _is_fast(config) and not config.getoption("--hypothesis-profile"):
        settings.load_profile("fast")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files whose tests are all of a sort that is not asked for: their imports alone take seconds."""
    unwanted = [mark for mark in _SORTS if f"not {mark}" in config.option.markexpr]
    if collection_path.suffix != ".py" or not unwanted:
        return None
    text = collection_path.read_text("utf-8")
    return True if any(f"\npytestmark = pytest.mark.{m}\n" in text for m in unwanted) else None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse a file that makes the fast tests slow by being imported."""
    before = _HEAVY in sys.modules
    report = yield
    if _is_fast(collector.config) and not before and _HEAVY in sys.modules:
        report.outcome = "failed"
        report.longrepr = (
            f"{collector.nodeid} loads {_HEAVY}: give it `pytestmark = pytest.mark.models`"
        )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note what is loaded before the test and its fixtures."""
    item.stash[_THERE] = _HEAVY in sys.modules
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that makes the fast tests slow."""
    outcome = yield
    if not item.stash[_THERE] and _HEAVY in sys.modules and not item.get_closest_marker("models"):
        pytest.fail(f"this test loads {_HEAVY}: give it `@pytest.mark.models`", pytrace=False)
    return outcome


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of the longest tests first: one that begins last would keep a single process busy at the end."""
    order = {path: rank for rank, path in enumerate(LONGEST_FIRST)}
    last = len(order)

    def rank(item: pytest.Item) -> tuple[int, int]:
        marks = {mark.name for mark in item.iter_markers()}
        weight = 0 if "models" in marks else 1 if "runs" in marks else 2
        return order.get(item.location[0], last), weight

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Let DuckDB work in one thread where nothing else is said: with rows as few as these a second one only waits."""
    connect = duckdb.connect

    def connected(
        file: str, read_only: bool = False, config: Mapping[str, Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        return connect(file, read_only, {"threads": "1", **(config or {})})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", connected)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_command_line() -> Iterator[None]:
    """Build the commands of `pada` once: a process does so once too, but tests call it hundreds of times in theirs."""
    built = cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", built)
        patch.setattr(typer.testing, "_get_command", built)
        yield


@pytest.fixture(scope="session", autouse=True)
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lay tables and views out once, which takes a third of a second, and copy that file into each new store."""
    template = tmp_path_factory.mktemp("store") / "empty.duckdb"
    migrate.lay_out(template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "lay_out", lambda path: shutil.copyfile(template, path))
        yield template
