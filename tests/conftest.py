"""What holds for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples each time, no clock (a slow machine is no fault), and nothing kept in the checkout.
settings.register_profile("suite", max_examples=100, derandomize=True, deadline=None, database=None)
# By hand, for new examples and many of them: pytest --hypothesis-profile search tests/spec
settings.register_profile("search", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile("suite")

HEAVY = "torch"
"""Takes seconds to load, in each process."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files of tests with models where these are not asked for: their imports alone take seconds."""
    if collection_path.suffix != ".py" or "not models" not in config.option.markexpr:
        return None
    text = collection_path.read_text("utf-8")
    return True if "\npytestmark = pytest.mark.models\n" in text else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note whether the heavy library was there before the test and its fixtures."""
    item.stash[_THERE] = HEAVY in sys.modules
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that makes the fast part slow."""
    outcome = yield
    if not item.stash[_THERE] and HEAVY in sys.modules and not item.get_closest_marker("models"):
        pytest.fail(f"this test loads {HEAVY}: give it `@pytest.mark.models`", pytrace=False)
    return outcome


_THERE = pytest.StashKey[bool]()
