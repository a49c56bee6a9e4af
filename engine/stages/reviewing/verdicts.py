"""The verdicts that a step follows, and what each makes of its row.

What is no row of the task, and what gives away an evaluation row, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from engine.identity import Params
from engine.rows import Example, Reviewed, Said
from engine.spec.recipe import LeakLimits
from engine.stages.protocol import Context
from engine.stages.quality.leak_guard import LeakGuard
from engine.stages.task_view import TaskView
from engine.tasks import Task

Refusal = Literal["malformed", "leak"]
"""Why a verdict is not followed: the row is none of the task, or would give away an evaluation row."""


@dataclass(frozen=True, kw_only=True)
class PersonVerdict(Params):
    """What people say of one row, together."""

    id: str
    """Hash of the row's inputs and target."""
    verdict: Said
    inputs: Mapping[str, str] | None = None
    """As the row is changed; None where it is not."""
    target: str | None = None


class Ruling(NamedTuple):
    """What became of one row by its verdict."""

    verdict: Said
    inputs: Mapping[str, str]
    """As the row is then."""
    target: str
    refused: str = ""
    """Why the verdict cannot be followed, in words; empty where it can."""
    refusal: Refusal | None = None
    """The same by its reason."""

    @property
    def stays(self) -> bool:
        """Whether the row is trained on."""
        return self.verdict != "reject" and not self.refused

    def record(self, item: str, example: str | None) -> Reviewed:
        """Return what the step writes down of it; `example`: the training row that it is then."""
        return Reviewed(item, example, self.verdict, self.inputs, self.target, self.refused)


class Known(NamedTuple):
    """A row of which people may have said something."""

    name: str
    """What it is called in the step."""
    id: str
    inputs: Mapping[str, str]
    target: str
    is_clean: bool
    """Whether its texts are trained on already, or passed the leak guard."""


def leaks(guard: LeakGuard, rows: Sequence[tuple[Mapping[str, str] | None, str]]) -> list[str]:
    """Return of each row, inputs and target, why it would give away an evaluation row; empty where it would not.

    Inputs that are None were there before, and are not looked at: some training rows are as near to evaluation rows.
    """
    new = [guard.text_of(inputs) for inputs, _ in rows if inputs is not None]
    copied = iter(guard.check(new))
    return [
        (next(copied) or guard.check_turns(inputs) if inputs is not None else None)
        or guard.check_target(target)
        or ""
        for inputs, target in rows
    ]


def read_again(
    view: TaskView, task: Task, inputs: Mapping[str, str], target: str
) -> tuple[str, str]:
    """Return a target in its kind's own form, and why it makes no row of the task; empty where it makes one."""
    try:
        target = view.entry.reference(inputs, target, task.params).target
        why = view.entry.malformed(inputs, target, task)
    except ValueError as problem:
        why = str(problem)
    return target, why or ""


def rulings(
    verdicts: Sequence[PersonVerdict],
    rows: Iterable[Known],
    examples: Sequence[Example],
    view: TaskView,
    limits: LeakLimits | None,
    ctx: Context,
) -> dict[str, Ruling]:
    """Return what becomes of those rows of which people said something, by what each row is called.

    The task may have changed since they said it: what they changed or let in must be a row of it now.

    Args:
        verdicts: What people said.
        rows: The rows.
        examples: Rows of the data, evaluation rows among them.
        view: The task.
        limits: Of the leak guard.
        ctx: The node.
    """
    said = {one.id: one for one in verdicts}
    if not said:
        return {}
    task = view.task(examples)
    found: dict[str, Ruling] = {}
    clean: set[str] = set()
    for row in rows:
        if (one := said.get(row.id)) is None:
            continue
        inputs = row.inputs if one.inputs is None else one.inputs
        target = row.target if one.target is None else one.target
        ruling = Ruling(one.verdict, inputs, target)
        if ruling.stays and not (row.is_clean and (inputs, target) == (row.inputs, row.target)):
            target, why = read_again(view, task, inputs, target)
            ruling = ruling._replace(target=target)
            if why:
                why = f"it is no row of the task: {why}"
                ruling = ruling._replace(refused=why, refusal="malformed")
        found[row.name] = ruling
        if row.is_clean and inputs == row.inputs:
            clean.add(row.name)
    staying = [name for name, ruling in found.items() if ruling.stays]
    if staying and limits is not None:
        guard = ctx.leak_guard(view.entry, examples, limits.ngram, limits.quantile)
        checked = [
            (None if name in clean else found[name].inputs, found[name].target) for name in staying
        ]
        for name, why in zip(staying, leaks(guard, checked), strict=True):
            if why:
                found[name] = found[name]._replace(refused=why, refusal="leak")
    return found
