"""From columns and a kind of task to what a recipe says of them: parameters, made columns, labels, metrics."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.authoring.start.choosing import (
    Options,
    context_in,
    in_sql,
    options_in,
    several_labels,
    unknown_column,
)
from engine.authoring.start.columns import Column, is_filled
from engine.authoring.start.looking import Looked
from engine.authoring.start.schemas import schema_of
from engine.data.labels import FOLDS, alike, differences, folded, visible
from engine.errors import EngineError
from engine.numbers import final_number
from engine.plan.checks.metrics import is_short
from engine.spec.recipe import Fold
from engine.tasks import TASKS

_MOST_WRITTEN = 40
"""Labels that are written into the recipe; of more the training rows are the list."""
_SHOWN = 5
"""Labels whose spellings are told."""
_ASSISTANT = ("assistant", "gpt", "model")
_ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Settled:
    """A task as the recipe has it."""

    kind: str
    input: Sequence[str]
    target: str
    params: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns to be made: name -> SQL."""
    where: str = ""
    """Which rows count, where not all do."""
    left_out: int = 0
    """Rows that do not."""
    labels: Sequence[str] = ()
    """Those that are written down, the most frequent first."""
    label_count: int = 0
    fold: Sequence[Fold] = ()
    """What makes no difference between labels."""
    metrics: Sequence[str] = ()
    failure: str = ""
    group: str = ""
    """Column whose values stay on one side of a split."""
    answers: Sequence[str] = ()
    """The right answers as text, of the rows that count."""
    said: Sequence[str] = ()
    """What to tell the user, a line each."""


def settle(
    kind: str,
    looked: Looked,
    seen: Sequence[str],
    target: str,
    fold: Sequence[str] = FOLDS,
) -> Settled:
    """Return the task of a kind over columns.

    Args:
        kind: The kind.
        looked: The rows.
        seen: Columns that the student sees.
        target: The column with the right answers.
        fold: What may make no difference between labels, where it tells some apart.

    Raises:
        EngineError: the columns are not there, or hold nothing that the kind could be trained on.
    """
    if kind == "chat":
        return _chat(looked, seen, target)
    for name in (*seen, target):
        if name not in looked.columns:
            raise EngineError(
                f"{looked.place} has no column '{name}'", unknown_column(name, looked.columns)
            )
    if kind == "classification":
        settled = _classification(looked, list(seen), target, fold)
    else:
        settled = _KINDS[kind](looked, list(seen), target)
    return _with_metrics(_without_blanks(settled, looked))


def _column(looked: Looked, target: str) -> Column:
    column = looked.columns[target]
    if column.distinct < 2:
        only = f"every row has '{column.values[0]}'" if column.values else "no row has anything"
        raise EngineError(
            f"{looked.place}: {only} in '{target}': there is nothing to learn",
            "name another column with --target",
        )
    return column


def _without_blanks(settled: Settled, looked: Looked) -> Settled:
    """Return the task with a condition that leaves out rows without an input or an answer, where there are such."""
    names = [name for name in (*settled.input, settled.target) if name in looked.columns]
    blank = {name for name in names if looked.columns[name].is_empty_somewhere}
    if settled.where or not blank:
        return settled
    parts = [_is_filled(looked.columns[name]) for name in names if name in blank]
    count = sum(any(not is_filled(row.get(name)) for name in blank) for row in looked.rows)
    rows, they = ("row has", "it is") if count == 1 else ("rows have", "they are")
    said = f"{count:,} {rows} nothing in {_listed(sorted(blank))}: {they} left out"
    return _changed(settled, where=" and ".join(parts), left_out=count, said=[*settled.said, said])


def _is_filled(column: Column) -> str:
    """Return the condition that a row has a value in a column."""
    name = in_sql(column.name)
    is_text = column.shape == "text" or column.is_json
    return f"trim({name}) <> ''" if is_text else f"{name} is not null"


def _changed(settled: Settled, **changes: Any) -> Settled:
    return replace(settled, **changes)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _classification(
    looked: Looked, seen: list[str], target: str, may_fold: Sequence[str]
) -> Settled:
    column = _column(looked, target)
    params: dict[str, Any] = {}
    columns: dict[str, str] = {}
    sign = several_labels(column)
    if column.shape == "list":
        params = {"many": True}
        per_row = [[str(part).strip() for part in value] for value in column.values]
        answers = [json.dumps(sorted(set(names)), ensure_ascii=False) for names in per_row]
    elif sign is not None:
        params = {"many": True}
        if sign != ",":
            columns = {target: f"string_split({in_sql(target)}, '{sign}')"}
        per_row = [[p for part in str(v).split(sign) if (p := part.strip())] for v in column.values]
        answers = [json.dumps(sorted(set(names)), ensure_ascii=False) for names in per_row]
    else:
        if column.shape in ("object", "turns"):
            raise EngineError(
                f"the column '{target}' holds objects, not labels",
                "take another --task or another --target",
            )
        if column.shape == "truth" or any(isinstance(value, float) for value in column.values):
            columns = {target: f"{in_sql(target)}::varchar"}
        answers = [_as_label(value) for value in column.values]
        per_row = [[answer] for answer in answers]
    counts = Counter(name for names in per_row for name in names)
    _check_labels(looked, target, counts, len(per_row))
    fold, kept, said = _folds(counts, [each for each in FOLDS if each in may_fold])
    labels = kept if len(kept) <= _MOST_WRITTEN else []
    about = f"{len(kept):,} labels" + (" and any number of them per row" if params else "")
    return Settled(
        "classification", seen, target, params, columns, labels=labels, label_count=len(kept), fold=fold,
        answers=answers, said=[about + ": " + _some(kept), *said],
    )  # fmt: skip


def _as_label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_labels(looked: Looked, target: str, counts: Mapping[str, int], rows: int) -> None:
    if len(counts) < 2:
        only = next(iter(counts), "")
        raise EngineError(
            f"{looked.place}: every row has '{only}' in '{target}': there is nothing to tell apart",
            "a classification needs at least two labels; name another column with --target",
        )
    if len(counts) > rows / 2 and rows > 4:
        raise EngineError(
            f"{looked.place}: '{target}' has {len(counts):,} different values in {rows:,} rows: these are no labels",
            "labels come again and again; name another column with --target, or another kind with --task "
            "(such as generation, for answers in free text)",
        )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:8])
    return shown + (f", … and {len(names) - 8} more" if len(names) > 8 else "")


def _folds(
    counts: Mapping[str, int], may_fold: Sequence[Fold]
) -> tuple[list[Fold], list[str], list[str]]:
    """Return what spellings differ in, the labels with the commonest spelling of each, and what to say."""
    groups = alike(counts, may_fold) if may_fold else []
    found = {fold for group in groups for fold in differences(group)}
    fold = [each for each in FOLDS if each in found]
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    first: dict[str, str] = {}
    for name in ranked:
        first.setdefault(folded(name, fold) if fold else name, name)
    said = []
    for group in groups[:_SHOWN]:
        most, *others = sorted(group, key=lambda name: (-counts[name], name))
        spelled = ", ".join(f"'{visible(name)}'" for name in others)
        said.append(f"'{visible(most)}' is also spelled {spelled}: read as one label")
    if len(groups) > _SHOWN:
        said.append(
            f"labels with several spellings besides, each read as one: {len(groups) - _SHOWN}"
        )
    return fold, list(first.values()), said


def _multiple_choice(looked: Looked, seen: list[str], target: str) -> Settled:
    column = _column(looked, target)
    options = options_in(looked, seen, target)
    if options is None:
        raise EngineError(
            f"{looked.place}: no column holds options of which '{target}' names one, by its letter or its text",
            "a multiple choice needs a list of options per row, columns such as A, B, C, or lines `A. …` in the text",
        )
    rest = [name for name in seen if name not in options.apart and name != options.column]
    params = {"options": options.column} if options.column else {}
    inputs = [*rest, options.column] if options.column else rest
    return Settled(
        "multiple_choice", inputs, target, params, options.derived, answers=[str(v) for v in column.values],
        said=[_options_said(options)],
    )  # fmt: skip


def _options_said(options: Options) -> str:
    if options.apart:
        return f"the options stand in {_listed(options.apart)}"
    return (
        f"the options stand in '{options.column}'"
        if options.column
        else "the options stand in the text"
    )


def _extraction(looked: Looked, seen: list[str], target: str) -> Settled:
    column = _column(looked, target)
    columns: dict[str, str] = {}
    where, left_out, spans = "", 0, f"{target}_spans"
    if column.shape == "object":
        context = max(seen, key=lambda name: looked.columns[name].longest)
        columns = {spans: f"{in_sql(target)}.text"}
        answers = [
            str(v["text"][0])
            for v in column.values
            if isinstance(v.get("text"), list) and v["text"]
        ]
        left_out = len(looked.rows) - len(answers)
        where = f"len({spans}) > 0" if left_out else ""
        name = spans
    else:
        found = context_in(looked, seen, target)
        if found is None:
            raise EngineError(
                f"{looked.place}: the answers in '{target}' do not stand word for word in one of {_listed(seen)}",
                "an extraction copies its answer; name the column with --input, or take --task generation",
            )
        context, name, answers = found, target, [str(value) for value in column.values]
    repeated = looked.columns[context].distinct < looked.columns[context].filled
    return Settled(
        "extraction", seen, name, {"context": context, "max_tokens": _tokens(answers, 48, 1024)}, columns, where,
        left_out, answers=answers, group=context if repeated else "",
        said=[f"the answers stand word for word in '{context}'"]
        + ([f"rows with the same '{context}' stay on one side of a split"] if repeated else []),
    )  # fmt: skip


def _numeric(looked: Looked, seen: list[str], target: str) -> Settled:
    column = _column(looked, target)
    texts = [str(value).strip() for value in column.values]
    comma = looked.form.get("decimal") != "," and column.shape == "text" and _fits_comma(texts)
    own: dict[str, Any] = {"decimal": "comma"} if comma else {}
    if column.are_numbers:
        own["max_tokens"] = 32
    else:
        own["max_tokens"] = _tokens(texts, 256, 4096)
    said = ["the numbers have a decimal comma"] if comma else []
    return Settled("numeric", seen, target, own, answers=texts, said=said)


def _fits_comma(texts: Sequence[str]) -> bool:
    """Tell whether more targets are numbers with a decimal comma than with a full stop."""
    point = sum(final_number(text, "point") is not None for text in texts)
    return sum(final_number(text, "comma") is not None for text in texts) > point


def _structured(looked: Looked, seen: list[str], target: str) -> Settled:
    column = _column(looked, target)
    if column.shape != "object":
        raise EngineError(
            f"{looked.place}: '{target}' does not hold JSON objects",
            "take another --task or another --target",
        )
    answers = [json.dumps(value, ensure_ascii=False, sort_keys=True) for value in column.values]
    schema = schema_of(column.values)
    keys = _listed(list(schema["properties"])[:8])
    params = {"max_tokens": _tokens(answers, 256, 4096), "json_schema": schema}
    return Settled(
        "structured", seen, target, params, answers=answers, said=[f"objects with the keys {keys}"]
    )


def _generation(looked: Looked, seen: list[str], target: str) -> Settled:
    column = _column(looked, target)
    columns: dict[str, str] = {}
    if column.shape in ("object", "truth", "turns") or (column.shape == "list" and column.is_json):
        columns = {target: f"{in_sql(target)}::varchar"}
    answers = [
        str(value[0]) if isinstance(value, list) and value else str(value)
        for value in column.values
    ]
    params = {"max_tokens": _tokens(answers, 128, 4096)}
    return Settled("generation", seen, target, params, columns, answers=answers)


def _tokens(answers: Sequence[str], least: int, most: int) -> int:
    """Return tokens for the longest answer, of at least two characters each."""
    longest = max(map(len, answers), default=0)
    return min(most, max(least, -(-longest // 2 // 16) * 16))


def _chat(looked: Looked, seen: Sequence[str], target: str) -> Settled:
    name = next((n for n in seen if n in looked.columns), "")
    if not name or looked.columns[name].shape != "turns":
        raise EngineError(
            f"{looked.place}: no column holds conversations",
            'a chat needs a list of turns per row: {"messages": [{"role": "user", "content": "…"}, …]}',
        )
    column = looked.columns[name]
    key = "role" if any("role" in turn for turn in column.values[0]) else "from"
    last = [value[-1] if value and isinstance(value[-1], dict) else {} for value in column.values]
    answered = [turn for turn in last if turn.get(key) in _ASSISTANT]
    if not answered:
        raise EngineError(
            f"{looked.place}: none of {len(last):,} conversations ends on the assistant: no answer can be learned",
            "give conversations whose last turn is the answer that the assistant should give",
        )
    left_out = len(looked.rows) - len(answered)
    roles = sorted({str(turn[key]) for turn in answered})
    sql = (
        f"json_extract_string({in_sql(name)}, '$[#-1].{key}')"
        if column.is_json
        else f"{in_sql(name)}[-1].{in_sql(key)}"
    )
    said_by = f"= '{roles[0]}'" if len(roles) == 1 else f"in ({', '.join(map(repr, roles))})"
    where = f"{sql} {said_by}" if left_out else ""
    own = target if target and target != name else _ANSWER
    calls = [turn for turn in answered if turn.get("tool_calls") or turn.get("function_call")]
    answers = [str(turn.get("content") or turn.get("value") or "") for turn in answered]
    kind = TASKS["chat"]
    metrics, failure = (
        (kind.metrics, kind.failure) if calls else (("rouge_l", "chrf"), "rouge_l < 0.3")
    )
    if calls and 2 * len(calls) < len(answered):
        metrics = ("rouge_l", *(metric for metric in metrics if metric != "rouge_l"))
    said = (
        [f"{left_out:,} conversations do not end on the assistant: they are left out"]
        if left_out
        else []
    )
    said += [f"{len(calls):,} answers call a tool"] if calls else []
    return Settled(
        "chat", [name], own, {"max_tokens": _tokens(answers, 256, 4096)}, {}, where, left_out,
        metrics=metrics, failure=failure, answers=answers, said=said,
    )  # fmt: skip


_KINDS = {
    "multiple_choice": _multiple_choice,
    "extraction": _extraction,
    "numeric": _numeric,
    "structured": _structured,
    "generation": _generation,
}


def _with_metrics(settled: Settled) -> Settled:
    """Return the task with its metrics and its failure: exact where answers are a few words."""
    kind = TASKS[settled.kind]
    metrics, failure = list(kind.metrics), kind.failure
    short = sum(map(is_short, settled.answers))
    if settled.kind == "generation" and 2 * short >= len(settled.answers):
        metrics, failure = ["exact_match", *metrics], "exact_match < 1"
    return _changed(settled, metrics=metrics, failure=failure)
