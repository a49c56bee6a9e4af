"""strategy: the teacher drafts, per pattern, how to write training rows that would cure it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from engine.fingerprint import short
from engine.rows import Example, Failure, Pattern, Row, Strategy
from engine.stages.guard import LeakGuard
from engine.stages.name import confusions, members_of
from engine.stages.protocol import Context, Inputs, Output, Stage


def draft(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return one `Strategy` per pattern, with the labels its new rows are about."""
    patterns = inputs.of("name", Pattern)
    if not patterns:
        return Output(())
    groups = members_of(inputs)
    failures = {f.example: f for f in inputs.of("score", Failure) if f.split == "validation"}
    prompt = ctx.prompt("draft_strategy.md")
    labelled = params.get("labelled", True)
    pairs = {p.id: confusions(groups[p.id], failures) if labelled else [] for p in patterns}
    requests = [
        ctx.request(
            "teacher",
            prompt,
            {
                "description": params["description"],
                "pattern": p.name,
                "about": p.description,
                "confusions": pairs[p.id][:3],
            },
            params["schema"],
        )
        for p in patterns
    ]
    guard = LeakGuard(inputs.of("load", Example), ctx.embed, params["ngram"], params["quantile"])
    rows: list[Row] = []
    for pattern, reply in zip(patterns, ctx.ask("teacher", requests), strict=True):
        text = f"Write rows in which this matters: {pattern.name}."
        if labelled:
            target, answer, _ = pairs[pattern.id][0]
            text = f"Write rows that are clearly {target} and could be mistaken for {answer}."
        reason: str | None = f"no usable reply ({reply.error})"
        if reply.value is not None:
            written = reply.value["strategy"].strip()
            reason = guard.quotes(written)
            text = text if reason else written
        weights: Counter[str] = Counter()
        for right, wrong, count in pairs[pattern.id]:
            weights[right] += 2 * count
            weights[wrong] += count
        known = {e.target for e in inputs.of("load", Example) if e.split == "train"}
        ranked = sorted(weights, key=lambda label: (-weights[label], label))
        labels = tuple(label for label in ranked if label in known)[: params["labels"]]
        rows.append(
            Strategy(short([pattern.id, text]), pattern.id, text, labels, reply.request, reason)
        )
    return Output(tuple(rows))


STRATEGY = Stage("strategy", 2, draft, asks=("teacher", "embedder"), prompts=("draft_strategy.md",))
