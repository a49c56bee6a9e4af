"""The six kinds of tasks, each with a few rows, answers of a student, and what the teacher is asked of its failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.rows import (
    Diagnosis,
    DrawnFailure,
    Example,
    Failure,
    Pattern,
    PatternMember,
    Prediction,
    Score,
    Split,
)
from engine.spec.pack import find_packs, read_pack
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.confirm import CONFIRM, ConfirmInputs, ConfirmParams
from engine.stages.analyse.diagnose import DIAGNOSE, DiagnoseInputs, DiagnoseParams
from engine.stages.analyse.name import NAME, NameInputs, NameParams
from engine.stages.analyse.strategy import (
    STRATEGY,
    OfferedOperator,
    StrategyInputs,
    StrategyParams,
)
from engine.stages.analyse.taxonomy import OfferedCategory
from engine.stages.blocks import Briefing
from engine.stages.outputs import (
    Attempt,
    Clustered,
    Confirmed,
    Diagnosed,
    Drafted,
    Drawn,
    Loaded,
    NamedPatterns,
    Predicted,
    Scored,
)
from engine.stages.task_view import TaskView
from tests.plan.fake_resources import reply_schema_of
from tests.stages.scripted_context import Reply, ScriptedContext
from tests.stages.views import view

PACKS = ("small", "standard", "frontier")


@dataclass(frozen=True)
class Case:
    """A task with rows and a student's answers to the validation rows."""

    task: TaskView
    rows: tuple[Example, ...]
    predictions: tuple[Prediction, ...]
    """Of the validation rows; the student fails where the answer is not the target."""

    @property
    def loaded(self) -> Loaded:
        return Loaded(self.rows)

    @property
    def validation(self) -> list[Example]:
        return [e for e in self.rows if e.split == "validation"]

    @property
    def failures(self) -> list[Failure]:
        answers = {p.example: p.answer for p in self.predictions}
        return [
            Failure(e.id, "validation", answers[e.id], e.target, "accuracy < 1")
            for e in self.validation
            if answers[e.id] not in e.references
        ]

    @property
    def scored(self) -> Scored:
        failing = {f.example for f in self.failures}
        scores = [
            Score(p.example, "validation", "accuracy", float(p.example not in failing))
            for p in self.predictions
        ]
        return Scored((*scores, *self.failures))


def case(
    kind: str,
    train: Sequence[tuple[Mapping[str, str], Any]],
    validation: Sequence[tuple[Mapping[str, str], Any, str]],
    description: str = "",
    **params: Any,
) -> Case:
    """Return a task from (inputs, target) and (inputs, target, what the student says)."""
    task = view(kind, target="right", description=description, **params)
    entry = task.entry

    def row(split: Split, number: int, inputs: Mapping[str, str], target: Any) -> Example:
        reference = entry.reference(inputs, target, task.settings)
        return Example(
            f"{split} {number}", split, inputs, reference.target, {}, "rows.jsonl", number,
            reference.references,
        )  # fmt: skip

    rows = [row("train", i, inputs, target) for i, (inputs, target) in enumerate(train)]
    held = [
        row("validation", i, inputs, target) for i, (inputs, target, _) in enumerate(validation)
    ]
    known = task.task(rows)
    predictions = []
    for example, (_, _, said) in zip(held, validation, strict=True):
        answer = entry.read(said, example.inputs, known)
        chosen = kind == "classification" and not params
        predictions.append(
            Prediction(
                example.id, "validation", said, answer, "unparsable" if answer is None else "ok",
                0.62 if chosen else None, "how",
            )
        )  # fmt: skip
    return Case(task, (*rows, *held), tuple(predictions))


PARAGRAPH = "The old mill at Brook was built in 1802 by Anna Reed and burned down in 1911."
KINDS: dict[str, Callable[[], Case]] = {
    "classification": lambda: case(
        "classification",
        [
            ({"text": "my box is two days late"}, "late"),
            ({"text": "the parcel has not come yet"}, "late"),
            ({"text": "half of the eggs are cracked"}, "broken"),
            ({"text": "your driver shouted at me"}, "rude"),
        ],
        [
            ({"text": "nobody rang the bell all afternoon with my dinner"}, "late", "rude"),
            ({"text": "it came so late that the milk had burst"}, "broken", "late"),
            ({"text": "he swore at my dog and threw the box"}, "rude", "no idea"),
            ({"text": "where is my box"}, "late", "late"),
        ],
        "Messages to a shop; the label says what is wrong.",
    ),
    "several labels": lambda: case(
        "classification",
        [
            ({"text": "late and cracked"}, ["late", "broken"]),
            ({"text": "he shouted"}, ["rude"]),
            ({"text": "thank you"}, []),
        ],
        [
            ({"text": "two days overdue, and the jar leaks"}, ["late", "broken"], "late"),
            ({"text": "all is well now"}, [], "rude"),
            ({"text": "he swore"}, ["rude"], "rude"),
        ],
        many=True,
    ),
    "extraction": lambda: case(
        "extraction",
        [
            ({"context": PARAGRAPH, "question": "Who built the mill?"}, ["Anna Reed", "Reed"]),
            ({"context": PARAGRAPH, "question": "When did it burn down?"}, ["1911"]),
        ],
        [
            ({"context": PARAGRAPH, "question": "Where is the mill?"}, ["Brook"], "1802"),
            ({"context": PARAGRAPH, "question": "When was it built?"}, ["1802", "in 1802"], ""),
            ({"context": PARAGRAPH, "question": "What burned down?"}, ["The old mill"], "The old mill"),
        ],
        context="context",
    ),
    "multiple_choice": lambda: case(
        "multiple_choice",
        [
            ({"question": "What melts ice?", "options": "A. heat\nB. shade"}, "A"),
            ({"question": "What do bees make?", "options": "A. milk\nB. honey\nC. silk"}, "B"),
        ],
        [
            ({"question": "What do plants need?", "options": "A. light\nB. noise"}, "A", "B"),
            ({"question": "What is a solid?", "options": "A. steam\nB. ice\nC. water"}, "B", "well"),
            ({"question": "What barks?", "options": "A. a dog\nB. a hen"}, "A", "A"),
        ],
        options="options",
    ),
    "numeric": lambda: case(
        "numeric",
        [
            ({"question": "Ann has 3 bags of 4 apples. How many?"}, "3 * 4 = <<3*4=12>>12\n#### 12"),
            ({"question": "Bo eats 2 of 9 nuts. How many are left?"}, "9 - 2 = <<9-2=7>>7\n#### 7"),
        ],
        [
            ({"question": "4 boxes hold 6 eggs each. How many eggs?"}, "4 * 6 = 24\n#### 24", "4 + 6 = 10\n#### 10"),
            ({"question": "A pen costs $2, a book $3 more. Both?"}, "2 + 3 = 5\n2 + 5 = 7\n#### 7", "It depends."),
            ({"question": "1 and 1?"}, "1 + 1 = 2\n#### 2", "#### 2"),
        ],
    ),
    "structured": lambda: case(
        "structured",
        [
            ({"text": "a table for two at 7"}, {"people": "two", "time": "7"}),
            ({"text": "at noon please"}, {"time": "noon"}),
        ],
        [
            ({"text": "not at 6, at 8"}, {"time": "8"}, '{"time": "6"}'),
            ({"text": "we are five, about nine o'clock"}, {"people": "five", "time": "nine o'clock"}, "five at nine"),
            ({"text": "for three"}, {"people": "three"}, '{"people": "three"}'),
        ],
        json_schema={
            "type": "object",
            "properties": {
                "people": {"type": "string", "maxLength": 60},
                "time": {"type": "string", "maxLength": 60},
            },
            "additionalProperties": False,
        },
    ),
    "generation": lambda: case(
        "generation",
        [
            ({"wishes": "people: 2, time: 7"}, "A table for 2 at 7, please."),
            ({"wishes": "name: Bo, time: noon"}, "Bo here, we come at noon."),
        ],
        [
            ({"wishes": "people: 5, date: Sunday"}, ["Five of us on Sunday.", "Sunday, for five."], "We come."),
            ({"wishes": "name: Ann, time: 8"}, ["Ann, at 8."], ""),
            ({"wishes": "time: 9"}, ["At 9, please."], "At 9, please."),
        ],
    ),
}  # fmt: skip
"""By kind; classification comes with one label a row and with several."""

GUARD = LeakLimits(ngram=8, quantile=1.0)
CATEGORIES = (
    OfferedCategory(id="detail", description="A detail is overlooked."),
    OfferedCategory(id="other", description="None of these."),
)
OPERATORS = (
    OfferedOperator(name="similar", description="New rows like a training row."),
    OfferedOperator(name="paraphrase", description="Reword a training row."),
)


def diagnosed(
    one: Case, reply: Reply, pack: str, earlier: Sequence[Pattern] = (), **changes: Any
) -> tuple[Diagnosed, ScriptedContext, DiagnoseParams, DiagnoseInputs]:
    """Return what `diagnose` makes of a task's failures."""
    numbers = read_pack(find_packs()[pack]).diagnose
    params = DiagnoseParams(
        task=one.task,
        briefing=Briefing(description=one.task.description),
        schema=reply_schema_of("diagnosis", pack),
        **{"per_call": numbers.failures_per_call, "passed": numbers.passed, **changes},
    )
    inputs = DiagnoseInputs(
        load=one.loaded,
        score=one.scored,
        predict=Predicted(one.predictions),
        draw=Drawn(
            tuple(
                DrawnFailure(f.example, f.answer, f.target, f.predicate, "diagnose")
                for f in one.failures
            )
        ),
        earlier=(NamedPatterns(tuple(earlier)),) if earlier else (),
    )
    context = ScriptedContext(reply, pack=pack)
    output = DIAGNOSE.run(params, inputs, context)
    for account in DIAGNOSE.accounts(params, inputs, output):
        assert account.came == account.kept + account.dropped, account
    return output, context, params, inputs


def clusters(
    one: Case, size: int = 2, words: Sequence[tuple[str, str]] = ()
) -> tuple[Diagnosed, Clustered]:
    """Return diagnoses of all failures of a task, in clusters of `size`, with causes and scenarios of their own."""
    words = words or [
        (f"Cause number {i} is overlooked.", f"Scenario number {i} is told.")
        for i in range(len(one.failures))
    ]
    diagnoses = [
        Diagnosis(f"d {f.example}", f.example, cause, scenario, "call", skill=f"To see {cause}")
        for f, (cause, scenario) in zip(one.failures, words, strict=True)
    ]
    members = [
        PatternMember(f"p-{i // size}", d.example, d.id, 0.1 * i, 0.5)
        for i, d in enumerate(diagnoses)
    ]
    return Diagnosed(tuple(diagnoses)), Clustered(tuple(members))


def named(
    one: Case,
    reply: Reply,
    pack: str,
    *,
    size: int = 2,
    earlier: Sequence[Pattern] = (),
    categories: Sequence[OfferedCategory] = (),
    words: Sequence[tuple[str, str]] = (),
) -> tuple[NamedPatterns, ScriptedContext]:
    """Return what `name` makes of a task's failures."""
    numbers = read_pack(find_packs()[pack]).name_pattern
    diagnoses, clustered = clusters(one, size, words)
    params = NameParams(
        task=one.task,
        briefing=Briefing(description=one.task.description),
        guard=GUARD,
        schema=schemas.pattern(reply_schema_of("pattern", pack), [c.id for c in categories]),
        shown=numbers.diagnoses,
        confusions=numbers.confusions,
        categories=tuple(categories),
    )
    inputs = NameInputs(
        load=one.loaded,
        score=one.scored,
        diagnose=diagnoses,
        cluster=clustered,
        earlier=(NamedPatterns(tuple(earlier)),) if earlier else (),
    )
    context = ScriptedContext(reply, pack=pack)
    output = NAME.run(params, inputs, context)
    for account in NAME.accounts(params, inputs, output):
        assert account.came == account.kept + account.dropped, account
    return output, context


def confirmed(
    one: Case, reply: Reply, pack: str, patterns: Sequence[Pattern], **changes: Any
) -> tuple[Confirmed, ScriptedContext]:
    """Return what `confirm` makes of patterns, on all rows of a task forty times over; its failures are held out."""
    numbers = read_pack(find_packs()[pack]).confirm
    rows = [
        replace(e, id=f"{e.id} {copy}", inputs={**e.inputs, "number": str(copy)})
        for e in one.validation
        for copy in range(40)
    ]
    failing = {f.example: f for f in one.failures}
    drawn = [
        DrawnFailure(e.id, f.answer, f.target, f.predicate, "held_out")
        for e in rows
        if (f := failing.get(e.id.rsplit(" ", 1)[0])) is not None
    ]
    params = ConfirmParams(
        task=one.task,
        briefing=Briefing(description=one.task.description),
        schema=reply_schema_of("membership", pack),
        **{
            "rows": numbers.rows or 40,
            "rows_per_call": numbers.rows_per_call,
            "divide": False,
            **changes,
        },
    )
    inputs = ConfirmInputs(
        load=Loaded((*(e for e in one.rows if e.split == "train"), *rows)),
        score=Scored(),
        draw=Drawn(tuple(drawn)),
        name=NamedPatterns(tuple(patterns)),
    )
    context = ScriptedContext(reply, pack=pack)
    output = CONFIRM.run(params, inputs, context)
    for account in CONFIRM.accounts(params, inputs, output):
        assert account.came == account.kept + account.dropped, account
    return output, context


def drafted(
    one: Case,
    reply: Reply,
    pack: str,
    *,
    size: int = 2,
    earlier: Sequence[Drafted] = (),
    attempts: Sequence[Attempt] = (),
    **changes: Any,
) -> tuple[Drafted, ScriptedContext]:
    """Return what `strategy` makes of a task's failures."""
    diagnoses, clustered = clusters(one, size)
    patterns = [
        Pattern(
            name, f"Weakness {name}", f"Rows of the sort {name}.", None, len(members), (1.0,), None,
            None, None, (f"all of {name}",), (f"none of {name}",),
        )
        for name, members in clustered.by_pattern.items()
    ]  # fmt: skip
    params = StrategyParams(
        task=one.task,
        briefing=Briefing(description=one.task.description),
        guard=GUARD,
        **{
            "schema": schemas.strategy(reply_schema_of("strategy", pack), one.task.labelled),
            "labels": 4,
            "confusions": 5,
            "operators": OPERATORS,
            **changes,
        },
    )
    inputs = StrategyInputs(
        load=one.loaded,
        score=one.scored,
        diagnose=diagnoses,
        cluster=clustered,
        name=NamedPatterns(tuple(patterns)),
        earlier=tuple(earlier),
        attempts=tuple(attempts),
    )
    context = ScriptedContext(reply, pack=pack)
    output = STRATEGY.run(params, inputs, context)
    for account in STRATEGY.accounts(params, inputs, output):
        assert account.came == account.kept + account.dropped, account
    return output, context
