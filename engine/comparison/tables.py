"""A comparison as tables: one with everything, and two narrow ones for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from engine.comparison.results import ArmResult, Comparison, Difference
from engine.comparison.sentences import p_text, reading
from engine.report.formatting import NONE, decimal, hundredfold, money, points, value
from engine.report.tables.spend import tokens_text
from engine.report.tables.table import Table, TableColumn, titled


def whole_table(comparison: Comparison) -> Table:
    """Return everything in one table, a line per arm and budget."""
    over = f"over {comparison.baseline}"
    several = any(arm.budget is not None for arm in comparison.arms)
    columns = titled(
        "arm", *(["budget"] if several else []), comparison.metric, "95%", over, "95% of it", "p", "verdict", "gap",
        "rows", "steps", "tokens", "money", "minutes", "run",
        numbers=("budget", comparison.metric, over, "p", "gap", "rows", "steps", "tokens", "money", "minutes"),
        status="verdict",
    )  # fmt: skip
    rows = tuple(
        (
            arm.name,
            *([f"{arm.budget:,}" if arm.budget is not None else NONE] if several else []),
            *_scores(comparison, arm),
            *_against(comparison, arm.against),
            *_spent(comparison, arm),
            arm.run,
        )
        for arm in comparison.arms
    )
    return Table("Arms", columns, rows, reading(comparison))


def score_table(comparison: Comparison) -> Table:
    """Return the scores and what they say, for 80 columns."""
    over = f"over {comparison.baseline}"
    columns = titled(
        "arm", comparison.metric, "95%", over, "95% of it", "p",
        numbers=(comparison.metric, over, "p"),
    )  # fmt: skip
    rows = tuple(
        (_short(arm), *_scores(comparison, arm), *_against(comparison, arm.against)[:3])
        for arm in comparison.arms
    )
    return Table("", columns, rows)


def spend_table(comparison: Comparison) -> Table:
    """Return what each arm took, for 80 columns."""
    columns = titled(
        "arm", "gap", "rows", "steps", "tokens", "money", "minutes",
        numbers=("gap", "rows", "steps", "tokens", "money", "minutes"),
    )  # fmt: skip
    rows = tuple((_short(arm), *_spent(comparison, arm)) for arm in comparison.arms)
    return Table("", columns, rows)


def curve_table(comparison: Comparison) -> Table | None:
    """Return the means of each arm over the budgets of rows; None where there is one budget, or none was asked for."""
    budgets = list(dict.fromkeys(a.budget for a in comparison.arms if a.budget is not None))
    if len(budgets) < 2:
        return None
    found = {(arm.name, arm.budget): arm for arm in comparison.arms}
    names = list(dict.fromkeys(arm.name for arm in comparison.arms))
    columns = (
        TableColumn("arm"),
        *(TableColumn(f"{budget:,} rows", "number") for budget in budgets),
    )
    rows = tuple(
        (
            name,
            *(
                value(arm.value, comparison.percent)
                if (arm := found.get((name, budget), found.get((name, None))))
                else NONE
                for budget in budgets
            ),
        )
        for name in names
    )
    return Table(f"{comparison.metric} by budget of rows", columns, rows)


def student_table(comparison: Comparison) -> Table:
    """Return each seed's student: its round, and its value on test."""
    seeds = [f"seed {seed}" for seed in comparison.seeds]
    columns = titled("arm", *seeds, numbers=tuple(seeds))
    rows = tuple(
        (
            _short(arm),
            *(
                f"{value(score, comparison.percent)} (round {round_})"
                for round_, score in (arm.students[seed] for seed in comparison.seeds)
            ),
        )
        for arm in comparison.arms
    )
    return Table("Students on test, seed by seed", columns, rows)


def _short(arm: ArmResult) -> str:
    return arm.name if arm.budget is None else f"{arm.name} {arm.budget:,}"


def _scores(comparison: Comparison, arm: ArmResult) -> Iterator[str]:
    yield value(arm.value, comparison.percent)
    write = hundredfold if comparison.percent else decimal
    yield f"{write(arm.low)} to {write(arm.high)}"


def _against(comparison: Comparison, found: Difference | None) -> tuple[str, str, str, str]:
    if found is None:
        return (NONE, NONE, NONE, NONE)
    ends = [
        points(end, comparison.percent, signed=True, unit=False)
        for end in (found.value, found.low, found.high)
    ]
    return ends[0], f"{ends[1]} to {ends[2]}", p_text(found.p_adjusted), found.word


def _spent(comparison: Comparison, arm: ArmResult) -> Iterator[str]:
    yield points(arm.gap, comparison.percent, signed=True, unit=False)
    yield _number(arm.rows)
    yield _number(arm.steps)
    yield tokens_text(arm.tokens, arm.unmetered)
    known = money(arm.cost) if arm.cost is not None else ("unknown" if arm.unpriced else NONE)
    yield f"{known} + unknown" if arm.cost is not None and arm.unpriced else known
    yield f"{arm.minutes:,.1f}"


def _number(mean: float) -> str:
    return f"{mean:,.0f}" if mean == round(mean) else f"{mean:,.1f}"
