"""cluster: groups the diagnoses (not the inputs) into patterns; a cluster may continue an earlier round's pattern.

Failures for which a taxonomy category's `where` holds form that category's pattern; the others are clustered. Reads the
diagnoses, and what a `where` may refer to; writes one `PatternMember` per diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.fingerprint import short
from engine.identity import Params
from engine.rows import Diagnosis, PatternMember
from engine.sql import evaluate_condition
from engine.stages.analyse.clusterers import (
    CLUSTERERS,
    AnyClusterer,
    ClustererSettings,
    centroid,
)
from engine.stages.outputs import (
    Clustered,
    Diagnosed,
    Drawn,
    Loaded,
    Logged,
    NamedPatterns,
    Predicted,
    Scored,
)
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
class UsedClusterer(Params):
    """A clusterer as a recipe uses it."""

    name: str
    version: int
    settings: ClustererSettings

    @property
    def entry(self) -> AnyClusterer:
        """The clusterer itself."""
        return CLUSTERERS[self.name]


@dataclass(frozen=True, kw_only=True)
class ClusterParams(Params):
    """How diagnoses are grouped."""

    target: str
    """Column with the right answer, as users' SQL calls it."""
    clusterer: UsedClusterer
    same_pattern: float
    """Cosine similarity of centroids from which a cluster continues an earlier pattern."""
    categories: tuple[WhereCategory, ...] = ()


@dataclass(frozen=True)
class ClusterInputs(Inputs):
    """The diagnoses, what a category's `where` may refer to, and the patterns of earlier rounds."""

    load: Loaded
    score: Scored
    predict: Predicted
    diagnose: Diagnosed
    earlier: tuple[NamedPatterns, ...] = ()
    draw: Drawn | None = None
    """What was drawn, where that is not of validation alone."""
    logged: Logged | None = None


def category_pattern(category: str) -> str:
    """Return the id of the pattern of the failures that SQL assigns to a category.

    The colon, which no category's id has, keeps it apart from the ids of clusters, whatever the category is called.
    """
    return f"category:{category}"


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Return what is embedded of a diagnosis."""
    return f"{diagnosis.root_cause} {diagnosis.scenario}"


def group(params: ClusterParams, inputs: ClusterInputs, ctx: Context) -> Clustered:
    """Return one `PatternMember` per diagnosis."""
    diagnoses = inputs.diagnose.diagnoses
    if not diagnoses:
        return Clustered()
    vectors = ctx.embed([diagnosis_text(d) for d in diagnoses])
    groups: dict[str, list[int]] = {}
    rest: list[int] = []
    for number, pattern in enumerate(_by_category(params, inputs, diagnoses)):
        if pattern is None:
            rest.append(number)
        else:
            groups.setdefault(pattern, []).append(number)
    clusters, silhouettes = _clusters(params.clusterer, vectors, rest, ctx.seed)
    earlier = _earlier(params, inputs)
    for members in clusters:
        pattern = _continues(centroid(vectors[members]), earlier, params.same_pattern)
        if pattern is None:
            pattern = "p-" + short([ctx.seed, ctx.round, [diagnoses[i].id for i in members]], 8)
        else:
            # Two clusters must not continue one pattern.
            del earlier[pattern]
        groups[pattern] = members
    rows = []
    for pattern, members in groups.items():
        centre = centroid(vectors[members])
        for number in members:
            distance = round(max(0.0, 1.0 - float(vectors[number] @ centre)), 6)
            diagnosis, silhouette = diagnoses[number], silhouettes.get(number)
            rows.append(
                PatternMember(pattern, diagnosis.example, diagnosis.id, distance, silhouette)
            )
    return Clustered(tuple(rows))


def _clusters(
    used: UsedClusterer, vectors: npt.NDArray[np.float32], rest: Sequence[int], seed: int
) -> tuple[list[list[int]], dict[int, float]]:
    """Return the clusters of the diagnoses numbered by `rest`, largest first, and the silhouettes of their members."""
    if not rest:
        return [], {}
    clustering = used.entry.cluster(vectors[list(rest)], used.settings, seed)
    clusters: dict[int, list[int]] = {}
    for number, label in zip(rest, clustering.labels, strict=True):
        clusters.setdefault(label, []).append(number)
    silhouettes = (
        dict(zip(rest, clustering.silhouettes, strict=True)) if clustering.silhouettes else {}
    )
    return [clusters[label] for label in sorted(clusters)], silhouettes


def _by_category(
    params: ClusterParams, inputs: ClusterInputs, diagnoses: Sequence[Diagnosis]
) -> list[str | None]:
    """Return for each diagnosis the pattern of the first category whose `where` holds for its failure."""
    chosen: list[str | None] = [None] * len(diagnoses)
    if not params.categories:
        return chosen
    log = inputs.logged or Logged()
    # A row may stand in several splits.
    of = {f.example: f.split for f in inputs.draw.failures} if inputs.draw else {}
    every = (*inputs.load.examples, *log.examples)
    examples = {e.id: e for e in every if e.split == of.get(e.id, "validation")}
    said = (*inputs.predict.predictions, *log.predictions)
    predictions = {p.example: p for p in said if p.split == of.get(p.example, "validation")}
    scores: dict[str, dict[str, float | None]] = {}
    for score in (*inputs.score.scores, *log.scores):
        if score.split == of.get(score.example, "validation"):
            scores.setdefault(score.example, {})[score.metric] = score.value
    records = [
        sql_row(
            examples[d.example], predictions[d.example], params.target, scores.get(d.example, {})
        )
        for d in diagnoses
    ]
    for category in params.categories:
        for number, holds in enumerate(evaluate_condition(category.where, records)):
            if holds and chosen[number] is None:
                chosen[number] = category_pattern(category.id)
    return chosen


def _earlier(params: ClusterParams, inputs: ClusterInputs) -> dict[str, tuple[float, ...]]:
    """Return the latest centroid of every pattern of the earlier rounds that was a cluster."""
    by_category = {category_pattern(category.id) for category in params.categories}
    return {
        pattern.id: pattern.centroid
        for named in inputs.earlier
        for pattern in named.patterns
        if pattern.id not in by_category
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
    "cluster", 2, ClusterParams, ClusterInputs, Clustered, group,
    asks=("embedder",), embeds="diagnoses of failed rows", accounts=_accounts,
)  # fmt: skip
