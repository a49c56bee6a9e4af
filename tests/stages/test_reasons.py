"""Reasons are declared in one place, documented, and no other is written; mypy sees to those that are no constants."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

from engine.backends.http.exchange import Kind
from engine.rows.reasons import (
    DECISIONS,
    DROPS,
    POOL,
    REPLIES,
    Decision,
    Dropped,
    PoolReason,
    ReplyError,
)
from engine.stages.augment.judging.acceptance import DOUBTS
from engine.stages.document import PAGE, page
from engine.stages.quality import GATES

WRITERS = re.compile(r"\b(Drop|PoolCount|leave_out|Decided|failed)\(")
ENGINE = Path(__file__).parents[2] / "engine"


@cache
def calls() -> dict[str, list[list[ast.expr]]]:
    """Return the arguments of every call in the engine, by the name that is called."""
    found: dict[str, list[list[ast.expr]]] = {}
    for module in ENGINE.rglob("*.py"):
        text = module.read_text("utf-8")
        # Parsing all would take seconds.
        if not WRITERS.search(text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr
                    if isinstance(node.func, ast.Attribute)
                    else getattr(node.func, "id", "")
                )
                found.setdefault(name, []).append(node.args)
    return found


def constants(name: str, place: int) -> Iterator[str]:
    for arguments in calls()[name]:
        match arguments[place : place + 1]:
            case [ast.Constant(value=str(text))]:
                yield text


def test_the_page_is_what_is_declared() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m engine.stages.document"


def test_every_reason_has_its_meaning() -> None:
    assert {reason for reasons in DROPS.values() for reason in reasons} == set(get_args(Dropped))
    assert set(REPLIES) == set(get_args(ReplyError))
    assert set(POOL) == set(get_args(PoolReason))
    assert set(DECISIONS) == set(get_args(Decision))
    assert set(DOUBTS) <= {gate.name for gate in GATES.values()}


def test_no_other_reason_is_written() -> None:
    dropped = [
        (stage.value, reason.value)
        for arguments in calls()["Drop"]
        for stage, reason in [(arguments[0], arguments[2] if len(arguments) > 2 else None)]
        if isinstance(stage, ast.Constant) and isinstance(reason, ast.Constant)
    ]
    assert len(dropped) > 25
    assert [(stage, why) for stage, why in dropped if why not in DROPS[str(stage)]] == []
    assert set(constants("PoolCount", 1)) | set(constants("leave_out", 0)) <= set(POOL)
    assert set(constants("Decided", 0)) == set(DECISIONS) - {"accepted"}
    assert set(constants("failed", 0)) <= set(REPLIES)
    assert set(get_args(Kind)) - {"reply"} <= set(REPLIES)
