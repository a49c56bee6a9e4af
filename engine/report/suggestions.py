"""Queries and caveats that close a report: what to ask next, what the numbers cannot say."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from engine.report.records import Report
from engine.report.tables import blocked_sentence
from engine.spec.repository import state_folder
from engine.system.places import STATE


class Suggestion(NamedTuple):
    """A question and the SQL that answers it."""

    question: str
    sql: str
    state: str = str(STATE)

    @property
    def command(self) -> str:
        """The shell command; the SQL has single quotes only."""
        # The folder goes first: where a terminal wraps the line, the break is inside of the SQL.
        return f'pada sql{said_state(self.state)} "{self.sql}"'


def said_state(state: str) -> str:
    """Return how a command is told where the store is: nothing where it looks there by itself."""
    return "" if state == str(state_folder()) else f" --state {shlex.quote(state)}"


def queries(report: Report) -> tuple[Suggestion, ...]:
    """Return three statements that run as they are against the store; none where it does not last."""
    run, state = report.header.run.replace("'", "''"), report.header.state
    if state is None:
        return ()
    # Written answers have no probability: nothing can be ordered by it.
    sure = any(one.confidence is not None for one in report.failures if one.round >= 0)
    return (
        Suggestion(
            "Which wrong answers was the student surest of?"
            if sure
            else "Which answers are wrong, pattern by pattern?",
            f"select inputs, target, answer, {'confidence, ' if sure else ''}pattern_name from all_failures"
            f" where run = '{run}' and split = 'validation' and round {_looked_at(report)} order by "
            f"{'confidence desc nulls last' if sure else 'pattern_name nulls last, inputs'} limit 20",
            state,
        ),
        Suggestion(
            "Why were generated rows rejected, by operator?",
            "select operator, reason, count(*) as n from all_rejected_rows"
            f" where run = '{run}' group by all order by n desc",
            state,
        ),
        Suggestion(
            "What did each pattern and operator buy for its tokens?",
            "select pattern_name, operator, selected, tokens, status, points from all_payoff"
            f" where run = '{run}' order by points desc nulls last, selected desc",
            state,
        ),
    )


def _looked_at(report: Report) -> str:
    """Return the condition on rounds for the student that the stop rule chose; all but the untuned one if several."""
    last = {d.seed: d.best_round for d in report.decisions if d.stage == "decide"}
    chosen = set(last.values())
    return f"= {chosen.pop()}" if len(chosen) == 1 else ">= 0"


def caveats(report: Report) -> tuple[str, ...]:
    """Return the limits of this report's numbers, those that apply to this run."""
    limits = [
        "Validation scores are optimistic: patterns and generated rows come from validation"
        " failures, and the loop stops by them. Test rows are scored and never steer.",
        "Intervals are 95% intervals over the examples of a split (Wilson's for shares of rows, else a bootstrap), and"
        " over seeds where several are compared; they do not cover another draw of training rows or another task.",
    ]
    if len(report.scores.seeds) == 1:
        limits.append(
            "One seed was run: another seed can move a score by several points."
            " Add `seeds` to the recipe."
        )
    if report.header.row_limit:
        limits.append(f"Only {report.header.row_limit:,} rows per split were used (--limit).")
    if blocked := blocked_sentence(report):
        limits.append(blocked)
    if report.header.status == "running":
        limits.append("The run is still going: this is what was finished so far.")
    return tuple(limits)
