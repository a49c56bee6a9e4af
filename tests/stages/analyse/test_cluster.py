"""cluster: which diagnoses make a pattern, and which pattern of an earlier round they continue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from engine.errors import ModelError
from engine.rows import (
    ClusterMember,
    Diagnosis,
    Example,
    Pattern,
    PatternCluster,
    PatternMember,
    Prediction,
    Score,
)
from engine.stages.analyse.cluster import (
    CLUSTER,
    ClusterInputs,
    ClusterParams,
    UsedClusterer,
    WhereCategory,
    category_pattern,
)
from engine.stages.analyse.clusterers import CLUSTERERS
from engine.stages.analyse.clusterers.kmeans import KMeansSettings
from engine.stages.outputs import Clustered, Diagnosed, Loaded, NamedPatterns, Predicted, Scored
from engine.stages.quality.leak_guard import Embed
from tests.stages.scripted_context import ScriptedContext

TOPICS = {"late": (1.0, 0.0, 0.0), "broken": (0.0, 1.0, 0.0), "rude": (0.0, 0.0, 1.0)}


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """One direction per topic, which is a text's first word; its last is how far it leans to the next."""
    vectors = []
    for text in texts:
        topic, *_, lean = text.split()
        vector = np.asarray(TOPICS[topic], dtype=np.float32)
        vectors.append(vector + float(lean) * np.roll(vector, 1))
    stacked = np.stack(vectors).astype(np.float32)
    unit: npt.NDArray[np.float32] = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return unit


class Listening(ScriptedContext):
    """A context that keeps what the user is told."""

    def __init__(self, embedding: Embed = embed) -> None:
        super().__init__(embed=embedding)
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def params(k: int = 2, where: Mapping[str, str] | None = None) -> ClusterParams:
    return ClusterParams(
        target="intent",
        clusterer=UsedClusterer(name="kmeans", version=1, settings=KMeansSettings(k=k, min_size=1)),
        categories=tuple(WhereCategory(id=i, where=w) for i, w in (where or {}).items()),
    )


def inputs(texts: Sequence[str], earlier: Sequence[Pattern] = ()) -> ClusterInputs:
    """Return one failure per text "topic … lean", diagnosed as the text says."""
    diagnoses = []
    for i, text in enumerate(texts):
        cause, scenario = text.rsplit(" ", 1)
        diagnoses.append(Diagnosis(f"d{i}", f"e{i}", cause, scenario, "call"))
    examples = [
        Example(f"e{i}", "validation", {"text": text}, "x", {"length": len(text)}, "f", i)
        for i, text in enumerate(texts)
    ]
    predictions = [
        Prediction(e.id, "validation", "", e.inputs["text"].split()[0], "ok", None, "generation")
        for e in examples
    ]
    scores = [Score(e.id, "validation", "accuracy", 0.0) for e in examples]
    return ClusterInputs(
        load=Loaded(tuple(examples)),
        score=Scored(tuple(scores)),
        predict=Predicted(tuple(predictions)),
        diagnose=Diagnosed(tuple(diagnoses)),
        earlier=(NamedPatterns(tuple(earlier)),) if earlier else (),
    )  # fmt: skip


def clustered(
    given: ClusterParams, rows: ClusterInputs, seed: int = 0, round_: int = 0
) -> Clustered:
    """Return what the stage makes; every diagnosis is a member once, or a drop."""
    output = CLUSTER.run(given, rows, ScriptedContext(embed=embed, seed=seed, round_=round_))
    for account in CLUSTER.accounts(given, rows, output):
        assert account.came == account.kept + account.dropped, account
    members = [m.diagnosis for m in output.members]
    assert sorted(members) == sorted(d.id for d in rows.diagnose.diagnoses)
    return output


def groups(output: Clustered) -> list[list[str]]:
    return [sorted(m.diagnosis for m in members) for members in output.by_pattern.values()]


def pattern(name: str, *texts: str, category: str | None = None) -> Pattern:
    """Return an earlier round's pattern with the centre of some texts."""
    centre = embed(texts).mean(axis=0)
    centroid = tuple(float(x) for x in centre / np.linalg.norm(centre))
    return Pattern(name, name, "", category, len(texts), centroid, None, None, None)


LATE = ["late a 0.0", "late b 0.1", "late c 0.05"]
BROKEN = ["broken a 0.0", "broken b 0.1"]
RUDE = ["rude a 0.0"]


def test_no_diagnoses_make_no_patterns() -> None:
    assert clustered(params(), inputs([])) == Clustered()


def test_like_diagnoses_share_a_pattern_and_the_nearest_member_comes_first() -> None:
    output = clustered(params(), inputs([*LATE, *BROKEN]))
    assert groups(output) == [["d0", "d1", "d2"], ["d3", "d4"]]
    largest, _ = output.by_pattern.values()
    assert largest[0].diagnosis == "d2", "half way between the others"
    assert [m.distance for m in largest] == sorted(m.distance for m in largest)
    assert all(m.silhouette is not None and m.silhouette > 0.5 for m in output.members)


def test_a_single_cluster_has_no_silhouette() -> None:
    output = clustered(params(k=1), inputs(LATE))
    assert groups(output) == [["d0", "d1", "d2"]]
    assert {m.silhouette for m in output.members} == {None}


def test_a_new_pattern_has_an_id_of_its_own_in_each_seed_and_round() -> None:
    names = {
        name
        for seed in (0, 1)
        for round_ in (0, 1)
        for name in clustered(params(), inputs([*LATE, *BROKEN]), seed, round_).by_pattern
    }
    assert len(names) == 8
    again = clustered(params(), inputs([*LATE, *BROKEN]), 1, 1)
    assert set(again.by_pattern) <= names


def test_a_cluster_near_an_earlier_pattern_continues_it() -> None:
    earlier = [pattern("p-old", "late z 0.0"), pattern("p-other", "rude z 0.0")]
    output = clustered(params(), inputs([*LATE, *BROKEN], earlier), round_=1)
    late, broken = output.by_pattern
    assert late == "p-old"
    assert broken not in {"p-old", "p-other"}


def test_how_near_it_must_be_is_what_the_rounds_own_clusters_show() -> None:
    # Its members lean to the next topic as much as the earlier pattern does, or hardly at all.
    earlier = [pattern("p-old", "late z 0.7")]
    wide = ["late a 0.0", "late b 0.9", "late c 1.1", "late d 0.2"]
    assert "p-old" in clustered(params(), inputs([*wide, *BROKEN], earlier)).by_pattern
    assert "p-old" not in clustered(params(), inputs([*LATE, *BROKEN], earlier)).by_pattern


def test_the_nearest_of_several_earlier_patterns_is_continued() -> None:
    earlier = [pattern("p-far", "late z 0.5"), pattern("p-near", "late z 0.05")]
    assert "p-near" in clustered(params(), inputs([*LATE, *BROKEN], earlier)).by_pattern


def found_before(texts: Sequence[str], by: Mapping[str, Sequence[int]]) -> Clustered:
    """Return an earlier round's clustering: pattern -> numbers of its failures."""
    members = [
        PatternMember(pattern, f"e{i}", f"before{i}", 0.0, None)
        for pattern, numbers in by.items()
        for i in numbers
    ]
    assert all(i < len(texts) for numbers in by.values() for i in numbers)
    return Clustered(tuple(members))


def test_a_pattern_that_falls_into_two_clusters_is_split_and_both_say_so() -> None:
    texts = [*LATE, *BROKEN]
    rows = replace(
        inputs(texts, [pattern("p-old", *texts)]),
        clusters=(found_before(texts, {"p-old": range(5)}),),
    )
    output = clustered(params(), rows, round_=1)
    assert len(output.by_pattern) == 2
    assert next(iter(output.by_pattern)) == "p-old", "the larger cluster goes on"
    (other,) = output.by_pattern.keys() - {"p-old"}
    told = {(link.pattern, link.parent, link.kind, link.shared) for link in output.links}
    assert told == {("p-old", "p-old", "continued", 3), (other, "p-old", "split", 2)}


def test_two_patterns_that_fall_into_one_cluster_are_merged_and_the_other_is_known_no_more() -> (
    None
):
    texts = [*LATE, *BROKEN]
    old = [pattern("p-late", *LATE), pattern("p-broken", *BROKEN)]
    before = found_before(texts, {"p-late": range(3), "p-broken": range(3, 5)})
    rows = replace(inputs(texts, old), clusters=(before,))
    second = clustered(params(k=1), rows, round_=1)
    assert set(second.by_pattern) == {"p-late"}
    told = [(link.pattern, link.parent, link.kind, link.shared) for link in second.links]
    assert told == [("p-late", "p-late", "continued", 3), ("p-late", "p-broken", "merged", 2)]
    # What was merged is continued by nobody, though the failures fall apart again as they were.
    third = clustered(
        params(), replace(rows, clusters=(before, second), linked=(before, second)), round_=2
    )
    assert "p-broken" not in third.by_pattern
    assert ("p-late", "split") in {(link.parent, link.kind) for link in third.links}


def test_failures_of_a_category_are_taken_out_before_the_rest_is_clustered() -> None:
    where = {"slow": "prediction = 'late' AND length = 10", "late": "prediction = 'late'"}
    output = clustered(params(k=1, where=where), inputs([*LATE, *BROKEN]))
    assert sorted(groups(output)) == [["d0", "d1"], ["d2"], ["d3", "d4"]]
    taken = {m.diagnosis: m.silhouette for m in output.members}
    assert taken["d0"] is None, "a category is no cluster"


@pytest.mark.parametrize("category", ["late", "p-1", "p-old", "p-0123abcd"])
def test_a_category_is_never_taken_for_a_cluster_whatever_it_is_called(category: str) -> None:
    where = {category: "prediction = 'late'"}
    first = clustered(params(k=1, where=where), inputs([*LATE, *BROKEN]))
    assert groups(first) == [["d0", "d1", "d2"], ["d3", "d4"]]
    late = next(
        name for name, m in first.by_pattern.items() if m[0].diagnosis in {"d0", "d1", "d2"}
    )
    # In the next round a cluster as near as can be to the category's pattern is a pattern of its own.
    earlier = [pattern(late, "broken z 0.0", category=category)]
    second = clustered(params(k=1, where=where), inputs([*LATE, *BROKEN], earlier), round_=1)
    assert groups(second) == [["d0", "d1", "d2"], ["d3", "d4"]]
    assert len(second.by_pattern[late]) == 3


def test_a_category_may_be_called_as_the_cluster_beside_it() -> None:
    plain = clustered(params(k=1), inputs(BROKEN))
    (name,) = plain.by_pattern
    rows = inputs([*BROKEN, *LATE])
    output = clustered(params(k=1, where={name: "prediction = 'late'"}), rows)
    assert sorted(groups(output)) == [["d0", "d1"], ["d2", "d3", "d4"]]
    assert name in output.by_pattern, "the cluster has the id that the category is called"


def test_a_category_has_the_same_pattern_in_every_round_and_seed() -> None:
    where = {"late": "prediction = 'late'"}
    names = {
        frozenset(clustered(params(k=1, where=where), inputs(LATE), seed, round_).by_pattern)
        for seed, round_ in ((0, 0), (0, 1), (1, 0))
    }
    assert len(names) == 1


def test_diagnoses_that_are_the_same_are_members_each() -> None:
    output = clustered(params(k=5), inputs([LATE[0]] * 3))
    assert groups(output) == [["d0", "d1", "d2"]]
    assert {m.distance for m in output.members} == {0.0}
    assert [type(row) for row in output.rows] == [PatternCluster, *[ClusterMember] * 3]


def scattered(n: int) -> list[str]:
    """Return diagnoses in two groups of n, and two that lie between them and all else."""
    near = [f"{topic} {chr(97 + i)} 0.{i}" for topic in ("late", "broken") for i in range(n)]
    return [*near, "rude z 0.0", "rude z 0.9"]


def test_a_diagnosis_of_no_cluster_is_a_drop_and_is_said() -> None:
    rows = inputs(scattered(8))
    context = Listening()
    given = ClusterParams(
        target="intent",
        clusterer=UsedClusterer(
            name="kmeans", version=1, settings=KMeansSettings(k=4, min_size=2, outliers=None)
        ),
    )
    output = CLUSTER.run(given, rows, context)
    assert [len(members) for members in output.by_pattern.values()] == [8, 8]
    assert [(d.stage, d.item, d.reason) for d in output.drops] == [
        ("cluster", "d16", "small_cluster"),
        ("cluster", "d17", "small_cluster"),
    ]
    assert context.warnings == [
        "2 of 18 diagnoses belong to no pattern (2 small_cluster): no rows are written for them"
    ]
    assert all(a.came == a.kept + a.dropped for a in CLUSTER.accounts(given, rows, output))


def test_each_pattern_says_how_stable_its_cluster_is() -> None:
    output = clustered(params(), inputs(scattered(8)[:16]))
    assert set(output.stability) == set(output.by_pattern)
    assert all(s is not None and s > 0.9 for s in output.stability.values())
    assert set(clustered(params(k=1), inputs(LATE)).stability.values()) == {None}
    by_sql = clustered(params(where={"late": "prediction = 'late'"}), inputs([*LATE, *BROKEN]))
    assert by_sql.stability[category_pattern("late")] is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0])
def test_a_diagnosis_without_a_usable_embedding_is_a_drop_and_is_said(bad: float) -> None:
    texts = [*LATE, *BROKEN]

    def broken_embed(given: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors = embed(given)
        vectors[1] = bad
        return vectors

    for where, expected in (
        (None, [["d3", "d4"]]),
        ({"late": "prediction = 'late'"}, [["d3"], ["d4"]]),
    ):
        context = Listening(broken_embed)
        output = CLUSTER.run(params(where=where), inputs(texts), context)
        (drop,) = output.drops
        assert (drop.item, drop.reason) == ("d1", "no_embedding")
        assert sorted(groups(output)) == [["d0", "d2"], *expected]
        assert len(context.warnings) == 1
        assert "1 of 5 diagnoses cannot be compared, the first is d1" in context.warnings[0]


def test_an_embedder_without_any_usable_embedding_is_an_error() -> None:
    context = ScriptedContext(embed=lambda texts: np.full((len(texts), 4), np.nan, np.float32))
    with pytest.raises(ModelError, match=r"3 of 3 diagnoses cannot be compared.*not finite"):
        CLUSTER.run(params(), inputs(LATE), context)


@pytest.mark.parametrize("name", CLUSTERERS)
@pytest.mark.parametrize("texts", [LATE[:1], [LATE[0], BROKEN[0]], [LATE[0]] * 9])
def test_however_few_failures_there_are_they_make_a_pattern(name: str, texts: list[str]) -> None:
    used = UsedClusterer(name=name, version=1, settings=CLUSTERERS[name].settings())
    given = ClusterParams(target="intent", clusterer=used)
    output = CLUSTER.run(given, inputs(texts), Listening())
    assert [len(members) for members in output.by_pattern.values()] == [len(texts)]


def test_fewer_failures_than_clusters_are_a_pattern_each() -> None:
    output = clustered(params(k=8), inputs([*LATE[:2], *BROKEN[:1]]))
    assert sorted(groups(output)) == [["d0"], ["d1"], ["d2"]]
