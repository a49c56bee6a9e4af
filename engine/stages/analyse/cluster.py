"""cluster: groups the diagnoses (not the inputs) into patterns; a cluster may continue an earlier round's pattern.

Failures for which a taxonomy category's `where` holds form that category's pattern; the others are clustered. A
diagnosis that belongs to no cluster makes no pattern, so no rows are written for it. Reads the diagnoses, what a
`where` may refer to, and the patterns of earlier rounds with their members; writes one `PatternCluster` per pattern,
per diagnosis one `ClusterMember` or one `Drop`: `noise`, `small_cluster` or `no_embedding`, a `PatternLink` for each
earlier pattern that a cluster continues, was split from or took in (`matching`), and for a map a `DiagnosisPlace` per
diagnosis that can be compared, along the two `MapAxis` of the seed's first round that has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import ModelError
from engine.fingerprint import short
from engine.identity import Params
from engine.rows import (
    ClusterMember,
    Diagnosis,
    DiagnosisPlace,
    Drop,
    LinkKind,
    PatternCluster,
    PatternLink,
    Row,
)
from engine.rows.reasons import Dropped
from engine.sql import evaluate_condition
from engine.stages.analyse.clusterers import (
    CLUSTERERS,
    AnyClusterer,
    ClustererSettings,
    centroid,
)
from engine.stages.analyse.clusterers.found import Apart, Found, find
from engine.stages.analyse.clusterers.plane import axes_of, places
from engine.stages.analyse.matching import Group, Known, Match, match, most_frequent
from engine.stages.logged import by_precedence
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


APART: Mapping[Apart, str] = {
    "noise": "it lies too far from all clusters",
    "small_cluster": "fewer diagnoses lie with it than patterns.cluster.min_size",
}
"""Why a diagnosis belongs to no cluster."""


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
    clusters: tuple[Clustered, ...] = ()
    """The members of the earlier rounds' patterns."""
    linked: tuple[Clustered, ...] = ()
    """What earlier clusterings say became of patterns, and the axes of the map."""


def category_pattern(category: str) -> str:
    """Return the id of the pattern of the failures that SQL assigns to a category.

    The colon, which no category's id has, keeps it apart from the ids of clusters, whatever the category is called.
    """
    return f"category:{category}"


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Return what is embedded of a diagnosis."""
    return f"{diagnosis.root_cause} {diagnosis.scenario}"


def group(params: ClusterParams, inputs: ClusterInputs, ctx: Context) -> Clustered:
    """Return the members of each pattern, what belongs to none, and what became of earlier patterns.

    Raises:
        ModelError: the embedder gives no diagnosis a usable vector.
    """
    diagnoses = inputs.diagnose.diagnoses
    if not diagnoses:
        return Clustered()
    vectors = ctx.embed([diagnosis_text(d) for d in diagnoses])
    unusable = _unusable(vectors, diagnoses, ctx)
    groups: dict[str, list[int]] = {}
    rest: list[int] = []
    for number, pattern in enumerate(_by_category(params, inputs, diagnoses, ctx.round)):
        if number in unusable:
            continue
        if pattern is None:
            rest.append(number)
        else:
            groups.setdefault(pattern, []).append(number)
    found = _found(params.clusterer, vectors, rest, ctx)
    clusters = [[rest[place] for place in places] for places in found.clusters]
    matches = match(
        [_as_group(members, vectors, diagnoses) for members in clusters], _known(params, inputs)
    )
    links: list[PatternLink] = []
    stability: dict[str, float | None] = dict.fromkeys(groups)
    for members, stable, one in zip(clusters, found.stability, matches, strict=True):
        fresh = "p-" + short([ctx.seed, ctx.round, [diagnoses[i].id for i in members]], 8)
        pattern = one.continues or fresh
        links += links_of(pattern, one)
        groups[pattern], stability[pattern] = members, stable
    silhouettes = {rest[place]: value for place, value in found.silhouettes.items()}
    rows: list[Row] = []
    for pattern, members in groups.items():
        rows.append(PatternCluster(pattern, len(members), stability[pattern]))
        centre = centroid(vectors[members])
        for number in members:
            distance = round(max(0.0, 1.0 - float(vectors[number] @ centre)), 6)
            diagnosis, silhouette = diagnoses[number], silhouettes.get(number)
            rows.append(
                ClusterMember(pattern, diagnosis.example, diagnosis.id, distance, silhouette)
            )
    dropped: dict[int, tuple[Dropped, str]] = {
        number: ("no_embedding", why) for number, why in unusable.items()
    }
    dropped |= {rest[place]: (why, APART[why]) for place, why in found.apart.items()}
    for number, (reason, detail) in sorted(dropped.items()):
        rows.append(Drop("cluster", diagnoses[number].id, reason, detail))
    usable = [number for number in range(len(diagnoses)) if number not in unusable]
    return Clustered((*rows, *links, *_map(inputs, diagnoses, vectors, usable)))


def _map(
    inputs: ClusterInputs,
    diagnoses: Sequence[Diagnosis],
    vectors: npt.NDArray[np.float32],
    usable: Sequence[int],
) -> list[Row]:
    """Return where diagnoses lie on the seed's map, and its axes where no earlier round has found any."""
    own = vectors if len(usable) == len(vectors) else vectors[usable]
    earlier = next((clustered.axes for clustered in inputs.linked if clustered.axes), None)
    axes = earlier or axes_of(own)
    if not axes:
        return []
    placed = zip(usable, places(own, axes).tolist(), strict=True)
    rows: list[Row] = [DiagnosisPlace(diagnoses[number].id, x, y) for number, (x, y) in placed]
    return rows if earlier else [*axes, *rows]


def _unusable(
    vectors: npt.NDArray[np.float32], diagnoses: Sequence[Diagnosis], ctx: Context
) -> dict[int, str]:
    """Return the diagnoses whose vectors cannot be compared, and why."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1)
    found = {
        number: "its embedding is all zero" if length == 0 else "its embedding is not finite"
        for number, length in enumerate(lengths.tolist())
        if not (np.isfinite(length) and length > 0)
    }
    if not found:
        return found
    first = next(iter(found))
    what = (
        f"{len(found)} of {len(diagnoses)} diagnoses cannot be compared, the first is "
        f"{diagnoses[first].id}: {found[first]}"
    )
    if len(found) == len(diagnoses):
        hint = "name another model in models.embedder, or fetch its weights anew: pada models fetch"
        raise ModelError(f"{ctx.model('embedder')}: {what}", hint)
    ctx.warn(f"{what}; they belong to no pattern")
    return found


def _found(
    used: UsedClusterer, vectors: npt.NDArray[np.float32], rest: Sequence[int], ctx: Context
) -> Found:
    """Return the clusters of the diagnoses numbered by `rest`, and say what belongs to none."""
    if not rest:
        return Found([], {}, {}, [])
    whole = len(rest) == len(vectors)
    found = find(used.entry, vectors if whole else vectors[list(rest)], used.settings, ctx.seed)
    if found.note:
        ctx.warn(found.note)
    if found.apart:
        counts = Counter(found.apart.values())
        worded = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items()))
        ctx.warn(
            f"{len(found.apart)} of {len(rest)} diagnoses belong to no pattern ({worded}): no rows "
            "are written for them"
        )
    return found


def _by_category(
    params: ClusterParams, inputs: ClusterInputs, diagnoses: Sequence[Diagnosis], round: int
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
    said = by_precedence(inputs.predict.predictions, log.predictions, round)
    predictions = {p.example: p for p in said if p.split == of.get(p.example, "validation")}
    scores: dict[str, dict[str, float | None]] = {}
    for score in by_precedence(inputs.score.scores, log.scores, round):
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


def _as_group(
    members: Sequence[int], vectors: npt.NDArray[np.float32], diagnoses: Sequence[Diagnosis]
) -> Group:
    """Return a cluster as it is matched with earlier patterns."""
    own = vectors[list(members)]
    centre = centroid(own)
    return Group(
        frozenset(diagnoses[number].example for number in members),
        centre,
        [float(similarity) for similarity in own @ centre],
        most_frequent(diagnoses[number].category for number in members),
    )


def _known(params: ClusterParams, inputs: ClusterInputs) -> list[Known]:
    """Return every pattern of the earlier rounds that was a cluster and was not merged into another, as last found."""
    left_out = {category_pattern(category.id) for category in params.categories}
    links = [link for clustered in inputs.linked for link in clustered.links]
    left_out |= {link.parent for link in links if link.kind == "merged"}
    latest: dict[str, str] = {}
    for clustered in inputs.clusters:
        latest.update((member.example, member.pattern) for member in clustered.members)
    members: dict[str, set[str]] = {}
    for example, pattern in latest.items():
        members.setdefault(pattern, set()).add(example)
    known = {
        pattern.id: Known(
            pattern.id, members.get(pattern.id, set()), pattern.centroid, pattern.category
        )
        for named in inputs.earlier
        for pattern in named.patterns
        if pattern.id not in left_out
    }
    return list(known.values())


def links_of(pattern: str, found: Match) -> list[PatternLink]:
    """Return what is stored of a match, nothing for a pattern that is new."""
    kinds: list[tuple[str, LinkKind]] = [(parent, "merged") for parent in found.merged]
    if found.split_from is not None:
        kinds.append((found.split_from, "split"))
    if found.continues is not None:
        kinds.insert(0, (found.continues, "continued"))
    return [
        PatternLink(
            pattern,
            parent,
            kind,
            found.shared.get(parent, 0),
            None if kind == "merged" else found.similarity,
            found.threshold,
        )
        for parent, kind in kinds
    ]


def _accounts(params: ClusterParams, inputs: ClusterInputs, output: Clustered) -> Iterable[Account]:
    members = len(output.members)
    yield Account("diagnoses", len(inputs.diagnose.diagnoses), members, len(output.drops))
    yield Account("sizes", sum(cluster.size for cluster in output.of(PatternCluster)), members)
    if placed := len(output.of(DiagnosisPlace)):
        unusable = sum(drop.reason == "no_embedding" for drop in output.drops)
        yield Account("diagnoses on the map", len(inputs.diagnose.diagnoses), placed, unusable)


CLUSTER = Stage(
    "cluster", 6, ClusterParams, ClusterInputs, Clustered, group,
    description="Groups the causes that are alike: each group is a pattern.",
    asks=("embedder",), embeds="diagnoses of failed rows", accounts=_accounts,
)  # fmt: skip
