"""Pairs for preference tuning: what is right against what is wrong, to the same prompt.

For the student a wrong answer is one that a student of the run gave to a training row, or the target of a rejected row
that all who answered it blind answered otherwise; which of them count is the rule of the run's own preference tuning
(`stages/preference/honest.py`). For the model that writes rows it is a row that was rejected, where another was
accepted that was written from the same training row, for the same pattern, by the same operator.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

from engine.backends.protocol import Message
from engine.export.data.labels import label_status
from engine.export.data.layouts import messages, tools_beside
from engine.export.run import FinishedRun
from engine.fingerprint import canonical
from engine.report.facts.json_columns import text_values
from engine.report.records import MINE
from engine.rows import Example
from engine.stages.preference.honest import comparing, outvoted, wrong_turn
from engine.stages.task_view import StudentPrompts

_FAILED = (
    "SELECT seed, round, example, prediction, answer FROM all_failures WHERE run = ? AND split = 'train'"
    " AND status <> 'backend_failed' ORDER BY round DESC, seed, example"
)
_ANSWERED = (
    MINE
    + ", b AS (SELECT candidate, list(answer) AS answers FROM verification SEMI JOIN mine USING (node, run)"
    " WHERE how = 'blind' GROUP BY candidate)"
    " SELECT v.seed, v.round, c.id, c.inputs, c.target, c.operator, b.answers FROM candidate c"
    " SEMI JOIN mine USING (node, run) JOIN b ON b.candidate = c.id"
    " JOIN (FROM verdict SEMI JOIN mine USING (node, run)) v ON v.candidate = c.id"
    " WHERE NOT v.accepted ORDER BY v.seed, v.round, c.id"
)
_WRITTEN = (
    "SELECT l.seed, l.round, l.candidate, l.operator, l.pattern, l.pattern_name, l.parent, l.inputs, l.target,"
    " l.accepted, l.reason, l.generate_call, l.label_source, l.verified FROM all_lineage l"
    " WHERE l.run = ? AND l.accepted IS NOT NULL"
    " AND l.reason NOT IN ('duplicate', 'leak') ORDER BY l.seed, l.round, l.candidate"
)
_CALLS = (
    "SELECT id, any_value(messages) AS messages, any_value(reply) AS reply FROM llm_call WHERE error IS NULL"
    " AND list_contains(?, id) GROUP BY id"
)


class _Request(NamedTuple):
    """What a writer was asked, and the columns of the rows that it was to write."""

    turns: list[dict[str, str]]
    columns: frozenset[str]


def student_pairs(
    run: FinishedRun, prompts: StudentPrompts, seed: int | None
) -> Iterator[dict[str, Any]]:
    """Yield pairs for the student; each wrong answer to a row once, that of the last student first."""
    train = {e.id: e for e in run.examples if e.split == "train"}
    metric = comparing(prompts.kind)
    seen: set[tuple[str, str]] = set()
    for r in run.query(_FAILED, [run.id]):
        example = train.get(r["example"])
        # The untuned student answers once, for all seeds.
        wanted = seed is None or r["round"] < 0 or r["seed"] == seed
        if example is None or not wanted:
            continue
        wrong = wrong_turn(prompts, metric, example, r["prediction"] or "", r["answer"])
        if wrong is None or (example.id, wrong) in seen:
            continue
        seen.add((example.id, wrong))
        meta = {"pada_pair": "student_error", "pada_label": "given", "pada_id": example.id}
        yield _pair(prompts, example, prompts.completion(example), wrong) | meta | _where(r)
    if prompts.kind.chosen(prompts.task.params):
        yield from _answered_otherwise(run, prompts, seed)


def _answered_otherwise(
    run: FinishedRun, prompts: StudentPrompts, seed: int | None
) -> Iterator[dict[str, Any]]:
    """Yield rejected rows with the answer that all blind answers came to, against the target they were written with."""
    for r in run.query(_ANSWERED, [run.id]):
        answer = outvoted(r["target"], r["answers"])
        if answer is None or (seed is not None and r["seed"] != seed):
            continue
        inputs = text_values(r["inputs"])
        right, wrong = (
            Example(r["id"], "train", inputs, target, {}, "generated", 0)
            for target in (answer, r["target"])
        )
        said = prompts.completion(right)
        meta = {"pada_pair": "blind_answer", "pada_label": "unverified", "pada_id": r["id"]}
        yield _pair(prompts, right, said, prompts.completion(wrong)) | meta | _where(r)


def writer_pairs(run: FinishedRun, seed: int | None) -> Iterator[dict[str, Any]]:
    """Yield an accepted row against each rejected one beside it, to the request that the accepted one came from."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for r in run.query(_WRITTEN, [run.id]):
        if seed is None or r["seed"] == seed:
            groups[r["seed"], r["round"], r["pattern"], r["operator"], r["parent"]].append(r)
    pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for rows in groups.values():
        accepted = [r for r in rows if r["accepted"]]
        rejected = [r for r in rows if not r["accepted"]]
        if accepted:
            pairs += zip(cycle(accepted), rejected, strict=False)
    asked = _requests(run, [good["generate_call"] for good, _ in pairs])
    for good, bad in pairs:
        if request := asked.get(good["generate_call"]):
            yield {
                "prompt": request.turns,
                **_replies(*(_written(run, r, request.columns) for r in (good, bad))),
                "pada_pair": "writer",
                "pada_label": label_status(good["label_source"], good["verified"]),
                "pada_id": good["candidate"],
                "pada_seed": good["seed"],
                "pada_round": good["round"],
                "pada_operator": good["operator"],
                "pada_pattern": good["pattern_name"],
                "pada_reason": bad["reason"],
            }


def _requests(run: FinishedRun, calls: Sequence[str]) -> dict[str, _Request]:
    rows = run.query(_CALLS, [sorted(set(calls))]) if calls else []
    return {r["id"]: _Request(_parsed(r["messages"]), _columns(r["reply"])) for r in rows}


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _columns(reply: str | None) -> frozenset[str]:
    """Return the columns of the rows in a reply: a writer who rewords is not asked for the target."""
    try:
        return frozenset(json.loads(reply or "")["rows"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return frozenset()


def _written(run: FinishedRun, r: Mapping[str, Any], columns: frozenset[str]) -> str:
    row = {**text_values(r["inputs"]), run.task.target: r["target"]}
    return canonical({"rows": [{name: row[name] for name in row if name in columns} or row]})


def _pair(prompts: StudentPrompts, example: Example, right: str, wrong: str) -> dict[str, Any]:
    turns = prompts(example)
    beside: dict[str, Any] = {"tools": []} if prompts.task.seen else {}
    return {"prompt": messages(turns), **beside, **tools_beside(turns), **_replies(right, wrong)}


def _replies(right: str, wrong: str) -> dict[str, Any]:
    said = {"chosen": right, "rejected": wrong}
    return {name: messages([Message("assistant", text)]) for name, text in said.items()}


def _where(r: Mapping[str, Any]) -> dict[str, Any]:
    return {"pada_seed": r["seed"], "pada_round": r["round"]}
