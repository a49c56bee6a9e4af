"""What decides can: the failure predicate of short targets, the metric that the loop stops by in a mixed log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plan.small_recipe import said, write

ASKED = {"kind": "generation", "input": ["q"], "target": "a"}
SHORT = ("2.350,00 €", "5 years", "22,9 kg", "on 12 March 2026 at about two in the afternoon")
LONG = "We ship on every working day, and you get a message as soon as it is on its way"


def asked(*answers: str) -> list[dict[str, str]]:
    return [{"q": f"question {number}", "a": answer} for number, answer in enumerate(answers)]


def test_short_targets_are_not_left_to_a_metric_of_overlap(tmp_path: Path) -> None:
    (text,) = said(write(tmp_path, ASKED, asked(*SHORT, LONG)), "metric")
    assert text.startswith(
        "12 of 15 targets are short (few words, amounts, dates), such as '2.350,00 €'"
    )
    assert "`failure: exact_match < 1` and `metrics: [exact_match, rouge_l, chrf]`" in text


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        (asked(*SHORT), {"metrics": ["exact_match", "rouge_l"], "failure": "exact_match < 1"}),
        (asked(*SHORT), {"metrics": ["rouge_l", "exact_match"], "failure": "rouge_l < 1 or exact_match < 1"}),
        (asked(*SHORT[:1], LONG, f"{LONG}!"), {}),
    ],
    ids=["exact", "both", "long"],
)  # fmt: skip
def test_nothing_is_said_where_the_failure_is_exact_or_targets_are_long(
    tmp_path: Path, rows: list[dict[str, str]], more: dict[str, Any]
) -> None:
    assert said(write(tmp_path, ASKED, rows, **more), "metric") == []


def log(texts: int, calls: int) -> list[dict[str, Any]]:
    tools = [
        {
            "type": "function",
            "function": {"name": "find", "parameters": {"type": "object", "properties": {}}},
        }
    ]
    called = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    answers: list[dict[str, Any]] = [
        {"role": "assistant", "content": f"{LONG} {n}"} for n in range(texts)
    ]
    answers += [{"role": "assistant", "content": None, "tool_calls": [called]}] * calls
    return [
        {"messages": [{"role": "user", "content": f"question {n}"}, answer], "tools": tools}
        for n, answer in enumerate(answers)
    ]  # fmt: skip


def test_a_metric_that_few_validation_rows_have_is_said_with_those_that_more_have(
    tmp_path: Path,
) -> None:
    task = {"kind": "chat", "input": ["messages"], "target": "answer"}
    (text,) = said(write(tmp_path, task, log(9, 1)), "metric")
    assert "tool_call, by which the loop stops" in text
    assert "is defined for 1 of 10 validation rows" in text
    assert (
        "others are for more (rouge_l for 9, tool_name for 10): name one as loop.stop.metric"
        in text
    )
    stop = {"loop": {"rounds": 0, "stop": {"metric": "rouge_l"}}}
    assert said(write(tmp_path, task, log(9, 1), **stop), "metric") == []
    assert said(write(tmp_path, task, log(4, 6)), "metric") == []
