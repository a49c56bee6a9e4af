"""rehearse: a stage's requests, made by the stage's own function from what came before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from engine.backends.protocol import Request
from engine.errors import EngineError
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources
from engine.registry import did_you_mean
from engine.rehearsal import stand_ins
from engine.rehearsal.context import Answer, RehearsalContext
from engine.rehearsal.replies import invented, none_usable
from engine.rows import Example
from engine.spec.prompts import Prompt
from engine.stages import STAGES
from engine.stages.analyse.confirm import ConfirmParams
from engine.stages.analyse.draw import DrawParams
from engine.stages.augment.gate import GateParams
from engine.stages.augment.generate import GenerateParams
from engine.stages.augment.judging.judge import JudgeParams
from engine.stages.augment.judging.pass_rate import PassRateParams
from engine.stages.augment.verify import VerifyParams
from engine.stages.evaluate.predict import PredictParams
from engine.stages.outputs import Drafted, Generated, Loaded, Output, Scored, Solved
from engine.stages.protocol import Pending
from engine.stages.task_view import PromptedTask, StudentPrompts
from engine.stages.wiring import assemble
from engine.store import Store

T = TypeVar("T", bound=Output)

ASKING = tuple(name for name, stage in STAGES.items() if {"teacher", "judge"} & set(stage.asks))
"""Stages that ask a teacher or a judge."""
MADE_UP = {
    "predict": "the student's answers",
    "diagnose": "diagnoses",
    "generate": "generated rows",
    "verify": "blind answers",
    "pass_rate": "how often the student is right",
}
"""Stages with a stand-in, and what it stands for."""
STUDENT = "predict"
"""The stage that asks the student."""
_OF_FAILURES = frozenset({"rate", "diagnose", "name", "confirm", "strategy"})
"""Stages whose subject are failures; those after them work on training rows."""
_RECOGNIZED = 60
"""Characters of a row's line by which it is found again in a prompt."""


class Prompted(NamedTuple):
    """One request, with the prompt behind it."""

    role: str
    prompt: Prompt
    request: Request
    alike: int
    """Requests with this prompt in all."""
    has_row: bool = False
    """Whether the row that was chosen stands in it."""


@dataclass(frozen=True)
class Rehearsal:
    """What a stage would ask first with each of its prompts, of the row that was chosen where one was."""

    node: Node
    prompts: tuple[Prompted, ...]
    stored: tuple[str, ...]
    """Stages whose rows are those of a run in the store."""
    made_up: tuple[str, ...]
    """What stands in for rows that a model would have to bring, in words."""
    unanswered: tuple[str, ...]
    """Stages before it whose rows are those that they make without a usable reply."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A training row that somebody wants to see in the prompts."""

    row: Example
    fails: bool
    """Whether it stands in for a validation row at which the student fails; else it stays a training row."""


def rehearse(
    plan: Plan,
    resources: Resources,
    stage: str,
    state: Path,
    store: Store | None = None,
    row: int | None = None,
) -> Rehearsal:
    """Return what a stage would ask, in the first round in which it is run.

    Args:
        plan: The recipe's plan.
        resources: What it rests on.
        stage: One of ASKING, or STUDENT.
        state: The state folder.
        store: Where earlier runs left their rows; None where there is no store.
        row: The number of the training row that it is to be about, from 1, as far as the stage can be; what runs left
            is not looked at then.

    Raises:
        EngineError: there is no such stage, or it is not part of this plan.
        RecipeError: a prompt cannot be rendered, or the data cannot be read.
    """
    known = (STUDENT, *ASKING)
    if stage not in known:
        raise EngineError(
            f"no stage '{stage}' asks a model",
            did_you_mean(stage, known) or f"one of: {', '.join(known)}",
        )
    node = next((n for n in plan.nodes.values() if n.stage == stage), None)
    if node is None:
        raise EngineError(
            f"this recipe has no stage '{stage}'", "`pada plan` shows what it consists of"
        )
    chosen = None
    if row is not None:
        chosen = Chosen(_row(plan, resources, state, row), fails=stage in _OF_FAILURES)
    play = Play(plan, resources, state, None if row else store, chosen)
    if stage == STUDENT:
        return _of_student(play, node)
    if not {"teacher", "judge"} & set(STAGES[stage].asks) - STAGES[stage].skips(node.params):
        raise EngineError(f"the stage '{stage}' asks nobody in this recipe")
    return _last(play, node)


class Rehearsable(NamedTuple):
    """What can be rehearsed."""

    stages: Sequence[str]
    """Those of a plan that ask a model, the student's first."""
    rows: Sequence[Example]
    """The training rows as stages get them."""


def rehearsable(plan: Plan, resources: Resources, state: Path) -> Rehearsable:
    """Return the stages that can be rehearsed, and the training rows that it can be about."""
    there: dict[str, Node] = {}
    for node in plan.nodes.values():
        there.setdefault(node.stage, node)
    stages = [
        stage
        for stage in (STUDENT, *ASKING)
        if stage in there
        and {"student", "teacher", "judge"}
        & set(STAGES[stage].asks) - STAGES[stage].skips(there[stage].params)
    ]
    return Rehearsable(stages, _rows(plan, resources, state))


def _rows(plan: Plan, resources: Resources, state: Path) -> Sequence[Example]:
    load = next(node for node in plan.nodes.values() if node.stage == "load")
    loaded, _ = Play(plan, resources, state, None).play(load, load.params, none_usable)
    assert isinstance(loaded, Loaded)
    return loaded.train


def _row(plan: Plan, resources: Resources, state: Path, number: int) -> Example:
    rows = _rows(plan, resources, state)
    if not 1 <= number <= len(rows):
        raise EngineError(
            f"there is no training row {number:,}", f"they are numbered from 1 to {len(rows):,}"
        )
    return rows[number - 1]


def _of_student(play: Play, node: Node) -> Rehearsal:
    """Return how the student is asked about a row: the chosen one, else the first training row."""
    play.prepare(node)
    params = node.params
    assert isinstance(params, PredictParams)
    loaded = next(output for output in play.outputs.values() if isinstance(output, Loaded))
    rows = [example for example in loaded.train if example.split == "train"]
    prompt = play.resources.prompts[params.prompt]
    told = PromptedTask(task=params.task, prompt=params.prompt, shots=params.shots)
    prompts = StudentPrompts(told, prompt, rows)
    shown: list[Prompted] = []
    for row in rows[:1]:
        task = prompts.task
        kind = params.task.entry
        weighed = kind.options(row.inputs, task) is not None
        request = Request(
            prompts(row),
            kind.constraint(task),
            0 if weighed else kind.max_tokens(row.inputs, task),
            0.0,
            play.resources.models["student"].identity,
        )
        has_row = play.chosen is not None
        shown.append(Prompted("student", prompt, request, len(loaded.examples), has_row))
    return Rehearsal(node, tuple(shown), (), (), ())


def _last(play: Play, node: Node) -> Rehearsal:
    """Return what the stage of a node asks; those before it are played first."""
    play.prepare(node)
    until = frozenset(node.prompts)
    params = play.fitting(node)
    if isinstance(params, ConfirmParams):
        # There may be too few rows by far, of which nothing is to be learned here.
        params = replace(params, regardless=True)
    context = play.play(node, params, invented, until)[1]
    asked = [entry for entry in context.requests.asked if entry[0] in ("teacher", "judge")]
    first: dict[str, tuple[str, Prompt, Request]] = {}
    about: dict[str, tuple[str, Prompt, Request]] = {}
    for entry in asked:
        first.setdefault(entry[1].name, entry)
        if play.chosen is not None and _shows(entry[2], play.chosen.row):
            about.setdefault(entry[1].name, entry)
    return Rehearsal(
        node,
        tuple(
            Prompted(
                *about.get(name, entry),
                sum(prompt.name == name for _, prompt, _ in asked),
                name in about,
            )
            for name, entry in first.items()
        ),
        tuple(play.stored),
        tuple(play.made_up),
        tuple(play.unanswered),
    )


def _shows(request: Request, row: Example) -> bool:
    """Tell whether a row's inputs stand in a request, by how its lines begin; of tools only names are told."""
    told = (line.strip() for value in row.inputs.values() for line in value.splitlines())
    lines = [line[:_RECOGNIZED] for line in told if line and not line.startswith("[tools] ")]
    text = "\n".join(message.content for message in request.messages)
    return all(line in text or json.dumps(line, ensure_ascii=False)[1:-1] in text for line in lines)


@dataclass
class Play:
    """The nodes that come before one, played in order."""

    plan: Plan
    resources: Resources
    state: Path
    store: Store | None
    chosen: Chosen | None = None
    outputs: dict[str, Output] = field(default_factory=dict)
    stored: dict[str, None] = field(default_factory=dict)
    made_up: dict[str, None] = field(default_factory=dict)
    unanswered: dict[str, None] = field(default_factory=dict)
    evaluation: Sequence[Example] = ()

    def prepare(self, node: Node) -> None:
        """Play the nodes before one, as far as the store does not have them."""
        before = self._before(node)
        finished = self.store.finished([n.id for n in before]) if self.store else {}
        # Without a student's answers nothing that follows from them is there either.
        answered = all(n.id in finished for n in before if n.stage == "predict")
        for one in before:
            self.outputs[one.name] = self._output(one, finished if answered else {}, answered)

    def _before(self, node: Node) -> list[Node]:
        """Return the nodes whose rows are needed; a fine-tune is not: only answers are."""
        needed: set[str] = set()
        open_ends = list(node.inputs.values())
        while open_ends:
            name = open_ends.pop()
            if name not in needed:
                needed.add(name)
                one = self.plan.nodes[name]
                # What asks the student needs no student here.
                asks_student = one.stage in ("predict", "pass_rate")
                open_ends += ["load"] if asks_student else one.inputs.values()
        return [one for one in self.plan.nodes.values() if one.name in needed]

    def _output(self, node: Node, finished: Mapping[str, object], answered: bool) -> Output:
        output: Output
        if node.id in finished and self.store is not None:
            rows = tuple(self.store.load_output(node.id))
            output = STAGES[node.stage].output(rows)
            self.stored[node.stage] = None
        elif node.stage in MADE_UP:
            self.made_up[MADE_UP[node.stage]] = None
            output = self._stand_in(node)
        else:
            output, context = self.play(node, self.fitting(node), none_usable)
            if context.requests.asked:
                self.unanswered[node.stage] = None
        if isinstance(output, Loaded):
            self.evaluation = output.evaluation
            if self.chosen is None:
                return stand_ins.without_test(output) if answered else stand_ins.held_out(output)
            row = self.chosen.row.id
            return stand_ins.held_out(stand_ins.first(output, row), row, fails=self.chosen.fails)
        return stand_ins.without_test(output)

    def _stand_in(self, node: Node) -> Output:
        match node.params:
            case PredictParams() as params:
                failing = self.chosen.row.id if self.chosen and self.chosen.fails else ""
                return stand_ins.answers(params.task, self._latest(Loaded), failing)
            case GenerateParams() as params:
                drafted = [o for o in self.outputs.values() if isinstance(o, Drafted)]
                return stand_ins.candidates(params, self._latest(Loaded), drafted)
            case VerifyParams():
                return stand_ins.blind_answers(self._latest(Generated))
            case PassRateParams():
                return Solved()
            case _:
                return stand_ins.diagnoses(self._latest(Scored))

    def _latest(self, kind: type[T]) -> T:
        return next(o for o in reversed(self.outputs.values()) if isinstance(o, kind))

    def fitting(self, node: Node) -> Any:
        """Return the parameters with which a node is played: a stand-in passes no gate, so none is asked.

        Nor does it have a pass rate.
        """
        if isinstance(node.params, DrawParams) and self.chosen is not None:
            return replace(node.params, limit=stand_ins.FAILURES, hold_out=0.0, divide=False)
        if isinstance(node.params, GateParams) and MADE_UP["generate"] in self.made_up:
            return replace(node.params, gates=())
        if isinstance(node.params, JudgeParams) and MADE_UP["pass_rate"] in self.made_up:
            return replace(node.params, pass_rate=None)
        return node.params

    def play(
        self, node: Node, params: Any, answer: Answer, until: frozenset[str] = frozenset()
    ) -> tuple[Output, RehearsalContext]:
        """Run a node's stage as a run does; what it asks is answered by what stands in."""
        stage = STAGES[node.stage]
        context = RehearsalContext(node, self.resources, self.state, self.evaluation, answer, until)
        output: Output = stage.output()
        with suppress(Pending):
            output = stage.run(params, self.inputs(node), context)
        return output, context

    def inputs(self, node: Node) -> Any:
        """Return what a node reads, of the outputs so far."""
        wires = {edge: self.outputs[source] for edge, source in node.inputs.items()}
        return assemble(STAGES[node.stage].inputs, wires)
