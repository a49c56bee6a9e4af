"""A recipe's `privacy`: its patterns checked, and applied to rows as a run applies them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.errors import Problem
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe
from engine.spec.row_checks import GOLDS, golds
from engine.sql.records import Record
from engine.sql.redaction import Rule, check_pattern, redact


class RedactedSplits(NamedTuple):
    """Rows as a run sees them, and what is wrong or odd about the patterns."""

    splits: dict[str, list[Record]]
    problems: list[Problem]


def redact_splits(loaded: LoadedRecipe, splits: Mapping[str, list[Record]]) -> RedactedSplits:
    """Return the rows with `privacy.redact` applied, without the patterns that cannot be used."""
    target = loaded.recipe.task.target
    found = RedactedSplits(dict(splits), [])
    good: dict[int, Rule] = {}
    for index, rule in enumerate(loaded.recipe.privacy.redact):
        if fault := check_pattern(rule.pattern):
            message = f"privacy.redact[{index}].pattern: {fault.message}"
            at = loaded.at("privacy", "redact", index, "pattern")
            found.problems.append(Problem(at, message, fault.hint, code="redact"))
        else:
            good[index] = Rule(rule.pattern, rule.replacement)
    if not good:
        return found
    hits: Counter[int] = Counter()
    answers: Counter[int] = Counter()
    for split, records in splits.items():
        done = redact(records, list(good.values()), keep=(target, GOLDS))
        right = {
            answer
            for values in (record.values for record in records)
            for answer in (str(values[target]), *golds(values, target))
        }
        alone = redact([Record(1, {"": answer}) for answer in sorted(right)], list(good.values()))
        hits.update(dict(zip(good, done.hits, strict=True)))
        answers.update(dict(zip(good, alone.hits, strict=True)))
        found.splits[split] = done.records
    whole = len(splits) == len(SPLITS)
    for index in good:
        found.problems.extend(_odd(loaded, index, whole and not hits[index], answers[index] > 0))
    return found


def _odd(loaded: LoadedRecipe, index: int, idle: bool, in_targets: bool) -> Iterator[Problem]:
    at = loaded.at("privacy", "redact", index, "pattern")
    if idle:
        message = f"privacy.redact[{index}] matches in no row: it redacts nothing"
        hint = "check the pattern; `(?i)` in front of it ignores case"
        yield Problem(at, message, hint, "warning", "redact")
    if in_targets:
        target = loaded.recipe.task.target
        message = f"privacy.redact[{index}] matches in the target '{target}', which stays as it is"
        hint = "the target is the answer: rename such answers in the data"
        yield Problem(at, message, hint, "warning", "redact")
