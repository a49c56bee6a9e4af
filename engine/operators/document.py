"""The part of docs/operators.md that says what each operator of the engine does, written from their folders.

    python -m engine.operators.document

writes it anew, between its two marks; all else in the page is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from engine.operators.definition import Parameter
from engine.operators.finding import find_operators
from engine.operators.making import ROW_FUNCTIONS
from engine.operators.operator import Operator

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
BEGIN = "<!-- Written by `python -m engine.operators.document` from the operators' folders: change these. -->"
END = "<!-- Up to here. -->"
_LABELS = {
    "keep": "that of the seed row",
    "change": "another label than the seed row's",
    "given": "as planned; where targets are no labels, its own",
    "written": "its own",
}


def facts(operator: Operator) -> Iterator[tuple[str, str]]:
    """Yield what an operator's definition says of it, in words: key and text."""
    rule = operator.definition
    if rule.source:
        yield "source", rule.source
    kinds = rule.tasks if isinstance(rule.tasks, str) else ", ".join(rule.tasks)
    yield "tasks", {"any": "all", "unlabelled": "those without labels"}.get(kinds, kinds)
    yield "target", _LABELS[operator.label]
    yield "made by", "the teacher" if operator.make is None else _program(operator)
    if operator.made_from:
        failing = " that the student gets wrong" if rule.seeds == "failing" else ""
        yield "made from", f"a training row{failing}"
    if rule.changes:
        yield "may change", rule.changes
    if rule.stays:
        yield "must stay", rule.stays
    if checked := "; ".join(_checks(operator)):
        yield "checked", checked
    if rule.vary:
        yield "varies", ", ".join(rule.vary)
    if rule.attempts is not None:
        yield "attempts", f"the first {rule.attempts}" if rule.attempts > 1 else "the first alone"
    if rule.sees:
        yield "its prompt sees", ", ".join(rule.sees)


def _program(operator: Operator) -> str:
    assert operator.make is not None
    return f"the row function `{operator.make.name}`: {operator.make.description}"


def _checks(operator: Operator) -> Iterator[str]:
    """Yield what the gate `promise` and the count of votes check of an operator's rows."""
    if not operator.made_from:
        return
    yield from _against_seed(operator)
    votes, checks = operator.definition.votes, operator.definition.checks
    if votes is not None:
        yield f"at least {votes.agreement:.0%} of the replies come to its target"
    told = {
        f"it has at least {checks.kept_words:.0%} of its seed row's words": checks.kept_words > 0,
        f"at least {checks.new_words:.0%} of its words are new": checks.new_words > 0,
        "a number or a name of its seed row is gone, where it has one": checks.swapped,
        "it has no number that its seed row lacks": checks.numbers == "kept",
        "its target is longer than its seed row's, and comes to the same answer": checks.answer
        == "kept",
    }
    yield from (text for text, asked in told.items() if asked)


def _against_seed(operator: Operator) -> Iterator[str]:
    if operator.definition.writes == "target":
        yield "its target is another one than its seed row's"
    elif operator.copies == "none":
        yield "it is not its seed row again, word by word"
    elif operator.copies == "near":
        yield "it is not its seed row again, letter by letter"


def parameter_rows(operator: Operator) -> list[tuple[str, str, str, str]]:
    """Return an operator's parameters: name, type with its bounds, default, description."""
    return [
        (name, _kind(one), _value(one.default), one.description)
        for name, one in operator.definition.params.items()
    ]


def _kind(parameter: Parameter) -> str:
    if parameter.choices:
        return " or ".join(parameter.choices)
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        return f"{parameter.type} from {low} to {high}"
    return parameter.type


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"default {text}" if text else "empty by default"


def text() -> str:
    """Return the part of the page."""
    operators = find_operators(None)
    parts = [
        BEGIN,
        "",
        "| operator | target | tasks | by | share | what it makes |",
        "|---|---|---|---|---|---|",
    ]
    parts += [_line(operators[name]) for name in sorted(operators)]
    for name in sorted(operators):
        parts += ["", *_section(operators[name])]
    parts += [
        "",
        "### Row functions",
        "",
        "| function | target | copies | needs | what it makes |",
        "|---|---|---|---|---|",
    ]
    for one in ROW_FUNCTIONS.values():
        needs = [f"parameter `{name}` ({kind})" for name, kind in one.params.items()]
        needs += [f"file `{one.file}`"] if one.file else []
        parts.append(
            f"| `{one.name}` | {one.label} | {one.copies} | {', '.join(needs) or 'nothing'} | {one.description} |"
        )
    return "\n".join([*parts, "", END])


def _line(operator: Operator) -> str:
    rule = operator.definition
    tasks = rule.tasks if isinstance(rule.tasks, str) else ", ".join(rule.tasks)
    by = "teacher" if operator.make is None else "program"
    return f"| `{operator.name}` | {rule.label} | {tasks} | {by} | {rule.share:g} | {rule.description} |"


def _section(operator: Operator) -> Iterator[str]:
    yield f"### {operator.name}"
    yield ""
    yield operator.description
    yield ""
    yield from (f"- {key}: {told}" for key, told in facts(operator))
    yield from (
        f"- `{name}` ({kind}; {default}): {told}"
        for name, kind, default, told in parameter_rows(operator)
    )
    example = operator.definition.example
    if example is None:
        return
    yield ""
    yield "```json"
    if example.before is not None:
        yield json.dumps(example.before, ensure_ascii=False)
    yield json.dumps(example.after, ensure_ascii=False)
    yield "```"


def page(current: str) -> str:
    """Return a page with the part written anew; raises ValueError where a mark is missing."""
    before, _, rest = current.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE} has not both marks: {BEGIN} and {END}")
    return before + text() + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
