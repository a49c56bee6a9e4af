"""pair and prefer: which answers make an honest pair, and what a student is tuned with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from engine.backends.protocol import (
    LabelAnswer,
    Message,
    PreferenceLoss,
    Student,
    TooFewPairs,
    TrainingJob,
    TrainingResult,
)
from engine.judging import Verification
from engine.rows import (
    Candidate,
    Decision,
    Drop,
    Example,
    Model,
    Prediction,
    PreferencePair,
    Verdict,
)
from engine.run.execute import check_accounts
from engine.spec.recipe import Preference, Train
from engine.stages.outputs import (
    REPLACES,
    Attempt,
    Decided,
    DecidedRound,
    Generated,
    Judged,
    Loaded,
    Predicted,
    SelectedRows,
    Trained,
    Verified,
)
from engine.stages.preference.honest import comparing, outvoted, wrong_turn
from engine.stages.preference.outputs import Paired, VerifiedAttempt
from engine.stages.preference.pair import PAIR, PairInputs, PairParams
from engine.stages.preference.prefer import PREFER, PreferInputs, PreferParams, tuning_of
from engine.stages.task_view import PromptedTask, StudentPrompts
from engine.stages.train import TRAIN, TrainInputs, before_preferences, without_generated
from engine.tasks import TASKS
from tests.stages.small_task import BROKEN, LATE, LOADED, RUDE, VALIDATION, example, task_view
from tests.stages.small_task import TRAIN as ORIGINAL
from tests.stages.test_training_rows import TrainingContext
from tests.stages.views import view

PROMPT = "tasks/classification.md"
NEW = example("still no box", LATE)
SELECTED = SelectedRows((NEW,))
SETTINGS = Train(
    objective="dpo", steps=10, batch_size=4, preference=Preference(share=0.4, min_pairs=2)
)


class Saying:
    """A student that says what it is told to say by texts, else the right label of the small task's rows."""

    likelihoods = True

    def __init__(self, said: Mapping[str, Mapping[str, str]], adapter: str = "") -> None:
        self._said, self._adapter = said, adapter
        self.asked: list[str] = []

    def with_adapter(self, adapter: Path) -> Saying:
        other = Saying(self._said, adapter.name)
        other.asked = self.asked
        return other

    def choose(
        self, prompts: Sequence[tuple[Message, ...]], labels: Sequence[str], progress: Any = None
    ) -> list[LabelAnswer]:
        found = []
        for turns in prompts:
            text = turns[-1].content
            self.asked.append(text)
            row = next(r for r in (*ORIGINAL, NEW) if r.inputs["text"] in text)
            label = self._said.get(self._adapter, {}).get(row.inputs["text"], row.target)
            found.append(LabelAnswer(label, 0.9))
        return found


class Tuning(TrainingContext):
    """A round 1 whose students say what a test wants."""

    def __init__(self, state: Path, said: Mapping[str, Mapping[str, str]] | None = None) -> None:
        super().__init__(state)
        self.round, self.node = 1, "node"
        self.saying, self.warned = Saying(said or {}), list[str]()

    def student(self) -> Student:
        return cast(Student, self.saying)

    def warn(self, text: str) -> None:
        self.warned.append(text)


class TooLong(Tuning):
    """One where most pairs are too long."""

    def __init__(self, state: Path, fitting: int) -> None:
        super().__init__(state)
        self.fitting = fitting

    def train(self, job: TrainingJob) -> TrainingResult:
        if job.preference is not None and self.fitting < job.preference.least:
            raise TooFewPairs(f"{self.fitting} of {len(job.pairs)} fit")
        return super().train(job)


def student(name: str, steps: int = 6) -> Trained:
    return Trained((Model(name, "w", "d", 7, steps, 1.0, 0.1, None, steps, 2.0, True),))


def candidate(text: str, target: str) -> Candidate:
    return Candidate(
        f"c {text}", ORIGINAL[0].id, "p", "s", "o", 1, {"text": text}, target, "", "", ""
    )


def attempt(rows: Sequence[Candidate], correct: str | None = None) -> Attempt:
    verdicts = [
        Verdict(
            c.id, False, "verify", "", "", None, None, None, None, None, None, None, label_correct=correct
        )
        for c in rows
    ]  # fmt: skip
    return Attempt(1, Generated(tuple(rows)), Judged(tuple(verdicts)))


def blind(c: Candidate, *said: str | None) -> VerifiedAttempt:
    rows = (
        Verification(c.id, n, answer, None, 0.0, "blind", "", None)
        for n, answer in enumerate(said, 1)
    )
    return VerifiedAttempt(1, Verified(tuple(rows)))


def params(settings: Train = SETTINGS) -> PairParams:
    asked = PromptedTask(task=task_view(), prompt=PROMPT)
    metric = comparing(TASKS["classification"])
    assert metric is not None
    return PairParams(
        task=task_view(), prompt=PROMPT, train=settings, metric=metric, answering=asked
    )


def pairs(
    state: Path,
    said: Mapping[str, Mapping[str, str]] | None = None,
    settings: Train = SETTINGS,
    round: int = 1,
    seed: int = 0,
    **given: Any,
) -> Paired:
    inputs = PairInputs(
        **{
            "load": LOADED, "earlier": (SELECTED,), "train": student("now"), "before": student("before"),
            "predict": Predicted(), **given,
        }
    )  # fmt: skip
    context = Tuning(state, said)
    context.round, context.seed = round, seed
    output = PAIR.run(params(settings), inputs, context)
    check_accounts("pair", PAIR.accounts(params(settings), inputs, output))
    shown = {e.inputs["text"] for e in LOADED.evaluation}
    assert not any(text in asked for asked in context.saying.asked for text in shown)
    assert not any(pair.inputs["text"] in shown for pair in output.pairs)
    return output


def told(found: Sequence[PreferencePair]) -> list[tuple[str, str, str, str, int | None]]:
    return [(p.kind, p.inputs["text"], p.chosen, p.rejected, p.answered_in) for p in found]


def test_what_students_say_wrong_to_rows_that_are_trained_on_makes_pairs_the_latest_first(
    tmp_path: Path,
) -> None:
    first, second = (row.inputs["text"] for row in ORIGINAL[:2])
    predictions = [
        Prediction(ORIGINAL[1].id, "train", RUDE, RUDE, "ok", 0.5, "label_likelihood"),
        Prediction(ORIGINAL[0].id, "train", BROKEN, BROKEN, "ok", 0.5, "label_likelihood"),
        Prediction(ORIGINAL[2].id, "train", "", None, "backend_failed", None, ""),
        # Validation rows are never among them, whatever was said to them.
        *(
            Prediction(row.id, "validation", RUDE, RUDE, "ok", 0.5, "label_likelihood")
            for row in VALIDATION
        ),
    ]
    said = {"now": {first: BROKEN}, "before": {"still no box": RUDE}}
    found = pairs(tmp_path, said, predict=Predicted(tuple(predictions)))
    assert told(found.pairs) == [
        ("student_error", first, LATE, BROKEN, 1),
        ("student_error", "still no box", LATE, RUDE, 0),
        ("student_error", second, LATE, RUDE, 0),
    ]
    assert {p.found_in for p in found.pairs} == {1}


def test_a_target_that_blind_answers_or_the_judge_find_wrong_makes_a_pair(tmp_path: Path) -> None:
    wrong, doubted = candidate("it never came", RUDE), candidate("came in pieces", RUDE)
    same = candidate(ORIGINAL[0].inputs["text"], RUDE)
    found = pairs(
        tmp_path,
        attempts=(attempt([wrong, doubted]), attempt([same], "no")),
        verified=(blind(wrong, LATE, LATE), blind(doubted, BROKEN, LATE)),
    )
    assert told(found.pairs) == [
        ("corrected", ORIGINAL[0].inputs["text"], LATE, RUDE, None),
        ("blind_answer", "it never came", LATE, RUDE, None),
    ]
    assert [(p.example, p.candidate) for p in found.pairs] == [
        (ORIGINAL[0].id, same.id),
        (None, wrong.id),
    ]
    # What a round that was rolled back says of its rows is not believed.
    decision = DecidedRound(1, Decided((Decision(True, "", "accuracy", 0.5, 0, True),)))
    assert not pairs(
        tmp_path, attempts=(attempt([wrong]),), verified=(blind(wrong, LATE, LATE),), decided=(decision,)
    ).pairs  # fmt: skip


def test_the_target_of_a_row_that_was_replaced_is_wrong_and_nothing_contradicts_a_training_row(
    tmp_path: Path,
) -> None:
    old = ORIGINAL[0]
    new = replace(example(old.inputs["text"], BROKEN), id="new", columns={REPLACES: old.id})
    taken = Paired(
        tuple(
            PreferencePair(name, "student_error", row.inputs, row.target, row.target, RUDE, row.id, None, 0, 1)
            for name, row in (("gone", old), ("kept", ORIGINAL[1]))
        )
    )  # fmt: skip
    outvoted_row = candidate(old.inputs["text"], BROKEN)
    found = pairs(
        tmp_path,
        {"now": {old.inputs["text"]: BROKEN}, "before": {old.inputs["text"]: BROKEN}},
        earlier=(SelectedRows((new,)),),
        taken=taken,
        attempts=(attempt([outvoted_row]),),
        verified=(blind(outvoted_row, LATE, LATE),),
    )
    assert told(found.pairs) == [
        ("corrected", old.inputs["text"], BROKEN, LATE, None),
        ("student_error", ORIGINAL[1].inputs["text"], LATE, RUDE, 0),
    ]
    assert [(drop.item, drop.reason) for drop in found.drops] == [("gone", "gone")]


def test_a_pair_of_a_round_that_was_rolled_back_stays_where_it_is_found_afresh(
    tmp_path: Path,
) -> None:
    wrong = candidate("it never came", RUDE)
    known: dict[str, Any] = {
        "attempts": (attempt([wrong]),),
        "verified": (blind(wrong, LATE, LATE),),
    }
    (before,) = pairs(tmp_path, **known).pairs
    decision = DecidedRound(1, Decided((Decision(True, "", "accuracy", 0.5, 0, True),)))
    found = pairs(tmp_path, round=2, **known, taken=Paired((before,)), decided=(decision,))
    assert [one.id for one in found.pairs] == [before.id]
    assert not found.drops


def test_no_pair_is_made_of_inputs_whose_training_rows_contradict_one_another(
    tmp_path: Path,
) -> None:
    text = ORIGINAL[0].inputs["text"]
    other = replace(example(text, RUDE), id="other")
    for again in ((other,), (other, replace(ORIGINAL[0], id="again"))):
        rows = SelectedRows(again)
        assert not pairs(tmp_path, {"now": {text: RUDE}}, earlier=(rows,)).pairs


def test_there_are_no_more_pairs_than_there_is_time_to_look_at_once(tmp_path: Path) -> None:
    said = {"now": {row.inputs["text"]: RUDE for row in ORIGINAL[:4]}}
    assert len(pairs(tmp_path, said).pairs) == 4
    # 2 steps of 2 pairs: a pair is two answers, a step looks at as many as it has rows.
    few = SETTINGS.model_copy(update={"preference": Preference(share=0.15, min_pairs=1)})
    assert len(pairs(tmp_path, said, few).pairs) == 4
    most = SETTINGS.model_copy(update={"preference": Preference(share=0.4, max_pairs=3)})
    found = pairs(tmp_path, said, most)
    assert len(found.pairs) == 3
    assert [drop.reason for drop in found.drops] == ["over_limit"]


def test_which_pairs_of_a_kind_come_first_is_drawn_by_the_seed_and_no_matter_of_the_file(
    tmp_path: Path,
) -> None:
    said = {"now": {row.inputs["text"]: RUDE for row in ORIGINAL if row.target != RUDE}}
    most = SETTINGS.model_copy(update={"preference": Preference(share=0.4, max_pairs=3)})

    def chosen(seed: int, rows: Sequence[Example]) -> list[str]:
        found = pairs(tmp_path, said, most, seed=seed, load=Loaded((*rows, *LOADED.evaluation)))
        return [one.inputs["text"] for one in found.pairs]

    drawn = {tuple(chosen(seed, ORIGINAL)) for seed in range(5)}
    assert len(drawn) > 1
    assert drawn == {tuple(chosen(seed, ORIGINAL[::-1])) for seed in range(5)}


def test_two_blind_answers_at_least_must_agree() -> None:
    assert outvoted(RUDE, [LATE, LATE]) == LATE
    for answers in ([LATE], [LATE, BROKEN], [LATE, None], [None, None], [RUDE, RUDE], []):
        assert outvoted(RUDE, answers) is None


@pytest.mark.parametrize(
    ("said", "answer", "wrong"),
    [("The answer is 12.", "12", None), ("13", "13", "13"), ("  ", None, None), ("no idea", None, "no idea")],
)  # fmt: skip
def test_a_right_answer_in_other_words_is_no_wrong_one(
    said: str, answer: str | None, wrong: str | None
) -> None:
    kind = TASKS["numeric"]
    task = PromptedTask(task=view("numeric"), prompt="tasks/numeric.md")
    row = Example("e", "train", {"text": "6 + 6"}, "12", {}, "", 1)
    prompts = StudentPrompts(task, TrainingContext(Path()).prompt(task.prompt), [row])
    assert wrong_turn(prompts, comparing(kind), row, said, answer) == wrong


# Tuning


def tuned(
    state: Path,
    count: int,
    settings: Train = SETTINGS,
    fitting: int | None = None,
    dropped: Sequence[Drop] = (),
) -> tuple[Tuning, PreferInputs, Any]:
    rows = tuple(
        PreferencePair(row.id, "student_error", row.inputs, row.target, row.target, RUDE, row.id, None, 0, 1)
        for row in ORIGINAL[:count]
    )  # fmt: skip
    inputs = PreferInputs(
        load=LOADED,
        earlier=(SELECTED,),
        train=student("models/first"),
        pair=Paired((*rows, *dropped)),
    )
    asked = PreferParams(task=task_view(), prompt=PROMPT, train=settings)
    context = Tuning(state) if fitting is None else TooLong(state, fitting)
    output = PREFER.run(asked, inputs, context)
    check_accounts("prefer", PREFER.accounts(asked, inputs, output))
    return context, inputs, output


def test_a_round_has_as_many_steps_with_preferences_as_without(tmp_path: Path) -> None:
    context, _, output = tuned(tmp_path, 3)
    (job,) = context.jobs
    assert (job.steps, job.batch_size, job.rows, job.validation) == (4, 2, (), ())
    assert job.adapter == tmp_path / "models/first"
    assert job.preference == PreferenceLoss("sigmoid", 0.1, 2)
    assert job.learning_rate == pytest.approx(SETTINGS.learning_rate / 100)
    assert [(p.chosen, p.rejected) for p in job.pairs] == [
        (LATE, RUDE),
        (LATE, RUDE),
        (BROKEN, RUDE),
    ]
    first = TrainingContext(tmp_path)
    taught = PreferParams(task=task_view(), prompt=PROMPT, train=before_preferences(SETTINGS))
    part = TRAIN.run(taught, TrainInputs(load=LOADED, earlier=(SELECTED,)), first)
    assert part.model.interim
    assert first.jobs[0].steps == 6
    assert first.jobs[0].rows[0].messages == job.pairs[0].messages
    assert (output.model.steps, output.model.interim) == (10, False)
    assert (tuning_of(output).supervised_steps, tuning_of(output).steps) == (6, 4)
    assert (tuning_of(output).tuned, tuning_of(output).pairs) == (True, 3)


def test_with_too_few_pairs_the_student_is_the_plain_fine_tune_and_that_is_said(
    tmp_path: Path,
) -> None:
    context, inputs, output = tuned(tmp_path, 1)
    plain = TrainingContext(tmp_path)
    taught = PreferParams(task=task_view(), prompt=PROMPT, train=Train(steps=10, batch_size=4))
    TRAIN.run(taught, TrainInputs(load=LOADED, earlier=inputs.earlier), plain)
    assert context.jobs == plain.jobs
    assert tuning_of(output).reason == (
        "1 pairs of a right and a wrong answer, train.preference.min_pairs is 2"
    )
    assert context.warned == [f"round 1: no preference tuning, {tuning_of(output).reason}"]
    assert (tuning_of(output).tuned, tuning_of(output).left_out, output.model.interim) == (
        False,
        1,
        False,
    )
    over = Drop("pair", "p", "over_limit", "at most 1 pairs")
    reason = tuning_of(tuned(tmp_path, 1, dropped=(over,))[2]).reason
    assert "1 pairs of a right and a wrong answer of 2 that were found are used" in reason
    one = SETTINGS.model_copy(update={"steps": 1})
    assert "one optimizer step" in tuning_of(tuned(tmp_path, 3, one)[2]).reason


def test_where_too_few_pairs_are_short_enough_the_student_is_the_plain_fine_tune(
    tmp_path: Path,
) -> None:
    context, _, output = tuned(tmp_path, 3, fitting=1)
    assert [(job.steps, job.preference) for job in context.jobs] == [(10, None)]
    tuning = tuning_of(output)
    assert (tuning.tuned, tuning.reason, tuning.left_out) == (False, "1 of 3 fit", 3)
    assert context.warned == ["round 1: no preference tuning, 1 of 3 fit"]
    assert tuning_of(tuned(tmp_path, 3, fitting=2)[2]).tuned


def test_the_first_round_knows_no_preferences(tmp_path: Path) -> None:
    assert without_generated(SETTINGS) == Train(steps=10, batch_size=4)
