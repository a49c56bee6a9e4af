"""name: the teacher names each cluster of diagnoses, sorts it into the taxonomy and describes it.

It sees the diagnoses nearest the centroid, never the rows themselves. What it writes is guarded before anybody
renders it: diagnoses are written from validation rows and may quote them. Reads clusters, diagnoses and failures;
writes one `Pattern` per cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.identity import Params
from engine.rows import Failure, Pattern, PatternMember, Row
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.cluster import category_pattern, diagnosis_text
from engine.stages.analyse.clusterers import centroid
from engine.stages.forecast import Forecast, Situation
from engine.stages.outputs import Clustered, Diagnosed, Loaded, NamedPatterns, Scored
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

PROMPT = "name_pattern.md"


@dataclass(frozen=True, kw_only=True)
class OfferedCategory(Params):
    """A category of the taxonomy that the teacher may choose."""

    id: str
    description: str


@dataclass(frozen=True, kw_only=True)
class NameParams(Params):
    """The task, the categories, how much the teacher is shown, and the guard over what it writes."""

    task: TaskView
    guard: LeakLimits
    schema: schemas.Schema
    shown: int
    """Most diagnoses of a cluster that are shown."""
    categories: tuple[OfferedCategory, ...] = ()
    where_categories: tuple[str, ...] = ()
    """Ids of the categories that SQL gives; each has a pattern of its own."""


@dataclass(frozen=True)
class NameInputs(Inputs):
    """The clusters, what they are made of, and the patterns of earlier rounds."""

    load: Loaded
    score: Scored
    diagnose: Diagnosed
    cluster: Clustered
    earlier: tuple[NamedPatterns, ...] = ()


def confusions(
    members: Sequence[PatternMember], failures: Mapping[str, Failure]
) -> list[tuple[str, str, int]]:
    """Return (target, answer, count) of the members' failures, most frequent first; labels only, no row."""
    pairs = Counter(
        (failures[m.example].target, failures[m.example].answer or "unreadable") for m in members
    )
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return [(target, answer, count) for (target, answer), count in ordered]


def name_patterns(params: NameParams, inputs: NameInputs, ctx: Context) -> NamedPatterns:
    """Return one `Pattern` per cluster; one that continues an earlier pattern keeps its texts."""
    groups = inputs.cluster.by_pattern
    if not groups:
        return NamedPatterns()
    diagnoses = {d.id: d for d in inputs.diagnose.diagnoses}
    failures = {f.example: f for f in inputs.score.failures("validation")}
    earlier = {p.id: p for named in inputs.earlier for p in named.patterns}
    new = [pattern for pattern in groups if pattern not in earlier]
    prompt = ctx.prompt(PROMPT)
    labelled = params.task.labelled
    categories = [{"id": c.id, "description": c.description} for c in params.categories]
    requests = [
        ctx.request(
            "teacher",
            prompt,
            {
                "description": params.task.description,
                "diagnoses": [
                    diagnosis_text(diagnoses[m.diagnosis]) for m in groups[p][: params.shown]
                ],
                # Targets that are no labels are texts of validation rows: no prompt needs them here.
                "confusions": confusions(groups[p], failures)[:3] if labelled else [],
                "categories": categories,
            },
            params.schema,
        )
        for p in new
    ]
    replies = dict(zip(new, ctx.ask("teacher", requests), strict=True)) if requests else {}
    guard = ctx.leak_guard(inputs.load.examples, params.guard.ngram, params.guard.quantile)
    by_sql = {category_pattern(category): category for category in params.where_categories}
    taken: set[str] = set()
    rows: list[Row] = []
    for pattern, members in groups.items():
        vectors = ctx.embed([diagnosis_text(diagnoses[m.diagnosis]) for m in members])
        centre = centroid(vectors)
        known = earlier.get(pattern)
        reply = replies.get(pattern)
        pairs = confusions(members, failures)
        name, description = _neutral(pattern, pairs) if labelled else _nameless(pattern, members)
        category = by_sql.get(pattern)
        call, reason = None, None
        if known:
            name, description, category = known.name, known.description, known.category
            call, reason = known.call, known.guard
        elif reply is not None and reply.value is not None:
            call = reply.request
            category = category or reply.value.get("category")
            written = (reply.value["name"].strip(), reply.value["description"].strip())
            reason = guard.quotes(written[0]) or guard.quotes(written[1])
            if reason is None:
                name, description = written
        elif reply is not None:
            call, reason = reply.request, f"no usable reply ({reply.error})"
        unique = name
        while unique.casefold() in taken:
            unique = f"{name} ({pairs[0][0]})" if labelled and unique == name else f"{unique}+"
        taken.add(unique.casefold())
        rows.append(
            Pattern(
                id=pattern,
                name=unique,
                description=description,
                category=category,
                size=len(members),
                centroid=tuple(round(float(x), 6) for x in centre),
                silhouette=_mean([m.silhouette for m in members]),
                call=call,
                guard=reason,
            )
        )
    return NamedPatterns(tuple(rows))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _neutral(pattern: str, pairs: Sequence[tuple[str, str, int]]) -> tuple[str, str]:
    """Return a name and a description made of labels alone: what is used when the teacher's may not be."""
    target, answer, _ = pairs[0]
    listed = "; ".join(f"{t} answered as {a} ({n})" for t, a, n in pairs[:4])
    return f"{target} taken for {answer}", f"Rows of one label are given another: {listed}."


def _nameless(pattern: str, members: Sequence[PatternMember]) -> tuple[str, str]:
    """Return a name and a description that say nothing of any row."""
    return f"pattern {pattern}", f"{len(members)} failures with like diagnoses."


def _sends(params: NameParams) -> Mapping[str, str]:
    return {
        "diagnoses": "diagnoses of failed validation rows",
        "confusions": "their {target} and the student's answers, counted",
        "categories": "",
    }


def _expect(params: NameParams, situation: Situation) -> Forecast:
    calls = situation.new(situation.patterns)
    return Forecast(calls, reply_tokens=schemas.reply_tokens(params.schema))


def _accounts(params: NameParams, inputs: NameInputs, output: NamedPatterns) -> Iterable[Account]:
    yield Account("clusters", len(inputs.cluster.by_pattern), len(output.patterns))
    members = sum(pattern.size for pattern in output.patterns)
    yield Account("members of patterns", len(inputs.cluster.members), members)


NAME = Stage(
    "name", 3, NameParams, NameInputs, NamedPatterns, name_patterns,
    asks=("teacher", "embedder"),
    prompts={PROMPT: frozenset({"description", "diagnoses", "confusions", "categories"})},
    replies=("pattern",),
    sends=_sends, embeds="diagnoses, texts of patterns, validation and test rows ({inputs})",
    expect=_expect, accounts=_accounts,
)  # fmt: skip
