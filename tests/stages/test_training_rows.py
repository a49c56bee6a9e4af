"""train: which rows the student learns from, in which order, and for how many steps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.protocol import TrainingJob, TrainingResult
from engine.fingerprint import digest
from engine.rows import Decision, Model
from engine.run.execute import check_accounts
from engine.spec.recipe import Train
from engine.stages.division import Divide, selection_part
from engine.stages.outputs import REPLACES, Decided, DecidedRound, Loaded, SelectedRows
from engine.stages.task_view import Shots
from engine.stages.train import (
    TRAIN,
    TrainInputs,
    TrainParams,
    steps_of,
    training_set,
    without_generated,
)
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import BROKEN, LATE, LOADED, example, task_view
from tests.stages.small_task import TRAIN as ORIGINAL

FIRST = SelectedRows((example("still no box", LATE), example("no box again", LATE)))
SECOND = SelectedRows((example("the lid was off", BROKEN),))


PARAMS = TrainParams(task=task_view(), prompt="tasks/classification.md", shots=None, train=Train())


class TrainingContext(ScriptedContext):
    """Keeps the job that it was given."""

    def __init__(self, state: Path) -> None:
        super().__init__()
        self.state, self.jobs = state, list[TrainingJob]()

    def model_path(self, role: str) -> Path:
        assert role == "student"
        return self.state / "student"

    def train(self, job: TrainingJob) -> TrainingResult:
        self.jobs.append(job)
        return TrainingResult(
            adapter=self.state / "models" / "node" / "adapter", weights="w", steps=job.steps, epochs=2.0,
            train_loss=0.5, validation_loss=None, chosen_step=job.steps, seconds=1.0,
        )  # fmt: skip


def run(
    state: Path,
    settings: Train,
    earlier: Sequence[SelectedRows] = (FIRST, SECOND),
    shots: Shots | None = None,
    loaded: Loaded = LOADED,
) -> tuple[TrainingJob, Model]:
    params = TrainParams(
        task=task_view(), prompt="tasks/classification.md", shots=shots, train=settings
    )
    context = TrainingContext(state)
    output = TRAIN.run(params, TrainInputs(load=loaded, earlier=tuple(earlier)), context)
    (job,) = context.jobs
    return job, output.model


def test_the_training_set_is_the_original_rows_and_then_every_rounds_in_order() -> None:
    rows = training_set(TrainInputs(load=LOADED, earlier=(FIRST, SECOND)))
    assert rows == [*ORIGINAL, *FIRST.examples, *SECOND.examples]
    assert training_set(TrainInputs(load=LOADED)) == ORIGINAL


def test_rows_that_came_since_the_best_round_are_kept_out_once_a_round_is_rolled_back(
    tmp_path: Path,
) -> None:
    third = SelectedRows((example("my lid is off", BROKEN),))
    earlier = (FIRST, SECOND, third)

    def decided(number: int, best: int, *, back: bool) -> DecidedRound:
        decision = Decision(True, "", "accuracy", 0.5, best, back)
        return DecidedRound(number, Decided((decision,)))

    kept = TrainInputs(LOADED, earlier, (decided(1, 1, back=False), decided(2, 1, back=True)))
    # Round 2 was trained on what round 1 had added to that of round 0.
    assert training_set(kept) == [*ORIGINAL, *FIRST.examples, *third.examples]
    output = TRAIN.run(PARAMS, kept, TrainingContext(tmp_path))
    assert [(d.item, d.reason) for d in output.drops] == [(SECOND.examples[0].id, "rolled_back")]
    assert output.model.rows == len(training_set(kept))
    check_accounts("train", TRAIN.accounts(PARAMS, kept, output))
    none = TrainInputs(LOADED, earlier[:2], (decided(1, 0, back=True),))
    assert training_set(none) == [*ORIGINAL, *SECOND.examples]
    tolerated = TrainInputs(LOADED, earlier, (decided(1, 0, back=False), decided(2, 0, back=True)))
    assert training_set(tolerated) == [*ORIGINAL, *third.examples]


def test_a_row_with_another_target_is_trained_on_in_place_of_the_original_one(
    tmp_path: Path,
) -> None:
    old = ORIGINAL[0]
    new = replace(example(old.inputs["text"], BROKEN), id="new", columns={REPLACES: old.id})
    given = TrainInputs(load=LOADED, earlier=(FIRST, SelectedRows((new,))))
    assert training_set(given) == [*ORIGINAL[1:], *FIRST.examples, new]
    context = TrainingContext(tmp_path)
    output = TRAIN.run(PARAMS, given, context)
    assert [(d.item, d.reason) for d in output.drops] == [(old.id, "replaced")]
    assert context.jobs[0].generated == len(FIRST.examples) + 1
    check_accounts("train", TRAIN.accounts(PARAMS, given, output))


def test_every_row_is_taught_with_its_answer_and_no_evaluation_row_is(tmp_path: Path) -> None:
    job, model = run(tmp_path, Train())
    rows = [*ORIGINAL, *FIRST.examples, *SECOND.examples]
    assert [row.completion for row in job.rows] == [row.target for row in rows]
    for row, taught in zip(rows, job.rows, strict=True):
        assert row.inputs["text"] in taught.messages[-1].content
    said = " ".join(turn.content for row in job.rows for turn in row.messages)
    assert not any(e.inputs["text"] in said for e in LOADED.evaluation)
    assert job.validation == ()
    assert model.rows == len(rows)
    assert model.data == digest([row.id for row in rows])
    assert model.path == "models/node/adapter"


def test_validation_rows_are_only_looked_at_to_choose_the_best_step(tmp_path: Path) -> None:
    job, _ = run(tmp_path, Train(checkpoint="best"))
    chosen = [e.target for e in LOADED.split("validation")]
    assert [row.completion for row in job.validation] == chosen != []


def test_shown_rows_are_training_rows_and_never_the_row_itself(tmp_path: Path) -> None:
    job, _ = run(tmp_path, Train(), shots=Shots(n=2))
    for taught in job.rows:
        shown = [turn.content for turn in taught.messages if turn.role == "user"]
        assert len(shown) == 3
        assert shown[-1] not in shown[:-1]


def test_a_round_takes_as_many_steps_as_the_first_whatever_it_adds(tmp_path: Path) -> None:
    settings = Train(epochs=3, batch_size=4)
    assert run(tmp_path, settings)[0].steps == run(tmp_path, settings, earlier=[])[0].steps == 5
    assert steps_of(Train(epochs=0.1), 6) == 1
    assert steps_of(Train(epochs=9, steps=7), 100) == 7


def test_with_steps_per_row_no_original_row_is_seen_less_because_rows_were_added(
    tmp_path: Path,
) -> None:
    settings = Train(epochs=4, batch_size=2, steps="per_row")
    assert len(ORIGINAL) == 6
    assert run(tmp_path, settings, earlier=[])[0].steps == 12 == steps_of(settings, 6)
    assert run(tmp_path, settings, earlier=[FIRST])[0].steps == 16
    assert run(tmp_path, settings)[0].steps == 18
    weighed = Train(epochs=4, batch_size=2, steps="per_row", mix=0.5)
    assert run(tmp_path, weighed)[0].steps == 15
    # A number and `epochs` are of the original rows, whatever the weight.
    assert steps_of(Train(epochs=4, batch_size=2, mix=2.0), 6, 3) == 12
    assert steps_of(Train(steps=7, mix=2.0), 6, 3) == 7


def test_the_training_is_told_which_rows_were_generated_and_how_they_count(tmp_path: Path) -> None:
    job, _ = run(tmp_path, Train(mix=0.5, order="generated_first"))
    assert (job.generated, job.mix, job.order) == (3, 0.5, "generated_first")
    assert [row.completion for row in job.rows[-job.generated :]] == [LATE, LATE, BROKEN]
    job, _ = run(tmp_path, Train(), earlier=[])
    assert (job.generated, job.mix, job.order) == (0, 1.0, "mixed")


def test_what_concerns_generated_rows_decides_nothing_without_them() -> None:
    for settings in (Train(mix=0.5), Train(order="generated_first"), Train(steps="per_row")):
        assert without_generated(settings) == Train()
    assert without_generated(Train(steps=9, r=4)) == Train(steps=9, r=4)


def test_the_order_of_rows_is_part_of_what_the_model_was_trained_on(tmp_path: Path) -> None:
    one, other = (
        run(tmp_path, Train(), earlier=rounds)[1] for rounds in ([FIRST, SECOND], [SECOND, FIRST])
    )
    assert one.data != other.data


def test_a_student_that_is_not_trained_has_no_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not trained"):
        run(tmp_path, Train(method="none"))


def test_checkpoints_are_chosen_on_the_part_of_validation_that_was_not_analysed(
    tmp_path: Path,
) -> None:
    rows = [example(f"row {i}", LATE, "validation") for i in range(300)]
    loaded = Loaded((*ORIGINAL, *rows))

    def validation(divide: Divide | None) -> list[str]:
        params = TrainParams(
            task=task_view(),
            prompt="tasks/classification.md",
            train=Train(checkpoint="best"),
            divide=divide,
        )
        context = TrainingContext(tmp_path)
        TRAIN.run(params, TrainInputs(load=loaded), context)
        return [row.messages[-1].content for row in context.jobs[0].validation]

    part = selection_part(loaded, "auto")
    texts = [row.inputs["text"] for row in rows if row.id in part]
    chosen = validation("auto")
    assert len(chosen) == 150
    assert all(text in shown for text, shown in zip(texts, chosen, strict=True))
    assert len(validation(False)) == len(validation(None)) == 300


def test_a_training_seed_of_its_own_takes_the_place_of_the_loops(tmp_path: Path) -> None:
    for seed in (None, 17):
        params = TrainParams(
            task=task_view(), prompt="tasks/classification.md", train=Train(), seed=seed
        )
        context = TrainingContext(tmp_path)
        TRAIN.run(params, TrainInputs(load=LOADED), context)
        assert context.jobs[0].seed == (0 if seed is None else seed)
