"""Many files at once."""

from __future__ import annotations

import pytest

from engine.site import parallel
from engine.site.parallel import for_each, processes_for
from tests.site.crashing import ended, work


def test_a_crash_over_one_item_is_no_matter_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PREPARED", "engine.errors")
    items = list(range(9))
    assert for_each(work, items, ended, 2) == [
        "3 ended it" if item == 3 else f"{item}" for item in items
    ]


def test_processes_are_as_many_as_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "usable_cpus", lambda: 8)
    assert [processes_for(n, None) for n in (0, 1, 4, 5, 400)] == [1, 1, 1, 2, 8]
    assert processes_for(400, 3) == 3
