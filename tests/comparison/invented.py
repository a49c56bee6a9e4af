"""Arms with made-up students: what each got right, seed by seed, without any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from engine.comparison.arms import Arm, Arms
from engine.comparison.measured import Measured
from engine.comparison.results import Comparison, compare_measured
from engine.comparison.runs import ArmRun
from engine.errors import Location
from engine.report.records import Calls, Scores
from engine.report.records import Measured as Cell
from engine.spec.method import load_method

ROWS = 200
LOWER = "mistakes"
"""A metric of which less is better."""


def right(share: float, seed: int, rows: int = ROWS) -> dict[str, float]:
    """Return a student that gets about a share of the test rows right, easy rows rather than hard ones."""
    generator = np.random.default_rng(seed)
    easy = np.random.default_rng(99).normal(size=rows)
    strength = easy + 0.5 * generator.normal(size=rows)
    bound = np.quantile(strength, 1 - share)
    return {f"e{i:04d}": float(strength[i] >= bound) for i in range(rows)}


def measured(
    name: str,
    students: Sequence[Mapping[str, float]],
    *,
    metric: str = "accuracy",
    budget: int | None = None,
    rounds: int = 1,
    cost: float | None = None,
    **changes: Any,
) -> Measured:
    """Return an arm's students, seeds counted from 0."""
    recipe = SimpleNamespace(loop=SimpleNamespace(rounds=rounds, method="pada"))
    method = load_method("pada", None, Location(""))
    loaded = SimpleNamespace(recipe=recipe, base=None, at=lambda *_: Location(""), method=method)
    project = SimpleNamespace(loaded=loaded)
    arm = Arm(name, cast(Any, project), budget)
    cells = {
        (metric, "test", rounds, seed): Cell(float(np.mean(list(of.values()))), None, None, len(of))
        for seed, of in enumerate(students)
    }
    scores = Scores(
        primary=metric,
        metrics=(metric,),
        percent=frozenset({metric} - {LOWER}),
        lower=frozenset({metric} & {LOWER}),
        unscored=frozenset(),
        seeds=tuple(range(len(students))),
        rounds=(-1, 0, rounds),
        cells=cells,
    )
    call = Calls("teacher", "generate", False, 10, 0, 0, 1000, 500, 0, None, None, cost, 0, 1.0)
    whole: dict[str, Any] = {
        "ran": ArmRun(arm, f"r-{name}", "done"),
        "scores": scores,
        "rounds": {seed: rounds for seed in range(len(students))},
        "values": dict(enumerate(students)),
        "answers": {},
        "params": None,
        "gaps": (0.1,) * len(students),
        "rows": (100,) * len(students),
        "steps": (50,) * len(students),
        "calls": (call,),
        "seconds": 90.0,
    }
    return Measured(**{**whole, **changes})


def compared(*arms: Measured, baseline: str = "vanilla", **unfinished: str) -> Comparison:
    """Return the comparison of some arms."""
    known = Arms(tuple(one.ran.arm for one in arms), baseline)
    return compare_measured(known, arms, unfinished, "last")
