"""cluster: groups the diagnoses (not the inputs) into patterns; a cluster may continue an earlier round's pattern.

Failures for which a taxonomy category's `where` holds form that category's pattern; the others are clustered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.fingerprint import short
from engine.rows import Diagnosis, Example, Pattern, PatternMember, Prediction, Score
from engine.sql import evaluate_condition
from engine.stages.clustering import centroid, cluster
from engine.stages.columns import sql_row
from engine.stages.protocol import Context, Inputs, Output, Stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Return what is embedded of a diagnosis."""
    return f"{diagnosis.root_cause} {diagnosis.scenario}"


def group(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return one `PatternMember` per diagnosis."""
    diagnoses = inputs.of("diagnose", Diagnosis)
    if not diagnoses:
        return Output(())
    vectors = ctx.embed([diagnosis_text(d) for d in diagnoses])
    categories = _by_category(params, inputs, diagnoses)
    groups: dict[str, list[int]] = {}
    for number, category in enumerate(categories):
        if category:
            groups.setdefault(category, []).append(number)
    silhouettes: dict[int, float] = {}
    rest = [i for i, category in enumerate(categories) if not category]
    if rest:
        found = cluster(vectors[rest], params["k"], params["max_k"], ctx.seed)
        clusters: dict[int, list[int]] = {}
        for index, label in zip(rest, found.labels, strict=True):
            clusters.setdefault(label, []).append(index)
        silhouettes = dict(zip(rest, found.silhouettes or (), strict=False))
        earlier = _earlier(inputs)
        for label in sorted(clusters):
            members = clusters[label]
            centre = centroid(vectors[members])
            name = _continues(centre, earlier, params["same_pattern"])
            if name is None:
                name = "p-" + short([ctx.seed, ctx.round, [diagnoses[i].id for i in members]], 8)
            else:
                del earlier[name]
            groups[name] = members
    rows = []
    for name, members in groups.items():
        centre = centroid(vectors[members])
        for i in members:
            distance = max(0.0, 1.0 - float(vectors[i] @ centre))
            rows.append(
                PatternMember(
                    name,
                    diagnoses[i].example,
                    diagnoses[i].id,
                    round(distance, 6),
                    silhouettes.get(i),
                )
            )
    return Output(tuple(rows))


def _by_category(
    params: Mapping[str, Any], inputs: Inputs, diagnoses: Sequence[Diagnosis]
) -> list[str | None]:
    """Return for each diagnosis the first taxonomy category whose `where` holds for its failure."""
    chosen: list[str | None] = [None] * len(diagnoses)
    categories = [c for c in params["categories"] if c["where"]]
    if not categories:
        return chosen
    examples = {e.id: e for e in inputs.of("load", Example) if e.split == "validation"}
    predictions = {
        p.example: p for p in inputs.of("predict", Prediction) if p.split == "validation"
    }
    scores: dict[str, dict[str, float | None]] = {}
    for score in inputs.of("score", Score):
        if score.split == "validation":
            scores.setdefault(score.example, {})[score.metric] = score.value
    records = [
        sql_row(
            examples[d.example], predictions[d.example], params["target"], scores.get(d.example, {})
        )
        for d in diagnoses
    ]
    for category in categories:
        for i, holds in enumerate(evaluate_condition(category["where"], records)):
            if holds and chosen[i] is None:
                chosen[i] = category["id"]
    return chosen


def _earlier(inputs: Inputs) -> dict[str, tuple[float, ...]]:
    """Return the latest centroid of every pattern of the earlier rounds."""
    return {
        pattern.id: pattern.centroid
        for edge in inputs.edges("name.")
        for pattern in inputs.of(edge, Pattern)
        if pattern.id.startswith("p-")
    }


def _continues(
    centre: npt.NDArray[np.float32], earlier: Mapping[str, tuple[float, ...]], threshold: float
) -> str | None:
    """Return the earlier pattern whose centroid is nearest, if it is near enough."""
    import numpy as np

    best: tuple[float, str] | None = None
    for name, vector in earlier.items():
        similarity = float(centre @ np.asarray(vector, dtype=np.float32))
        if similarity >= threshold and (best is None or similarity > best[0]):
            best = (similarity, name)
    return best[1] if best else None


CLUSTER = Stage("cluster", 1, group, asks=("embedder",))
