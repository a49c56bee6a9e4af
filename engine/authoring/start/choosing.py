"""Which column of data is the right answer, which are seen, and which kinds of task that could be, best guess first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from engine import json_text
from engine.authoring.start.columns import Column, is_filled, mostly
from engine.authoring.start.looking import Looked
from engine.data.rules import rules_for
from engine.registry import did_you_mean
from engine.spec.recipe import Task
from engine.sql.expressions import Fault, is_name, quoted

Columns = Mapping[str, Column]
Row = dict[str, Any]

_TARGETS = (
    "label", "labels", "target", "intent", "category", "categories", "class", "topic", "topics", "tag", "tags",
    "sentiment", "answer", "answers", "output", "response", "reply", "completion", "solution", "summary", "result",
    "right", "correct", "gold", "answerkey", "intents", "kategorie", "kategorien", "klasse", "thema", "themen",
    "absicht", "anliegen", "antwort", "loesung", "lösung", "ergebnis", "richtig", "zusammenfassung", "etikett",
    "department", "team", "queue", "abteilung",
    "categorie", "catégorie", "étiquette", "réponse", "etiqueta", "categoria", "categoría", "respuesta",
)  # fmt: skip
"""Names of columns with right answers."""
_INPUTS = (
    "text", "message", "question", "prompt", "input", "instruction", "query", "sentence", "utterance", "review",
    "comment", "body", "subject", "title", "document", "context", "passage", "paragraph", "description", "content",
    "problem", "article", "email", "mail", "nachricht", "frage", "betreff", "beschreibung", "titel", "dokument",
    "kommentar", "aufgabe", "absatz", "mensaje", "pregunta", "texte", "texto", "testo", "sujet",
)  # fmt: skip
"""Names of columns that are seen."""
_OPTION_NAME = re.compile(
    r"(?i)(?P<stem>option|choice|answer|antwort|auswahl)?[ _-]*(?P<mark>[a-j]|\d\d?)"
)
_FEWEST_WORDS = 2.0
"""Of a text that is an input, on average."""
_SAMPLE = 500
"""Rows on which a kind of task is tried."""
_LONGEST_SPAN = 400
"""Characters of an answer that stands in a text."""
_SEPARATORS = (",", ";", "|")
_SEPARATED = 0.1
"""Share of rows that name several labels, where rows may."""
_LIKELY = 1.0
"""Score of a column that is proposed as the target."""


def _named(name: str, known: Sequence[str]) -> bool:
    """Tell whether a column's name, or a word of it, is among the known ones."""
    words = [word for word in re.split(r"[\W_]+", name.casefold()) if word]
    return name.casefold() in known or any(word in known for word in words)


def turns_in(columns: Columns) -> str | None:
    """Return the column of a chat log, None where there is none."""
    return next((name for name, column in columns.items() if column.shape == "turns"), None)


def targets(looked: Looked) -> list[str]:
    """Return the columns that could be the right answer, the likeliest first; none where no one is likely."""
    columns = looked.columns
    scores = {name: _target_score(column) for name, column in columns.items()}
    for name, column in columns.items():
        # Short answers may look like ids: those that are numbers, or stand in a text.
        if column.is_id and _named(name, _TARGETS):
            others = [other for other in columns if other != name]
            is_answer = column.are_numbers or context_in(looked, others, name) is not None
            scores[name] = 2.0 if is_answer else scores[name]
    order = {name: place for place, name in enumerate(columns)}
    scores[next(reversed(order))] += 0.4
    ranked = sorted(scores, key=lambda name: (-scores[name], -order[name]))
    return [name for name in ranked if scores[name] >= _LIKELY]


def _target_score(column: Column) -> float:
    unfit = column.is_date or column.is_id or column.shape == "turns"
    if column.distinct < 2 or unfit:
        return -5.0
    score = 0.0
    if _named(column.name, _TARGETS):
        score += 2.0
    elif _named(column.name, _INPUTS) or _OPTION_NAME.fullmatch(column.name):
        score -= 1.0
    if column.is_label or (column.shape == "list" and labels_of(column, ",")):
        # Two values may as well be a flag beside the answer, such as whether a row is done.
        score += 1.5 if column.distinct > 2 or column.shape == "list" else 1.0
    elif column.shape in ("object", "truth") or column.are_numbers or column.is_text:
        score += 0.6
    return score


def inputs(columns: Columns, target: str) -> list[str]:
    """Return the columns that the student should see."""
    others = [column for name, column in columns.items() if name != target and column.values]
    texts = [c for c in others if c.is_text and not _named(c.name, _TARGETS)]
    known = [c for c in texts if _named(c.name, _INPUTS) and not (c.is_label and len(texts) > 1)]
    long = [c for c in texts if c.words >= _FEWEST_WORDS and not c.is_label]
    plain = [c for c in others if c.shape in ("text", "number") and not (c.is_id or c.is_date)]
    first = [c for c in texts if not c.is_label] or texts
    chosen = known or long or first[:1] or plain
    return [column.name for column in chosen]


def kinds(looked: Looked, seen: Sequence[str], target: str) -> list[str]:
    """Return the kinds of task that fit a target, the likeliest first; never none."""
    column = looked.columns[target]
    if column.shape in ("turns", "object"):
        spans = ["extraction", "generation"] if _is_answer_span(column) else ["structured"]
        return ["chat"] if column.shape == "turns" else spans
    found: list[str] = []
    if options_in(looked, seen, target) is not None:
        found.append("multiple_choice")
    if column.shape == "list":
        return [*found, "classification"] if labels_of(column, ",") else [*found, "generation"]
    if several_labels(column):
        return [*found, "classification", *(["generation"] if not column.is_label else [])]
    if _is_worked_out(column):
        return [*found, "numeric", "generation"]
    if column.are_numbers and not found:
        scale = column.is_label and column.distinct <= 20 and not column.are_fractions
        return ["classification", "numeric"] if scale else ["numeric"]
    if not column.is_label and context_in(looked, seen, target) is not None:
        found.append("extraction")
    if column.is_label and not found:
        return ["classification"]
    return [*found, "generation"]


def _is_worked_out(column: Column) -> bool:
    return mostly("####" in str(value) for value in column.values)


def _is_answer_span(column: Column) -> bool:
    """Tell whether answers are as in SQuAD: texts with the places where they start."""
    return column.shape == "object" and mostly(
        {"text", "answer_start"} <= value.keys() for value in column.values
    )


def several_labels(column: Column) -> str | None:
    """Return the sign between the labels of a text, where rows name any number of a few; else None."""
    if column.shape != "text":
        return None
    return next((sign for sign in _SEPARATORS if labels_of(column, sign)), None)


def labels_of(column: Column, sign: str) -> set[str]:
    """Return the labels in a column of lists, or of texts with a sign between labels; none where it has no such."""
    lists = [
        [str(part).strip() for part in value]
        if isinstance(value, list)
        else _parted(str(value), sign)
        for value in column.values
    ]
    names = {name for one in lists for name in one}
    count = sum(map(len, lists))
    several = sum(len(one) > 1 for one in lists)
    few = 2 <= len(names) <= count / 2 and max(map(len, names)) <= 60
    short = few and sum(len(name.split()) for name in names) <= 4 * len(names)
    enough = several >= _SEPARATED * len(lists) if column.shape != "list" else bool(several)
    return names if short and enough else set()


def _parted(text: str, sign: str) -> list[str]:
    return [part for each in text.split(sign) if (part := each.strip())]


def fits(
    task: Task, looked: Looked, derived: Mapping[str, Callable[[Row], Any]] | None = None
) -> bool:
    """Tell whether nearly all rows that have what a task needs are rows of it.

    Args:
        task: The task.
        looked: The rows, of which the first are tried.
        derived: Columns that the recipe would make.
    """
    check, made = rules_for(task).check, derived or {}
    needed = [name for name in (*task.input, task.target) if name not in made]
    whole = (row for row in looked.rows if all(is_filled(row.get(name)) for name in needed))
    tried = (
        {**row, **{name: of(row) for name, of in made.items()}} for row in islice(whole, _SAMPLE)
    )
    return mostly(not isinstance(check(row), Fault) for row in tried)


def context_in(looked: Looked, seen: Sequence[str], target: str) -> str | None:
    """Return the input in which the answers stand word for word, the longest of several; None where none is."""
    columns = looked.columns
    if columns[target].longest > _LONGEST_SPAN:
        return None
    for name in sorted(seen, key=lambda name: -columns[name].longest):
        task = Task(kind="extraction", input=[name], target=target, params={"context": name})
        if name != target and columns[name].is_text and fits(task, looked):
            return name
    return None


class Options(NamedTuple):
    """Where the options of a row are."""

    column: str
    """The input that holds them; empty where they stand in the text."""
    derived: Mapping[str, str]
    """Columns to be made for that: name -> SQL."""
    apart: Sequence[str] = ()
    """Columns that hold an option each."""


def options_in(looked: Looked, seen: Sequence[str], target: str) -> Options | None:
    """Return where rows offer options of which the target is one; None where they offer none."""
    columns = looked.columns
    for name, column in columns.items():
        if name == target or not column.values:
            continue
        if column.shape == "object" and mostly(
            {"text", "label"} <= v.keys() for v in column.values
        ):
            return Options("options", {"options": f"{in_sql(name)}.text"}, [name])
        if column.shape == "list" and _are_options(looked, name, target):
            return Options(name, {name: f"{in_sql(name)}::varchar[]"} if column.is_json else {})
    if parts := _option_columns(columns, target):
        task = _choice(target, "options")
        if fits(task, looked, {"options": lambda row: [str(row[name]) for name in parts]}):
            sql = f"[{', '.join(map(in_sql, parts))}]"
            return Options("options", {"options": sql}, parts)
    if seen and fits(Task(kind="multiple_choice", input=list(seen), target=target), looked):
        return Options("", {})
    return None


def _are_options(looked: Looked, name: str, target: str) -> bool:
    column = looked.columns[name]
    read = {name: lambda row: json_text.parse(row[name])} if column.is_json else None
    return fits(_choice(target, name), looked, read)


def _choice(target: str, options: str) -> Task:
    params = {"options": options}
    return Task(kind="multiple_choice", input=[options], target=target, params=params)


def _option_columns(columns: Columns, target: str) -> list[str]:
    """Return columns such as `A`, `B`, `C` or `option_1`, `option_2`, in their order."""
    marked = [
        (found, name)
        for name in columns
        if name != target and (found := _OPTION_NAME.fullmatch(name))
    ]
    stems = {(found["stem"] or "").casefold() for found, _ in marked}
    for stem in sorted(stems, key=len, reverse=True):
        names = [name for found, name in marked if (found["stem"] or "").casefold() == stem]
        if len(names) > 1 and all(columns[name].values for name in names):
            return sorted(names, key=str.casefold)
    return []


def in_sql(name: str) -> str:
    """Return a column's name as it stands in SQL: in quotes where it means something else without."""
    return name if is_name(name) else quoted(name)


def unknown_column(name: str, columns: Columns) -> str:
    """Return what to do about a column that is not there."""
    return did_you_mean(name, columns) or f"the columns are {', '.join(columns)}"
