"""pattern_life, from what the stages write to what SQL says: patterns are fixed, regress, are split and merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from engine import rows as r
from engine.stages.outputs import Tracked
from engine.store import Store, rows
from tests.stages.rounds.test_track import CONTROL, fails, history, without
from tests.store.small import info, start

pytestmark = pytest.mark.runs


def pattern(name: str) -> r.Pattern:
    return r.Pattern(name, name, "", None, 9, (1.0,), None, None, None)


def lives(
    state: Path,
    tracked: Sequence[Tracked],
    found: Mapping[int, Sequence[str]],
    links: Mapping[int, Sequence[r.PatternLink]],
) -> dict[str, list[str]]:
    """Return the lives of each pattern, round by round, as the view has them.

    Args:
        state: The store's folder.
        tracked: What is said of the patterns after each later fine-tune.
        found: By round, the patterns that its clustering found.
        links: By round, what these have to do with earlier ones.
    """
    store = Store.open(state)
    nodes = [
        *((info(f"cluster{n}", "cluster", round=n), links.get(n, ())) for n in found),
        *((info(f"name{n}", "name", round=n), [pattern(p) for p in found[n]]) for n in found),
        *((info(f"track{n}", "track", round=n), one.rows) for n, one in enumerate(tracked, 1)),
    ]
    with store.lock_run():
        run = start(store)
        for position, (node, written) in enumerate(nodes):
            store.write_node(run, node, written, f"content-{node.id}")
            store.link_node(run, node.id, node.name, position, "done")
        store.end_run(run, "done")
    told = rows(
        state,
        "SELECT pattern, list(life ORDER BY round) AS lives FROM all_pattern_life GROUP BY pattern",
    )
    return {row["pattern"]: row["lives"] for row in told}


def test_a_history_has_fixed_regressed_split_and_merged_patterns(tmp_path: Path) -> None:
    links = [
        r.PatternLink("p-part", "p1", "split", 5, 0.9, 0.8),
        r.PatternLink("p0", "p2", "merged", 5, None, 0.8),
    ]
    tracked = history(without(0, 3), without(0, 20), CONTROL, without(0, 20), links=links)
    told = lives(
        tmp_path, tracked, {0: ("p0", "p1", "p2", "p3"), 4: ("p0", "p1", "p-part")}, {4: links}
    )
    assert told["p0"] == ["new", "shrinking", "fixed", "regressed", "fixed"]
    assert (told["p1"][-1], told["p-part"]) == ("split", ["split"])
    assert told["p2"][-1] == "merged"
    # The row of the split names where it came from, that of the merger what went in.
    named = rows(
        tmp_path,
        "SELECT pattern, split_from, merged FROM all_pattern_life WHERE split_from IS NOT NULL OR len(merged) > 0"
        " ORDER BY pattern",
    )
    assert [tuple(row.values()) for row in named] == [("p-part", "p1", []), ("p0", None, ["p2"])]


def test_a_student_with_random_answers_has_no_fixed_pattern(tmp_path: Path) -> None:
    random = (fails(f"round {n}") for n in range(4))
    tracked = history(*random, before=fails("before"), control=fails("control"))
    told = lives(tmp_path, tracked, {0: ("p0", "p1", "p2", "p3")}, {})
    assert len(told) == 4
    assert all(life[0] == "new" for life in told.values())
    assert "fixed" not in {one for life in told.values() for one in life}
