"""Nothing vanishes: of what comes into a node, all is handed on or dropped, or the run ends with the numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.errors import InternalError
from engine.judging import Gating, Verification
from engine.project import Project
from engine.rows import (
    Benchmark,
    ClusterMember,
    Diagnosis,
    DrawnFailure,
    Drop,
    Pattern,
    PatternMember,
    PatternRow,
    PatternShare,
    PatternStatus,
    PatternTest,
    PatternTestRow,
    Prediction,
    Rating,
    Row,
    Score,
    Selected,
    Strategy,
    Verdict,
)
from engine.run.execute import check_accounts
from engine.stages import STAGES, AnyStage
from engine.stages.evaluate.benchmark import (
    BENCHMARK,
    BenchmarkInputs,
    BenchmarkParams,
    ServedStudent,
)
from engine.stages.outputs import Benchmarked, Loaded, Output, Trained
from engine.stages.protocol import Account, Context, Inputs, Stage
from tests.e2e.runs import rows
from tests.e2e.scripted_project import write_project
from tests.stages.views import view

pytestmark = pytest.mark.runs

EXECUTE = import_module("engine.run.execute")
NOTHING_TO_COUNT = {
    "given": "it takes an adapter over, no rows",
    "load": "no node comes before it",
    "slice": "a part counts what could be scored of it",
    "decide": "its one decision drops nothing",
    "generate": "how many rows come back is known from the replies alone",
}
COUNTED: dict[str, tuple[type[Row], ...]] = {
    "predict": (Prediction,),
    "rate": (Rating,),
    "score": (Score,),
    "draw": (DrawnFailure,),
    "diagnose": (Diagnosis,),
    "cluster": (ClusterMember,),
    "name": (Pattern, PatternMember),
    "confirm": (PatternTest, PatternTestRow),
    "strategy": (Strategy,),
    "gate": (Gating,),
    "verify": (Verification,),
    "judge": (Verdict,),
    "select": (Selected, Drop),
    "track": (PatternStatus, PatternRow),
    "allot": (PatternShare,),
}
"""Stage -> the rows of which none may be lost."""
CHANGES: dict[str, Any] = {
    "METRICS": "[accuracy, macro_f1, {name: tone, judge: {rubric: Is it kind., scale: [1, 3]}}]",
    # So that some accepted rows are more than are wanted.
    # Twenty failed rows and twenty others are the fewest on which a pattern is tested.
    "PATTERNS": "{diagnose: 12, cluster: {k: 3}, confirm: 40, fund: [confirmed, weak, refuted]}",
    "ROWS": "4",
    "OVERSAMPLE": "3",
    # Answers are any: they are recorded alone.
    "VERIFY": "{samples: 1, agreement: 0}",
}


class Ran(NamedTuple):
    """One call of a stage."""

    params: Any
    inputs: Inputs
    output: Output


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Ran]]]:
    """Run a whole loop; returns what each stage was given and what it handed on."""
    found: dict[str, list[Ran]] = defaultdict(list)

    def watched(stage: AnyStage) -> AnyStage:
        def run(params: Any, inputs: Inputs, ctx: Context) -> Output:
            output: Output = stage.run(params, inputs, ctx)
            found[stage.name].append(Ran(params, inputs, output))
            return output

        return replace(stage, run=run)

    folder = tmp_path_factory.mktemp("accounts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EXECUTE, "STAGES", {name: watched(stage) for name, stage in STAGES.items()})
        assert Project.open(
            write_project(folder / "project", validation=60, **CHANGES), folder / "state"
        ).run()
        yield found


def test_numbers_that_add_up_pass_and_others_are_told() -> None:
    check_accounts(
        "seed-0/round-0/judge-1", [Account("candidates", 5, 3, 2), Account("rows", 1, 1)]
    )
    with pytest.raises(InternalError) as caught:
        check_accounts("seed-0/round-0/judge-1", [Account("candidates", 5, 3, 1)])
    assert str(caught.value) == (
        "seed-0/round-0/judge-1: 5 candidates came in, but 3 are handed on and 1 dropped"
    )


def test_every_stage_that_has_something_to_count_has_accounts() -> None:
    (default,) = (field.default for field in fields(Stage) if field.name == "accounts")
    silent = {stage.name for stage in STAGES.values() if stage.accounts is default}
    assert silent == NOTHING_TO_COUNT.keys()
    # Their one row, or rows, count others; here there is no log (tests/e2e/test_logged.py), and nothing breaks
    # (tests/stages/rounds/test_guard.py) nor is mined (tests/e2e/test_mining.py), and the student is not asked about
    # candidates (tests/stages/augment/judging/test_pass_rate.py).
    mining = {"shortlist", "ask_pool", "mine", "mine_by_teacher", "mine_by_judge"}
    preference = {"pair", "prefer"}
    others = {"train", "benchmark", "logged", "guard", "pass_rate", "mend", *preference, *mining}
    assert COUNTED.keys() | silent | others == STAGES.keys()


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, kinds in COUNTED.items() for kind in kinds],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)  # fmt: skip
def test_a_lost_row_is_an_error(name: str, kind: type[Row], ran: dict[str, list[Ran]]) -> None:
    stage = STAGES[name]
    tried = 0
    for params, inputs, output in ran[name]:
        check_accounts(name, stage.accounts(params, inputs, output))
        lost = next((row for row in output.rows if isinstance(row, kind)), None)
        if lost is None:
            continue
        kept = tuple(row for row in output.rows if row is not lost)
        with pytest.raises(InternalError, match=f"^{name}: .* came in"):
            check_accounts(name, stage.accounts(params, inputs, type(output)(kept)))
        tried += 1
    assert tried, f"no {kind.__name__} in this run"


def test_a_fine_tune_on_fewer_rows_than_there_are_is_an_error(ran: dict[str, list[Ran]]) -> None:
    for params, inputs, output in ran["train"]:
        assert isinstance(output, Trained)
        fewer = Trained((replace(output.model, rows=output.model.rows - 1),))
        with pytest.raises(InternalError, match="training rows came in"):
            check_accounts("train", STAGES["train"].accounts(params, inputs, fewer))


def test_a_concurrency_that_is_not_reported_is_an_error() -> None:
    params = BenchmarkParams(
        task=view("classification"),
        prompt="",
        requests=5,
        concurrency=(1, 4),
        max_tokens=8,
        split="test",
        server="auto",
        place=ServedStudent(model="m", device="cpu", dtype="auto"),
    )

    def measured(*concurrencies: int) -> Iterable[Account]:
        figures = (
            Benchmark("student", "s", c, 5, 0, "tokens_per_second", 5, 1, 1, 1, 1, 1)
            for c in concurrencies
        )
        inputs = BenchmarkInputs(Loaded())
        return BENCHMARK.accounts(params, inputs, Benchmarked(tuple(figures)))

    check_accounts("benchmark", measured(1, 1, 4))
    with pytest.raises(InternalError, match="2 concurrencies came in, but 1 are handed on"):
        check_accounts("benchmark", measured(1, 1))


def test_a_run_in_which_rows_vanish_ends_with_the_numbers_and_keeps_nothing_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = STAGES["diagnose"]

    def lossy(params: Any, inputs: Inputs, ctx: Context) -> Output:
        output: Output = stage.run(params, inputs, ctx)
        return type(output)(output.rows[1:])

    monkeypatch.setattr(EXECUTE, "STAGES", {**STAGES, "diagnose": replace(stage, run=lossy)})
    project = Project.open(write_project(tmp_path / "project"), tmp_path / "state")
    with pytest.raises(InternalError, match="16 drawn failures came in, but 15 are handed on"):
        project.run()
    ended = rows(tmp_path / "state", "SELECT status, note FROM run")
    assert ended[0]["status"] == "failed"
    assert "seed-0/round-0/diagnose: 16 drawn failures" in ended[0]["note"]
    done = rows(tmp_path / "state", "SELECT stage FROM node")
    assert "score" in {row["stage"] for row in done}
    assert "diagnose" not in {row["stage"] for row in done}
    assert rows(tmp_path / "state", "SELECT count(*) AS n FROM diagnosis") == [{"n": 0}]
