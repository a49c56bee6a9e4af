"""Compares students on test: those that the stop rule chose, every seed against its own round 0, all seeds counted.

A seed whose loop ended early is not left out, and none is compared at a round that only some reached: it counts with
what was chosen for it, be that round 0. Without that, the seeds that go on are those that looked lucky.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.metrics import METRICS, Answered, Scored
from engine.metrics.bootstrap import Estimate, estimate
from engine.report.evidence import Choice, Comparison
from engine.report.records import MINE, LoopDecision, Query, Scores
from engine.rows import CONTROL, UNTUNED
from engine.stages.rounds.track import LEAST
from engine.statistics import Compared, two_way, two_way_mean, widened

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Pairs = Mapping[int, tuple[int, int]]
"""Seed -> the round of its earlier and of its later student."""


def chosen_rounds(scores: Scores, decisions: Sequence[LoopDecision]) -> dict[int, int]:
    """Return the round that the stop rule chose for each seed that has a round 0; its last one without a decision."""
    tested = {
        seed: [r for r in scores.rounds if r >= 0 and scores.at(scores.primary, "test", r, seed)]
        for seed in scores.seeds
    }
    decided = {d.seed: d.best_round for d in decisions if d.stage == "decide"}
    return {
        seed: decided[seed] if decided.get(seed) in rounds else rounds[-1]
        for seed, rounds in tested.items()
        if 0 in rounds
    }


def collect_choices(scores: Scores, chosen: Mapping[int, int]) -> tuple[Choice, ...]:
    """Return each seed's chosen student beside its round 0 and its control."""

    def value(round_: int, seed: int) -> float | None:
        cell = scores.at(scores.primary, "test", round_, seed)
        return None if cell is None else cell.value

    return tuple(
        Choice(seed, round_, value(round_, seed), value(0, seed), value(CONTROL, seed))
        for seed, round_ in sorted(chosen.items())
    )


def compare(
    query: Query, run: str, recipe: Mapping[str, Any], scores: Scores, pairs: Pairs
) -> Comparison | None:
    """Compare two students of each seed on the test examples that all of them were scored on; None without any.

    What is no mean of examples (macro F1, BLEU) is drawn anew: the same examples for both students and all seeds. A
    metric of the recipe's own, in SQL, has nothing to draw: there the two values and their intervals are compared.
    """
    found = _by_example(query, run, scores, pairs)
    if found is not None and (scores.primary not in METRICS or METRICS[scores.primary].is_mean):
        compared = two_way_mean(found)
    elif found is not None and (drawn := _drawn(query, run, recipe, scores, pairs)):
        compared = drawn
    else:
        return _by_intervals(scores, pairs)
    import numpy as np

    means = found.mean(axis=0)
    # Of what is no mean, the values of examples say no more than how many changed.
    better, worse = int(np.sum(means > 0)), int(np.sum(means < 0))
    low, high = widened(compared, means)[1:3]
    return Comparison(
        before=min(before for before, _ in pairs.values()),
        after=tuple(after for _, after in pairs.values()),
        difference=compared.difference,
        low=low,
        high=high,
        n=found.shape[1],
        better=better,
        worse=worse,
        seeds=compared.seeds,
        overlap=low <= 0 <= high or found.shape[1] < LEAST,
    )


def _student(seed: int, round_: int) -> tuple[int, int]:
    """Return seed and round of a student; the untuned one is the same for all seeds."""
    return (0 if round_ == UNTUNED else seed, round_)


def _by_example(query: Query, run: str, scores: Scores, pairs: Pairs) -> Floats | None:
    """Return the differences of scores per seed and common example, shape (seeds, examples); None without any."""
    import numpy as np

    values: dict[tuple[int, int], dict[str, float]] = {}
    for r in query(
        MINE + "SELECT seed, round, example, value FROM score SEMI JOIN mine USING (node, run)"
        " WHERE split = 'test' AND metric = ? AND value IS NOT NULL ORDER BY example",
        [run, scores.primary],
    ):
        values.setdefault(_student(r["seed"], r["round"]), {})[r["example"]] = float(r["value"])
    students = [
        [values.get(_student(seed, before), {}), values.get(_student(seed, after), {})]
        for seed, (before, after) in pairs.items()
    ]
    if not students:
        return None
    every = [student for both in students for student in both]
    common = sorted(set(every[0]).intersection(*every[1:]))
    if not common:
        return None
    return np.array([[later[e] - earlier[e] for e in common] for earlier, later in students])


def _drawn(
    query: Query, run: str, recipe: Mapping[str, Any], scores: Scores, pairs: Pairs
) -> Compared | None:
    """Return the comparison of a metric that is no mean, by drawing the same examples for all students."""
    import numpy as np

    students = {_student(seed, r) for seed, both in pairs.items() for r in both}
    answers = answers_of(query, run, scores.primary, students)
    if answers.keys() != students:
        return None
    metric = METRICS[scores.primary]
    params = params_of(recipe, scores.primary)
    common = sorted(set.intersection(*(set(found) for found in answers.values())))
    estimates: dict[tuple[int, int], Estimate | None] = {
        student: estimate(
            metric, Scored([found[e][0] for e in common], [found[e][1] for e in common]), params, 0
        )
        for student, found in answers.items()
    }
    differences, draws = [], []
    for seed, (before, after) in pairs.items():
        earlier, later = (estimates[_student(seed, r)] for r in (before, after))
        if earlier is None or later is None:
            return None
        differences.append(later.value - earlier.value)
        draws.append(later.draws - earlier.draws)
    return two_way(np.array(differences), np.stack(draws))


def params_of(recipe: Mapping[str, Any], name: str) -> Any:
    """Return the parameters that a recipe (effective, as stored) gives one of the engine's metrics."""
    written: Mapping[str, Any] = next(
        (
            m.get("params", {})
            for m in recipe.get("metrics", [])
            if isinstance(m, Mapping) and m.get("name") == name
        ),
        {},
    )
    return METRICS[name].params.model_validate(written)


def answers_of(
    query: Query, run: str, metric: str, students: set[tuple[int, int]]
) -> dict[tuple[int, int], dict[str, tuple[Answered, float]]]:
    """Return what each student (seed, round) answered to the test examples that have a score, by example."""
    answers: dict[tuple[int, int], dict[str, tuple[Answered, float]]] = {}
    for r in query(
        MINE + ', e AS (SELECT id, any_value("references") AS refs FROM example'
        " SEMI JOIN mine USING (node, run) WHERE split = 'test' GROUP BY id),"
        " s AS (SELECT seed, round, example, value FROM score SEMI JOIN mine USING (node, run)"
        " WHERE split = 'test' AND metric = ? AND value IS NOT NULL)"
        " SELECT p.seed, p.round, p.example, p.answer, p.text, p.confidence, p.reference_nats, p.reference_tokens,"
        " e.refs, s.value FROM prediction p SEMI JOIN mine ON mine.node = p.node AND mine.run = p.run"
        " JOIN e ON e.id = p.example JOIN s ON s.seed = p.seed AND s.round = p.round AND s.example = p.example"
        " WHERE p.split = 'test'",
        [run, metric],
    ):
        student = _student(r["seed"], r["round"])
        if student in students:
            answered = Answered(
                r["answer"], tuple(r["refs"]), r["text"], r["confidence"], r["reference_nats"],
                r["reference_tokens"],
            )  # fmt: skip
            answers.setdefault(student, {})[r["example"]] = (answered, float(r["value"]))
    return answers


def _by_intervals(scores: Scores, pairs: Pairs) -> Comparison | None:
    """Compare the students' values alone; their intervals say whether they overlap."""
    cells = [
        (
            scores.at(scores.primary, "test", before, seed),
            scores.at(scores.primary, "test", after, seed),
        )
        for seed, (before, after) in pairs.items()
    ]
    both = [(earlier, later) for earlier, later in cells if earlier and later]
    if not both or len(both) < len(cells):
        return None
    differences = [later.value - earlier.value for earlier, later in both]
    apart = all(
        earlier.low is not None
        and earlier.high is not None
        and later.low is not None
        and later.high is not None
        and (later.low > earlier.high or later.high < earlier.low)
        for earlier, later in both
    )
    same_way = all(d > 0 for d in differences) or all(d < 0 for d in differences)
    return Comparison(
        before=min(before for before, _ in pairs.values()),
        after=tuple(after for _, after in pairs.values()),
        difference=sum(differences) / len(differences),
        low=None,
        high=None,
        n=max(later.n for _, later in both),
        better=0,
        worse=0,
        seeds=tuple(differences),
        overlap=not (apart and same_way),
    )
