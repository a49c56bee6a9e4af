"""What holds for all tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from engine.store import migrate

# Many tests start processes: none of them must compile the engine anew, which takes each a second.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The user's own settings are neither read nor written: which state folders are theirs, what recipes may read.
_SETTINGS = tempfile.TemporaryDirectory(prefix="pada-settings-")
os.environ["PADA_CONFIG"] = _SETTINGS.name

# The same examples each time, no clock (a slow machine is no fault), and nothing kept in the checkout.
settings.register_profile("suite", max_examples=100, derandomize=True, deadline=None, database=None)
# A quarter of them where the working loop is what counts.
settings.register_profile("fast", settings.get_profile("suite"), max_examples=25)
# By hand, for new examples and many of them: pytest --hypothesis-profile search tests/spec
settings.register_profile("search", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile("suite")

LONGEST_FIRST = (
    "tests/e2e/test_tiny_runs.py",
    "tests/backends/training/test_finetune.py",
    "tests/e2e/test_real_run.py",
    "tests/e2e/test_recipes.py",
)
"""Files that take minutes."""
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
    """Leave out files of tests with models where these are not asked for: their imports alone take seconds."""
    if collection_path.suffix != ".py" or not _is_fast(config):
        return None
    text = collection_path.read_text("utf-8")
    return True if "\npytestmark = pytest.mark.models\n" in text else None


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
        name = item.path.relative_to(item.config.rootpath).as_posix()
        weight = (
            0 if item.get_closest_marker("models") else 1 if item.get_closest_marker("runs") else 2
        )
        return order.get(name, last), weight

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lay tables and views out once, which takes a third of a second, and copy that file into each new store."""
    template = tmp_path_factory.mktemp("store") / "empty.duckdb"
    migrate.lay_out(template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "lay_out", lambda path: shutil.copyfile(template, path))
        yield template
