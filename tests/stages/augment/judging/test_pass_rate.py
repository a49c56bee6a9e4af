"""pass_rate: how often the student is right on each candidate, and what the verdict makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import (
    LabelAnswer,
    Likelihood,
    Message,
    Progress,
    Sampling,
    Student,
    Written,
)
from engine.judging import Gating, PassRate
from engine.metrics import METRICS
from engine.rows import Candidate
from engine.run.student_calls import StudentInCalls
from engine.spec.recipe import Minimum
from engine.stages.augment.judging.acceptance import Acceptance, Evidence, decide
from engine.stages.augment.judging.pass_rate import PASS_RATE, PassRateInputs, PassRateParams
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.forecast import Range, Situation
from engine.stages.outputs import Gated, Generated, Solved
from engine.tasks import TASKS
from tests.stages.augment.six_kinds import small_task
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import adds_up


class Drawing(Student):
    """A student that says one of some texts, by the sample that is asked for; with `nats` it also compares."""

    def __init__(self, *texts: str, nats: Sequence[float] = (), fails: int = 0) -> None:
        self.texts, self.nats, self.fails = texts, nats, fails
        self.sampling: Sampling | None = None

    @property
    def likelihoods(self) -> bool:
        return bool(self.nats)

    def with_adapter(self, adapter: Path) -> Student:
        return self

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        raise AssertionError("the likeliest answer alone is no rate")

    def write(
        self,
        prompts: Iterable[tuple[Message, ...]],
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sampling: Sampling | None = None,
    ) -> list[Written]:
        assert sampling is not None
        self.sampling = sampling
        order = sorted(set(sampling.attempts), key=sampling.attempts.index)
        said = [self.texts[order.index(a) % len(self.texts)] for a in sampling.attempts]
        return [
            Written(text, "away" if order.index(a) < self.fails else "")
            for text, a in zip(said, sampling.attempts, strict=True)
        ]

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        return [[Likelihood(n, 1) for n in self.nats] for _ in prompts]


class Asking(ScriptedContext):
    """A context whose student is given."""

    def __init__(self, student: Student, **others: Any) -> None:
        super().__init__(**others)
        self._student = student

    def student(self) -> Student:
        return self._student


def solve(
    kind: str,
    student: Student,
    *,
    samples: int = 4,
    rejected: bool = False,
    seed: int = 0,
    ctx: ScriptedContext | None = None,
) -> Solved:
    task = small_task(kind)
    metric = METRICS[TASKS[kind].agreement or ""]
    params = PassRateParams(
        task=task.view,
        prompt=TASKS[kind].prompt,
        samples=samples,
        temperature=0.5,
        metric=UsedMetric(name=metric.name, version=1, settings=metric.params()),
    )
    rows: tuple[Candidate, ...] = (task.row,)
    inputs = PassRateInputs(
        task.load,
        Generated(rows),
        Gated(tuple(gating(c.id, "leak" if rejected else "") for c in rows)),
    )
    output = PASS_RATE.run(params, inputs, ctx or Asking(student, seed=seed))
    adds_up(PASS_RATE, params, inputs, output)
    return output


def gating(row: str, reason: str = "") -> Gating:
    return Gating(row, reason, "", "", {}, {})


def test_answers_are_drawn_and_those_that_are_right_counted() -> None:
    right = small_task("numeric").row.target
    student = Drawing(right, "It is 77", "no idea", right)
    (row,) = solve("numeric", student).of(PassRate)
    assert (row.rate, row.n_right, row.n_answers, row.how) == (0.5, 2, 4, "sampled")
    assert student.sampling is not None
    first = student.sampling
    assert first.temperature == 0.5
    assert len(set(first.attempts)) == 4, "samples are askings of their own"
    solve("numeric", student)
    assert student.sampling == first, "the same in every run"
    solve("numeric", student, seed=1)
    assert student.sampling != first, "another seed asks anew"


def test_what_could_not_be_asked_does_not_count() -> None:
    right = small_task("numeric").row.target
    (row,) = solve("numeric", Drawing(right, "1", right, "2", fails=1)).of(PassRate)
    assert (row.n_right, row.n_answers) == (1, 3)
    output = solve("numeric", Drawing("1", fails=9))
    assert [(d.stage, d.reason) for d in output.drops] == [("pass_rate", "backend_failed")]
    assert solve("numeric", Drawing("1"), rejected=True) == Solved()


def test_likelihoods_say_how_often_answers_would_be_right() -> None:
    task = small_task("classification")
    labels = task.view.task(task.load.examples).labels
    nats = [-1.0 if label == task.row.target else -1.5 for label in labels]
    (row,) = solve("classification", Drawing(nats=nats)).of(PassRate)
    odds = 2.718281828 ** (-0.5 / 0.5)
    assert row.rate == pytest.approx(1 / (1 + (len(labels) - 1) * odds))
    assert (row.n_right, row.n_answers, row.how) == (None, None, "label_likelihood")


@pytest.mark.parametrize(
    ("solved", "reason", "told"),
    [
        (PassRate("c", 0.75, 3, 4, "sampled"), "", ""),
        (PassRate("c", 1.0, 4, 4, "sampled"), "pass_rate", "write a harder one"),
        (PassRate("c", 0.1, None, None, "label_likelihood"), "pass_rate", "make the row clear"),
        (None, "pass_rate_failed", ""),
    ],
)
def test_rows_outside_the_band_are_rejected(
    solved: PassRate | None, reason: str, told: str
) -> None:
    rule = Acceptance(minimum=Minimum(), ambiguous="verdict", agreement=0.5, pass_rate=(0.25, 0.75))
    row = small_task("classification").row
    found = decide(rule, row, Evidence(gating(row.id), None, solved))
    assert found.reason == reason
    assert told in found.feedback
    assert not decide(
        Acceptance(minimum=Minimum(), ambiguous="verdict", agreement=0.5),
        row,
        Evidence(gating(row.id), None, solved),
    ).reason


def test_only_a_student_in_calls_costs_calls() -> None:
    task = small_task("numeric")
    metric = METRICS["numeric_match"]
    params = PassRateParams(
        task=task.view, prompt="p", samples=4, temperature=1.0,
        metric=UsedMetric(name=metric.name, version=1, settings=metric.params()),
    )  # fmt: skip
    known = Situation({"train": 9}, Range(1, 2), Range(1, 1), 1, 5.0, True, Range(3, 10))
    forecast = PASS_RATE.expect(params, known)
    assert forecast is not None
    assert forecast.calls == Range(0, 40)
    assert PASS_RATE.expect(params, known._replace(in_calls=False)) is None


def test_a_student_in_calls_is_asked_once_for_each_sample() -> None:
    task = small_task("numeric")
    ctx = Asking(Drawing(), reply=lambda role, request: task.row.target)
    ctx._student = StudentInCalls(ctx)
    (row,) = solve("numeric", Drawing(), ctx=ctx).of(PassRate)
    assert row.n_answers == 4
    assert len({request.id for request in ctx.asked}) == 4, "each is a call of its own"
    assert {request.temperature for request in ctx.asked} == {0.5}
