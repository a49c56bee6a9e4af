"""cluster: groups the diagnoses (not the inputs) into patterns; a cluster may continue an earlier round's pattern.

Failures for which a taxonomy category's `where` holds form that category's pattern; the others are clustered. Reads the
diagnoses, and what a `where` may look at; writes one `PatternMember` per diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.fingerprint import short
from engine.identity import Params
from engine.rows import Diagnosis, PatternMember
from engine.sql import evaluate_condition
from engine.stages.analyse.clustering import centroid, cluster
from engine.stages.outputs import Clustered, Diagnosed, Loaded, NamedPatterns, Predicted, Scored
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import sql_row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class WhereCategory(Params):
    """A category of the taxonomy that SQL assigns failures to."""

    id: str
    where: str


@dataclass(frozen=True, kw_only=True)
class ClusterParams(Params):
    """How diagnoses are grouped."""

    target: str
    """Column with the right answer, as users' SQL calls it."""
    k: int | str
    """Number of clusters, or `auto`."""
    max_k: int
    """Most clusters that `auto` tries."""
    same_pattern: float
    """Cosine similarity of centroids from which a cluster continues an earlier pattern."""
    categories: tuple[WhereCategory, ...] = ()


@dataclass(frozen=True)
class ClusterInputs(Inputs):
    """The diagnoses, what a category's `where` may look at, and the patterns of earlier rounds."""

    load: Loaded
    score: Scored
    predict: Predicted
    diagnose: Diagnosed
    earlier: tuple[NamedPatterns, ...] = ()


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Return what is embedded of a diagnosis."""
    return f"{diagnosis.root_cause} {diagnosis.scenario}"


def group(params: ClusterParams, inputs: ClusterInputs, ctx: Context) -> Clustered:
    """Return one `PatternMember` per diagnosis."""
    diagnoses = inputs.diagnose.diagnoses
    if not diagnoses:
        return Clustered()
    vectors = ctx.embed([diagnosis_text(d) for d in diagnoses])
    categories = _by_category(params, inputs, diagnoses)
    groups: dict[str, list[int]] = {}
    for number, category in enumerate(categories):
        if category:
            groups.setdefault(category, []).append(number)
    silhouettes: dict[int, float] = {}
    rest = [i for i, category in enumerate(categories) if not category]
    if rest:
        clustering = cluster(vectors[rest], params.k, params.max_k, ctx.seed)
        clusters: dict[int, list[int]] = {}
        for index, label in zip(rest, clustering.labels, strict=True):
            clusters.setdefault(label, []).append(index)
        silhouettes = dict(zip(rest, clustering.silhouettes or (), strict=False))
        earlier = _earlier(inputs)
        for label in sorted(clusters):
            members = clusters[label]
            centre = centroid(vectors[members])
            name = _continues(centre, earlier, params.same_pattern)
            if name is None:
                name = "p-" + short([ctx.seed, ctx.round, [diagnoses[i].id for i in members]], 8)
            else:
                del earlier[name]
            groups[name] = members
    rows = []
    for name, members in groups.items():
        centre = centroid(vectors[members])
        for i in members:
            distance = round(max(0.0, 1.0 - float(vectors[i] @ centre)), 6)
            one = diagnoses[i]
            rows.append(PatternMember(name, one.example, one.id, distance, silhouettes.get(i)))
    return Clustered(tuple(rows))


def _by_category(
    params: ClusterParams, inputs: ClusterInputs, diagnoses: Sequence[Diagnosis]
) -> list[str | None]:
    """Return for each diagnosis the first taxonomy category whose `where` holds for its failure."""
    chosen: list[str | None] = [None] * len(diagnoses)
    if not params.categories:
        return chosen
    examples = {e.id: e for e in inputs.load.split("validation")}
    predictions = {p.example: p for p in inputs.predict.predictions if p.split == "validation"}
    scores: dict[str, dict[str, float | None]] = {}
    for score in inputs.score.scores:
        if score.split == "validation":
            scores.setdefault(score.example, {})[score.metric] = score.value
    records = [
        sql_row(
            examples[d.example], predictions[d.example], params.target, scores.get(d.example, {})
        )
        for d in diagnoses
    ]
    for category in params.categories:
        for i, holds in enumerate(evaluate_condition(category.where, records)):
            if holds and chosen[i] is None:
                chosen[i] = category.id
    return chosen


def _earlier(inputs: ClusterInputs) -> dict[str, tuple[float, ...]]:
    """Return the latest centroid of every pattern of the earlier rounds."""
    return {
        pattern.id: pattern.centroid
        for named in inputs.earlier
        for pattern in named.patterns
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


def _accounts(params: ClusterParams, inputs: ClusterInputs, output: Clustered) -> Iterable[Account]:
    members = len(output.members)
    yield Account("diagnoses", len(inputs.diagnose.diagnoses), members, len(output.drops))


CLUSTER = Stage(
    "cluster", 1, ClusterParams, ClusterInputs, Clustered, group,
    asks=("embedder",), embeds="diagnoses of failed validation rows", accounts=_accounts,
)  # fmt: skip
