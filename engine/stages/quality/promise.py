"""promise: a row made from a training row is not that row again, and keeps and changes what its operator says.

What an operator promises stands in its `operator.yaml` (`checks`); here is the part that a program can check, by words
and numbers alone. Numbers are those in digits, names are words with a capital that begin no sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.operators.definition import Checks
from engine.rows import Candidate, Example
from engine.stages.quality.protocol import Batch, Finding, Gate, SeedRule
from engine.tasks import TaskKind
from engine.wording import words

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<![.!?:]\s)(?<!\A)(?<!\n)\b[A-Z]\w+")
AGAIN = "it is its seed row again"


class _Pair(NamedTuple):
    """A row and the training row that it was made from."""

    seed: Example
    row: Candidate
    kind: TaskKind

    @property
    def texts(self) -> tuple[str, str]:
        return self.kind.text_of(self.seed.inputs), self.kind.text_of(self.row.inputs)


def _again(rule: SeedRule, pair: _Pair) -> bool:
    before, after = pair.texts
    if rule.copies == "exact":
        return rule.new_target and pair.row.target == pair.seed.target
    if rule.copies == "near":
        return before == after
    return words(before) == words(after)


def _kept(checks: Checks, pair: _Pair) -> str:
    before, after = (set(words(text)) for text in pair.texts)
    share = len(before & after) / len(before) if before else 1.0
    if share < checks.kept_words:
        return f"it keeps {share:.0%} of its seed row's words, wanted {checks.kept_words:.0%}"
    share = len(after - before) / len(after) if after else 0.0
    if share < checks.new_words:
        return f"{share:.0%} of its words are new, wanted {checks.new_words:.0%}"
    return ""


def _swapped(checks: Checks, pair: _Pair) -> str:
    before, after = pair.texts
    there = {*_NUMBER.findall(before), *_NAME.findall(before)}
    left = {*_NUMBER.findall(after), *_NAME.findall(after)}
    if checks.swapped and there and there <= left:
        return "no number and no name of its seed row was exchanged"
    return ""


def _numbers(checks: Checks, pair: _Pair) -> str:
    before, after = (_NUMBER.findall(text) for text in pair.texts)
    new = next((number for number in after if number not in before), None)
    if checks.numbers == "kept" and new is not None:
        return f"it has the number {new}, which its seed row has not"
    return ""


_OF_WORDS: tuple[Callable[[Checks, _Pair], str], ...] = (_kept, _swapped, _numbers)


def _answer(batch: Batch, checks: Checks, pair: _Pair) -> str:
    if checks.answer == "free":
        return ""
    row, seed = pair.row, pair.seed
    try:
        answer = batch.kind.reference(row.inputs, row.target, batch.task.params).references[0]
    except ValueError as problem:
        return f"its target cannot be read: {problem}"
    if answer not in seed.references:
        return (
            f"its target comes to {answer[:60]}, that of its seed row to {seed.references[0][:60]}"
        )
    if len(row.target) <= len(seed.target):
        return "its target is no longer than its seed row's"
    return ""


def _broken(batch: Batch, rule: SeedRule, pair: _Pair) -> str:
    """Return what the operator promised and the row does not keep; empty for nothing."""
    if _again(rule, pair):
        return AGAIN
    found = (check(rule.checks, pair) for check in _OF_WORDS)
    return next(filter(None, found), "") or _answer(batch, rule.checks, pair)


def _check(batch: Batch, settings: None) -> Sequence[Finding]:
    findings = []
    for candidate, parent in zip(batch.candidates, batch.parents, strict=True):
        rule = batch.seed_rules.get(candidate.operator)
        pair = _Pair(batch.train[parent], candidate, batch.kind)
        why = "" if rule is None else _broken(batch, rule, pair)
        findings.append(Finding(why, f"Not as asked: {why}." if why else ""))
    return findings


PROMISE = Gate(
    name="promise",
    version=1,
    description="a row made from a training row is another one, and keeps and changes what its operator says",
    settings=lambda quality: None,
    check=_check,
    always=True,
)
