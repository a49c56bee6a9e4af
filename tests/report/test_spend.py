"""What a run cost: known money, unknown money, and what was expected of it."""

from __future__ import annotations

import io
import re
from dataclasses import fields
from typing import Any

import pytest
from rich.console import Console

from engine.report.console import summary
from engine.report.facts import collect
from engine.report.facts.spend import CALLS_BEHIND
from engine.report.formatting import between, money
from engine.report.html import render_html, tiles
from engine.report.markdown import render_markdown
from engine.report.records import Report
from engine.report.tables import foreseen, foreseen_sentence, spend_table, spent
from engine.rows import Row
from engine.stages import STAGES
from tests.report import invented

pytestmark = pytest.mark.runs

SERVER = {"backend": "openai", "model": "m", "base_url": "http://localhost:1/v1"}
LOCAL = {"backend": "transformers", "model": "embedded/smollm2-135m-instruct"}
ESTIMATE = (
    '{"calls": [45, 258], "tokens": [6174, 61378], "money": [0.05, 0.5], "unpriced": ["judge"],'
    ' "steps": 180, "minutes": [4.2, 7.3]}'
)


def store(teacher: dict[str, Any] = SERVER, judge: dict[str, Any] = LOCAL) -> invented.Invented:
    made = invented.full(rounds=1)
    models = f'{{"teacher": {_json(teacher)}, "judge": {_json(judge)}}}'
    made.db.execute(
        "UPDATE recipe SET effective = json_merge_patch(effective, ?)", [f'{{"models": {models}}}']
    )
    return made


def _json(value: dict[str, Any]) -> str:
    return "{" + ", ".join(f'"{k}": "{v}"' for k, v in value.items()) + "}"


def report(made: invented.Invented) -> Report:
    return collect(made.query, "r0001")


def column(found: Report, title: str) -> dict[str, str]:
    """Return role/stage -> cell of one column of the spend table."""
    table = spend_table(found)
    place = [c.title for c in table.columns].index(title)
    return {f"{row[1]}/{row[2]}": row[place] for row in table.rows}


def test_a_run_of_local_models_has_no_column_of_money() -> None:
    found = report(store(LOCAL))
    assert [c.title for c in spend_table(found).columns] == [
        "paid", "role", "stage", "calls", "errors", "prompt tokens", "completion tokens", "model time",
    ]  # fmt: skip
    assert "cost" not in spent(found)


def test_calls_behind_rows_of_every_kind_are_counted() -> None:
    assert STAGES, "so that every kind of row is known"
    kinds = {
        kind.table for kind in Row.__subclasses__() if "call" in {f.name for f in fields(kind)}
    }
    assert kinds >= {"label_suspect", "verification", "judge_anchor"}
    # Every call that a candidate is from is a `row_call` too; one that was taken over counts where it was asked.
    assert set(re.findall(r"SELECT call FROM (\w+) SEMI JOIN", CALLS_BEHIND)) == kinds - {
        "candidate",
        "call_use",
    }


def test_money_without_a_price_is_unknown_and_never_zero() -> None:
    found = report(store())
    cells = column(found, "money")
    assert cells["teacher/diagnose"] == "unknown"
    assert cells["judge/judge"] == "–"
    assert cells["all/"] == "unknown"
    assert "cost unknown" in spent(found)
    assert dict((label, figure) for label, figure, _ in tiles(found))["money"] == "unknown"


def test_known_and_unknown_money_are_both_said() -> None:
    made = store(judge=SERVER)
    made.db.execute("UPDATE llm_call SET cost = 0.25 WHERE role = 'teacher'")
    found = report(made)
    teacher = made.value("SELECT count(*) FROM llm_call WHERE role = 'teacher'")
    judge = made.value("SELECT count(*) FROM llm_call WHERE role = 'judge'")
    cells = column(found, "money")
    assert cells["judge/judge"] == "unknown"
    assert cells["all/"] == f"{money(teacher / 4)} + unknown"
    assert f"cost {money(teacher / 4)} and an unknown part of {judge} calls" in spent(found)


def test_retries_cached_and_reasoning_tokens_have_columns_where_there_are_any() -> None:
    made = store()
    made.db.execute(
        "UPDATE llm_call SET cached_tokens = 100, reasoning_tokens = 7, cost = 0.001,"
        ' tries = \'[{"kind": "timeout"}, {"kind": "timeout"}]\' WHERE role = \'teacher\''
    )
    found = report(made)
    asked = made.value("SELECT count(*) FROM llm_call WHERE role = 'teacher'")
    assert column(found, "retries")["all/"] == str(2 * asked)
    assert column(found, "cached tokens")["all/"] == f"{100 * asked:,}"
    assert column(found, "cached tokens")["judge/judge"] == "–"
    assert column(found, "reasoning tokens")["all/"] == f"{7 * asked:,}"
    assert f"{2 * asked} retries" in spent(found)


def test_calls_without_token_counts_are_said_to_lack_them() -> None:
    made = store()
    made.db.execute("UPDATE llm_call SET prompt_tokens = NULL WHERE role = 'judge'")
    found = report(made)
    judged = made.value("SELECT count(*) FROM llm_call WHERE role = 'judge'")
    assert f"{judged} calls came without a token count" in spend_table(found).note
    assert column(found, "prompt tokens")["judge/judge"] == "unknown"
    assert column(found, "prompt tokens")["all/"].endswith(" + unknown")


def test_calls_that_tell_no_tokens_are_no_free_calls() -> None:
    made = store()
    made.db.execute("UPDATE llm_call SET prompt_tokens = NULL, completion_tokens = NULL")
    found = report(made)
    assert "LLM calls, tokens unknown" in spent(found)
    assert ("LLM calls", "unknown tokens, 0 reused") in [(t[0], t[2]) for t in tiles(found)]


def test_the_estimate_stands_beside_the_truth_wherever_people_look() -> None:
    made = store()
    made.db.execute("UPDATE run SET estimate = ?", [ESTIMATE])
    made.db.execute("UPDATE llm_call SET cost = 0.01 WHERE role = 'teacher'")
    found = report(made)
    told = {f.what: (f.expected, f.was) for f in foreseen(found)}
    calls = made.value("SELECT count(*) FROM llm_call")
    tokens = made.value("SELECT sum(prompt_tokens + completion_tokens)::INTEGER FROM llm_call")
    steps = made.value("SELECT sum(steps)::INTEGER FROM model")
    teacher = made.value("SELECT sum(cost) FROM llm_call")
    assert told == {
        "LLM calls": ("45 to 258", f"{calls}"),
        "tokens": ("6,174 to 61,378", f"{tokens:,}"),
        "money": ("0.05 to 0.5 + unknown", money(teacher)),
        "optimizer steps": ("180", f"{steps}"),
        "minutes": ("4.2 to 7.3", "7.5"),
    }
    stream = io.StringIO()
    Console(file=stream, width=1000).print(summary(found))
    assert f"LLM calls {calls}, estimated 45 to 258" in stream.getvalue()
    for text in (render_html(found), render_markdown(found)):
        assert "Estimated and actual" in text
        assert "6,174 to 61,378" in text


@pytest.mark.parametrize(
    "stored",
    [None, '{"calls": [0, 0], "tokens": [0, 0], "money": null, "unpriced": [], "steps": 0, "minutes": null}'],
    ids=["an earlier engine's run", "nothing was left to do"],
)  # fmt: skip
def test_without_an_estimate_nothing_is_said(stored: str | None) -> None:
    made = store()
    made.db.execute("UPDATE run SET estimate = ?", [stored])
    found = report(made)
    assert foreseen_sentence(found) == ""
    assert "Estimated and actual" not in render_html(found) + render_markdown(found)


@pytest.mark.parametrize(
    ("ends", "decimals", "text"),
    [
        ((45, 258), 0, "45 to 258"),
        ((7, 7), 0, "7"),
        ((0.0, 0.0004), 2, "0.00 to 0.0004"),
        ((0.051, 12.345), 2, "0.051 to 12.35"),
        ((1234567, 2345678.4), 0, "1,234,567 to 2,345,678"),
    ],
)
def test_ranges_read_well(ends: tuple[float, float], decimals: int, text: str) -> None:
    assert between(ends, decimals) == text


def test_what_nobody_knows_is_left_out_of_the_line() -> None:
    """It said "money unknown, was –"."""
    made = store()
    made.db.execute("UPDATE run SET estimate = ?", [ESTIMATE])
    made.db.execute("UPDATE llm_call SET cost = NULL")
    said = foreseen_sentence(report(made))
    assert said.startswith("Used: LLM calls")
    assert "–" not in said
    assert "unknown, estimated unknown" not in said
