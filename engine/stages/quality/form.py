"""malformed: the row is one of its task, its texts are text, and none was cut at the limit of its schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import category

from engine.rows import Candidate
from engine.stages.quality.protocol import Batch, Finding, Gate
from engine.stages.schemas import longest_text

_BROKEN = frozenset({"Cc", "Cs", "Co", "Cn"})
"""Unicode's categories of what is no text; spaces and joiners, which many scripts need, are."""


def unclean(text: str, limit: int) -> str | None:
    """Return what gives a written text away as broken: control characters, or an end at its schema's length limit."""
    if any(category(c) in _BROKEN and c not in "\n\t\r" for c in text):
        return "it has control characters"
    return f"it was cut at {limit} characters" if len(text) >= limit - 1 else None


def _check(batch: Batch, settings: None) -> Sequence[Finding]:
    targets = {e.target for e in batch.train}
    input_limit = longest_text(text for e in batch.train for text in e.inputs.values())
    schema = batch.kind.target_schema(batch.task, longest_text(targets))
    target_limit: int | None = schema.get("maxLength")

    def problems(candidate: Candidate) -> Iterator[str | None]:
        yield batch.kind.malformed(candidate.inputs, candidate.target, batch.task)
        yield from (unclean(text, input_limit) for text in candidate.inputs.values())
        if target_limit and candidate.target not in targets:
            yield unclean(candidate.target, target_limit)

    first = (next(filter(None, problems(candidate)), None) for candidate in batch.candidates)
    return [Finding(why, f"The row is not usable: {why}.") if why else Finding() for why in first]


FORM = Gate(
    name="malformed",
    version=1,
    description="the row is one of its task, whole and free of control characters",
    settings=lambda quality: None,
    check=_check,
    always=True,
)
