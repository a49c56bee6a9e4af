"""name: the teacher names each cluster of diagnoses, sorts it into the taxonomy and describes it.

It sees the diagnoses nearest the centroid, never the rows themselves. What it writes is guarded before anybody
renders it: diagnoses are written from validation rows and may quote them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.rows import Diagnosis, Example, Failure, Pattern, PatternMember, Row
from engine.stages.cluster import diagnosis_text
from engine.stages.clustering import centroid
from engine.stages.guard import LeakGuard
from engine.stages.protocol import Context, Inputs, Output, Stage


def members_of(inputs: Inputs) -> dict[str, list[PatternMember]]:
    """Return the members of each pattern, nearest to the centroid first, patterns by falling size."""
    found: dict[str, list[PatternMember]] = {}
    for member in inputs.of("cluster", PatternMember):
        found.setdefault(member.pattern, []).append(member)
    for members in found.values():
        members.sort(key=lambda m: (m.distance, m.diagnosis))
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def confusions(
    members: Sequence[PatternMember], failures: Mapping[str, Failure]
) -> list[tuple[str, str, int]]:
    """Return (target, answer, count) of the members' failures, most frequent first; labels only, no row."""
    pairs = Counter(
        (failures[m.example].target, failures[m.example].answer or "unreadable") for m in members
    )
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return [(target, answer, count) for (target, answer), count in ordered]


def name_patterns(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return one `Pattern` per cluster; one that continues an earlier pattern keeps its texts."""
    groups = members_of(inputs)
    if not groups:
        return Output(())
    diagnoses = {d.id: d for d in inputs.of("diagnose", Diagnosis)}
    failures = {f.example: f for f in inputs.of("score", Failure) if f.split == "validation"}
    earlier = {p.id: p for edge in inputs.edges("name.") for p in inputs.of(edge, Pattern)}
    new = [pattern for pattern in groups if pattern not in earlier]
    prompt = ctx.prompt("name_pattern.md")
    labelled = params.get("labelled", True)
    requests = [
        ctx.request(
            "teacher",
            prompt,
            {
                "description": params["description"],
                "diagnoses": [
                    diagnosis_text(diagnoses[m.diagnosis]) for m in groups[p][: params["shown"]]
                ],
                # Targets that are no labels are texts of validation rows: no prompt needs them here.
                "confusions": confusions(groups[p], failures)[:3] if labelled else [],
                "categories": params["categories"],
            },
            params["schema"],
        )
        for p in new
    ]
    replies = dict(zip(new, ctx.ask("teacher", requests), strict=True)) if requests else {}
    guard = LeakGuard(inputs.of("load", Example), ctx.embed, params["ngram"], params["quantile"])
    taken: set[str] = set()
    rows: list[Row] = []
    for pattern, members in groups.items():
        vectors = ctx.embed([diagnosis_text(diagnoses[m.diagnosis]) for m in members])
        centre = centroid(vectors)
        known = earlier.get(pattern)
        reply = replies.get(pattern)
        pairs = confusions(members, failures)
        name, description = _neutral(pattern, pairs) if labelled else _nameless(pattern, members)
        category, call, reason = params["where_categories"].get(pattern), None, None
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
    return Output(tuple(rows))


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


NAME = Stage("name", 2, name_patterns, asks=("teacher", "embedder"), prompts=("name_pattern.md",))
