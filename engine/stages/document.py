"""docs/reasons.md: why the engine rejects a row or leaves it out, from where reasons are declared.

    python -m engine.stages.document

writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from engine.rows.reasons import DECISIONS, DROPS, POOL, REPLIES
from engine.stages.quality import GATES

R = TypeVar("R", bound=str)
PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"
_OPENING = """\
# Why a row was rejected or left out

<!-- Written by `python -m engine.stages.document` from engine/rows/reasons.py and the gates; a test fails on drift. -->

Nothing vanishes: what comes into a step is handed on, or has a row that says why not, with a `reason` from this page
and a `detail` in words. Counts and examples stand in the report; the rows themselves are in the store:

```sql
SELECT d.stage, d.reason, count(*) AS n FROM "drop" d JOIN run_rows USING (node) GROUP BY ALL ORDER BY n DESC;
SELECT reason, detail, target, inputs FROM rejected_rows LIMIT 10;
```
"""


def verdicts() -> dict[str, str]:
    """Return what each reason of a verdict on a generated row means."""
    gates = {gate.name: f"A gate. What passes: {gate.description}." for gate in GATES.values()}
    return gates | {str(name): text for name, text in DECISIONS.items()}


def page() -> str:
    """Return docs/reasons.md."""
    lines = [_OPENING, "## Verdicts on generated and mined rows", ""]
    lines.append(
        "Each candidate has one verdict; the first of these that rejects gives the reason. Which gates reject, advise"
        " or are off, the teacher's pack and the recipe say ([quality.md](quality.md)); what follows them is told in"
        " [judging.md](judging.md). The view `rejected_rows` has those of `select` below, too."
    )
    lines += ["", *_table(verdicts())]
    lines += ["## Rows and items left out, by stage", ""]
    lines.append(
        "The table `drop`. Where a stage asks a model, the reasons of the next section come besides; they count calls"
        " that brought nothing."
    )
    lines.append("")
    for stage, reasons in DROPS.items():
        lines += [f"### {stage}", "", *_table(reasons)]
    lines += ["## Replies that cannot be used", ""]
    lines.append(
        "The column `error` of the table `llm_call`, and the `reason` of what depended on the reply"
        " ([backends.md](backends.md)); `pada calls --failed` lists them."
    )
    lines += ["", *_table(REPLIES)]
    lines += [
        "## Rows of a pool",
        "",
        "The table `pool_count`, by number ([mining.md](mining.md)).",
        "",
    ]
    lines += _table(POOL)
    return "\n".join(lines).rstrip() + "\n"


def _table(reasons: Mapping[R, str]) -> Iterator[str]:
    yield "| reason | meaning |"
    yield "|---|---|"
    for reason, meaning in reasons.items():
        yield f"| `{reason}` | {meaning.replace('|', chr(92) + '|')} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
