"""No fingerprint and no default changes unnoticed: results of finished runs are reused by them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from engine.plan.graph import Plan
from tests.plan.golden import (
    WRITE,
    Known,
    changed_defaults,
    changed_nodes,
    fingerprints,
    known,
    plans,
    read_fingerprints,
    read_known,
)

OTHER_NODES = """fingerprints of shipped recipes are not those written down. It begins with:
  {}
Every project computes these nodes anew, and all that follows from them. Is that meant?
- If the same inputs give other rows now, raise the `version` of the stage, task kind, metric, gate … behind it.
- If they give the same rows, no fingerprint should change: a new parameter needs a default that means "as before".
Then write them down: {}"""
OTHER_DEFAULTS = """defaults changed, and their versions did not:
  {}
A field that equals its default leaves no trace in a fingerprint: rows made with the old value would pass for rows made
with the new one. Raise the `version` of what is named (a stage, task kind, metric, gate …), then: {}"""
MORE_DEFAULTS = """what takes part in fingerprints is not what is written down in tests/plan/golden/defaults.json.
A new field is fine if its default means "as before"; if not, raise the `version` that it belongs to. Then: {}"""


@cache
def compiled() -> dict[str, Plan]:
    return plans()


def test_fingerprints_of_the_shipped_recipes_are_those_written_down() -> None:
    causes = changed_nodes(compiled(), read_fingerprints())
    assert not causes, OTHER_NODES.format("\n  ".join(causes[:20]), WRITE)
    assert fingerprints(compiled()) == read_fingerprints()


def test_no_default_changes_without_a_new_version() -> None:
    now, written = known(), read_known()
    wrong = changed_defaults(now, written)
    assert not wrong, OTHER_DEFAULTS.format("\n  ".join(wrong), WRITE)
    assert now == written, MORE_DEFAULTS.format(WRITE)


def test_of_changed_nodes_the_causes_are_named_and_not_what_follows() -> None:
    now = {"quickstart": compiled()["quickstart"]}
    written = fingerprints(now)
    assert changed_nodes(now, written) == []
    for name in ("judge-0", "select"):
        written["quickstart"][f"seed-0/round-0/{name}"] = "another"
    written["quickstart"]["lost"] = "x"
    assert changed_nodes(now, written) == [
        "quickstart: seed-0/round-0/judge-0 (stage judge)",
        "quickstart: lost is gone",
    ]
    del written["quickstart"]["load"]
    assert changed_nodes(now, written)[0] == "quickstart: load (stage load)"
    assert changed_nodes({}, {"old": {}}) == ["old is gone"]


def test_a_default_may_change_only_with_its_version() -> None:
    before = {"stage judge": Known(4, {"JudgeParams.share": 0.5})}
    other = Known(4, {"JudgeParams.share": 0.6, "JudgeParams.more": 1})
    assert changed_defaults({"stage judge": other}, before) == [
        "stage judge, version 4: JudgeParams.share was 0.5 and is 0.6"
    ]
    assert changed_defaults({"stage judge": other._replace(version=5)}, before) == []
    assert changed_defaults({"stage new": other}, before) == []


def test_nested_defaults_are_written_down_too() -> None:
    found = known()
    train = found["stage train"].defaults
    # The recipe's own part, nested in the stage's parameters, and the shots nested in the task.
    assert (train["Train.learning_rate"], train["Shots.seed"]) == (1e-3, 0)
    assert found["stage judge"].defaults["Minimum.adherence"] == 1
    assert found["gate leak"].defaults["LeakLimits.ngram"] == 5
    # What decides nothing is no part of it.
    assert "MeasuredServer.key" not in found["stage benchmark"].defaults
    assert {name.rsplit(" ", 1)[0] for name in found} == {
        "stage", "task kind", "metric", "operator", "clusterer", "gate",
    }  # fmt: skip


def test_nothing_of_this_machine_is_in_an_identity() -> None:
    here = str(Path.cwd())
    for plan in compiled().values():
        for node in plan.nodes.values():
            assert here not in str(node.identity)
            assert not re.search(r"0x[0-9a-f]{6,}", str(node.identity)), "an address in memory"
