"""malformed: the row is one of its task, its texts are text, none was cut at its schema's limit, none is a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from unicodedata import category

from engine.rows import Candidate
from engine.stages.quality.protocol import Batch, Finding, Gate
from engine.stages.schemas import longest_text

_BROKEN = frozenset({"Cc", "Cs", "Co", "Cn"})
"""Unicode's categories of what is no text; spaces and joiners, which many scripts need, are."""

_SORRY = r"(?:(?:(?:i'm |i am )?(?:very |so )?sorry|i apologi[sz]e)\b[,.]? (?:but )?)?"
_REFUSAL = re.compile(
    f"{_SORRY}"
    r"(?:i(?:'m| am) (?:unable|not able) to |i (?:can't|cannot|can not) )"
    r"(?:assist\b|help (?:you )?with (?:that|this)\b|comply with\b|fulfill? (?:that|this|your) request)"
    f"|{_SORRY}"
    r"as (?:an ai (?:language )?(?:model|assistant)|a (?:large )?language model)\b",
    re.IGNORECASE,
)
"""How models begin that refuse to write a row; no more than that, for customers are sorry too and cannot do things."""


def refuses(text: str) -> bool:
    """Return whether a text begins as a model's refusal does."""
    return _REFUSAL.match(" ".join(text.replace("\u2019", "'").split())) is not None


def unclean(text: str, limit: int | None) -> str | None:
    """Return what gives a written text away as broken: control characters, or an end at its schema's length limit."""
    # What can be printed, as most texts can as a whole, is in no category of these.
    if not text.isprintable() and any(category(c) in _BROKEN and c not in "\n\t\r" for c in text):
        return "it has control characters"
    return f"it was cut at {limit} characters" if limit and len(text) >= limit - 1 else None


def _check(batch: Batch, settings: None) -> Sequence[Finding]:
    targets = {e.target for e in batch.train}
    input_limit = longest_text(text for e in batch.train for text in e.inputs.values())
    schema = batch.kind.target_schema(batch.task, longest_text(targets))
    target_limit: int | None = schema.get("maxLength")
    usual = any(refuses(text) for e in batch.train for text in (*e.inputs.values(), e.target))

    def problems(candidate: Candidate) -> Iterator[str | None]:
        yield batch.kind.malformed(candidate.inputs, candidate.target, batch.task)
        # A row that was found was written under no schema, and by no model that could refuse.
        is_written = candidate.label_source == "writer"
        limit = input_limit if is_written and batch.kind.inputs_are_texts else None
        yield from (unclean(text, limit) for text in candidate.inputs.values())
        if target_limit and candidate.target not in targets:
            yield unclean(candidate.target, target_limit)
        if usual or not is_written:
            return
        if any(map(refuses, (*candidate.inputs.values(), candidate.target))):
            yield "it is a refusal, not a row"

    first = (next(filter(None, problems(candidate)), None) for candidate in batch.candidates)
    return [Finding(why, f"The row is not usable: {why}.") if why else Finding() for why in first]


FORM = Gate(
    name="malformed",
    version=3,
    description="the row is one of its task, whole, free of control characters and no refusal",
    settings=lambda quality: None,
    check=_check,
    always=True,
)
