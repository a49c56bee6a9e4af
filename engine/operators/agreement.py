"""Whether the parts of an `operator.yaml` agree with one another, each mistake with its place."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Problem
from engine.operators.definition import Checks, Definition
from engine.operators.making import ROW_FUNCTIONS
from engine.operators.parameters import check_parameters
from engine.spec.yaml import Document
from engine.tasks import TASKS


def disagreements(definition: Definition, document: Document) -> Iterator[Problem]:
    """Yield where the parts of a definition do not agree."""
    yield from check_parameters(definition, document)
    yield from _kind_problems(definition, document)
    yield from _seed_problems(definition, document)
    yield from _making_problems(definition, document)
    at = document.at
    for index, sight in enumerate(definition.sees):
        here = at(("sees", index))
        if sight in definition.sees[:index]:
            yield Problem(here, f"'{sight}' is given twice", "leave one out", code="operator")
        if sight == "target" and definition.label == "written":
            message = "with `label: written` no target is known before the rows are written"
            yield Problem(here, message, "take 'target' out of `sees`", code="operator")
        if sight == "keep" and definition.label != "keep":
            message = f"with `label: {definition.label}` nothing of the target is kept"
            yield Problem(here, message, "take 'keep' out of `sees`", code="operator")
    rule = definition.examples
    if rule is not None and rule.of == "target" and definition.label == "written":
        message = "with `label: written` no target is known before the rows are written"
        hint = "write `of: any` or `of: other`"
        yield Problem(at(("examples", "of")), message, hint, code="operator")


def _kind_problems(definition: Definition, document: Document) -> Iterator[Problem]:
    if isinstance(definition.tasks, list):
        for index, name in enumerate(definition.tasks):
            if name not in TASKS:
                message, hint = TASKS.unknown(name)
                yield Problem(document.at(("tasks", index)), message, hint, code="operator")
        if not definition.tasks:
            hint = "name task kinds, or leave `tasks` out: then it serves all"
            yield Problem(document.at(("tasks",)), "it serves no task", hint, code="operator")
    shown = definition.example
    if shown is not None and shown.kind not in TASKS:
        message, hint = TASKS.unknown(shown.kind)
        yield Problem(document.at(("example", "kind")), message, hint, code="operator")
    without = sorted(name for name in kinds_of(definition) if not TASKS[name].labelled)
    if definition.label == "change" and without:
        message = f"`label: change` needs labels, which these task kinds do not have: {', '.join(without)}"
        hint = "write `tasks: labelled`, or `label: written`"
        yield Problem(document.at(("label",)), message, hint, code="operator")


def kinds_of(definition: Definition) -> frozenset[str]:
    """Return the names of the task kinds that it serves."""
    match definition.tasks:
        case "any":
            return frozenset(TASKS)
        case "labelled":
            return frozenset(name for name, kind in TASKS.items() if kind.labelled)
        case "unlabelled":
            return frozenset(name for name, kind in TASKS.items() if not kind.labelled)
        case list() as names:
            return frozenset(name for name in names if name in TASKS)


def _seed_problems(definition: Definition, document: Document) -> Iterator[Problem]:
    """Yield what is said of seed rows where there are none, and what goes with no label rule."""
    label, at = definition.label, document.at
    if definition.seeded and label in ("keep", "change"):
        message = f"with `label: {label}` rows are made from training rows in any case"
        yield Problem(at(("seeded",)), message, "leave `seeded` out", code="operator")
    if definition.writes == "target" and label != "written":
        message = (
            f"with `label: {label}` a reply that brings a target alone would bring nothing new"
        )
        yield Problem(at(("writes",)), message, "write `label: written`", code="operator")
    made_from = label in ("keep", "change") or definition.seeded or definition.writes == "target"
    if definition.votes is not None and definition.writes != "target":
        message = "`votes` are about targets, and whole rows are written"
        hint = "write `writes: target`, or leave it out"
        yield Problem(at(("votes",), key=True), message, hint, code="operator")
    said = {
        "checks": definition.checks != Checks(),
        "copies": definition.copies,
        "seeds": definition.seeds != "any",
    }
    for key, there in said.items():
        if there and not made_from:
            message = f"`{key}` is about seed rows, and rows are made from none"
            hint = "write `seeded: true` where they are, or leave it out"
            yield Problem(at((key,)), message, hint, code="operator")
    if definition.checks.answer == "kept" and definition.writes != "target":
        message = "`checks.answer` is for an operator that writes targets"
        hint = "write `writes: target`, or leave it out"
        yield Problem(at(("checks", "answer")), message, hint, code="operator")


def _making_problems(definition: Definition, document: Document) -> Iterator[Problem]:
    """Yield what does not go with the row function that makes the rows."""
    if definition.make is None:
        return
    if definition.make not in ROW_FUNCTIONS:
        message, hint = ROW_FUNCTIONS.unknown(definition.make)
        yield Problem(document.at(("make",)), message, hint, code="operator")
        return
    make = ROW_FUNCTIONS[definition.make]
    if definition.label != make.label:
        message = f"the row function '{make.name}' makes rows of `label: {make.label}`, not {definition.label}"
        yield Problem(document.at(("label",)), message, f"write {make.label}", code="operator")
    for name, kind in make.params.items():
        if name not in definition.params:
            message = f"the row function '{make.name}' needs a parameter '{name}' of type {kind}"
            yield Problem(document.at(("make",)), message, "declare it", code="operator")
        elif definition.params[name].type != kind:
            here = document.at(("params", name, "type"))
            message = f"for the row function '{make.name}' it is of type {kind}"
            yield Problem(here, message, f"write {kind}", code="operator")
    for key in ("sees", "examples", "vary", "writes", "seeded", "copies", "votes"):
        if (key,) in document.keys:
            message = f"`{key}` is for a prompt, and the row function '{make.name}' has none"
            yield Problem(document.at((key,), key=True), message, "leave it out", code="operator")
