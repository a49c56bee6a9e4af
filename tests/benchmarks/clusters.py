"""How many clusters are found where so many are planted; and what 200,000 diagnoses take.

    python -m tests.benchmarks.clusters --data data_full.json --kept embeddings.npz [--seeds 5]
    python -m tests.benchmarks.clusters --large 200000

Planted groups are normal clouds on a sphere of 384 dimensions with falling variances, their means 0.7 or 1.0 times the
points' mean distance from them away from a common one; and texts of CLINC150's test and validation rows, embedded by
the engine's own model: of any intents, or of intents that fill one domain after the other (`near`). Of one group:
clouds, long ones too, texts of one intent, and texts each of an intent of its own. (Some single intents do fall into
two wordings, "transfer my 401k" and "roll over my 401k", so one cluster is not right for all of them.)

A cell holds the median of the numbers of clusters found over the seeds, the smallest and the largest, and the mean
adjusted Rand index of the clusters with the planted groups; where one group is planted, the share of ones. `auto` is
the default, `elbow 8` the paper's rule with that bound, `gap` the gap statistic (Tibshirani, Walther and Hastie, 2001)
with the rule of one standard error, up to 20 clusters, its reference the rotated components that `auto` uses.

The last table has texts of which a tenth belongs to no group: each of these is of an intent of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.stages.analyse.clusterers import CLUSTERERS, NOISE
from engine.stages.analyse.clusterers.found import find
from engine.stages.analyse.clusterers.stable_k import (
    components,
    rand_index,
    refined,
    rotated,
    scatter,
)
from engine.stages.analyse.clusterers.vectors import cuts, one_thread
from tests.benchmarks.clinc150 import read
from tests.benchmarks.gates import embedder

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

PLANTED = (1, 2, 3, 5, 8, 12)
MEMORY = 3.0
"""Limit of the memory that clustering takes, in sizes of the vectors; the vectors themselves are one of them."""
GAP_MOST, GAP_REFERENCES = 20, 10


class Texts(NamedTuple):
    """Embedded rows with their intents, and the domain of each intent."""

    vectors: Vectors
    intents: npt.NDArray[np.str_]
    domains: Mapping[str, Sequence[str]]

    def of(
        self, intents: Sequence[str], n: int, random: np.random.Generator
    ) -> tuple[Vectors, Labels]:
        """Return about n rows of these intents, as many of each."""
        places, labels = [], []
        for number, intent in enumerate(intents):
            own = np.flatnonzero(self.intents == intent)
            drawn = random.choice(own, min(len(own), math.ceil(n / len(intents))), replace=False)
            places += drawn.tolist()
            labels += [number] * len(drawn)
        return self.vectors[places], np.array(labels)

    def near(self, count: int, random: np.random.Generator) -> list[str]:
        """Return intents of as few domains as hold so many."""
        drawn = random.permutation(list(self.domains))
        return [i for domain in drawn for i in random.permutation(self.domains[domain])][:count]

    def any(self, count: int, random: np.random.Generator) -> list[str]:
        """Return some intents."""
        return [str(i) for i in random.choice(np.unique(self.intents), count, replace=False)]


def embedded(data: Path, domains: Path, kept: Path) -> Texts:
    """Return the rows; their embeddings are read from `kept` once they are there."""
    rows = [row for split in ("test", "val") for row in read(data, split)]
    if not kept.exists():
        np.savez(kept, vectors=embedder()([row.text for row in rows]))
    intents = np.array([row.intent for row in rows])
    return Texts(np.load(kept)["vectors"], intents, json.loads(domains.read_text(encoding="utf-8")))


def clouds(
    k: int, n: int, apart: float, seed: int, falling: float = 0.97, size: float = 1.0
) -> tuple[Vectors, Labels]:
    """Return k normal clouds of n points in all, pressed onto the unit sphere.

    A long cloud must be small beside the sphere: along an arc of a quarter of it, points pile up at both ends.
    """
    random = np.random.default_rng(seed)
    spread = falling ** np.arange(384)
    spread *= size / np.linalg.norm(spread)
    centres = random.normal(size=(k, 384)) * spread
    centres *= size * apart / np.linalg.norm(centres, axis=1, keepdims=True)
    common = random.normal(size=384) * spread
    labels = np.arange(n) % k
    points = (
        common / np.linalg.norm(common) + centres[labels] + random.normal(size=(n, 384)) * spread
    )
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), labels


class Case(NamedTuple):
    """Points of known groups."""

    kind: str
    n: int
    k: int
    make: Callable[[int], tuple[Vectors, Labels]]
    """Seed -> the points and their groups."""


def cases(texts: Texts | None) -> Iterator[Case]:
    """Yield what is planted, five points a group at least."""
    if texts is not None:
        yield Case("one intent", 30, 1, _of(texts, texts.any, 1, 30))
        yield Case("one intent", 50, 1, _of(texts, texts.any, 1, 50))
        yield Case("an intent each", 150, 1, lambda seed: _each_its_own(texts, 150, seed))
    for falling in (0.5, 0.8):
        yield Case(
            f"long cloud {falling}", 150, 1, partial(clouds, 1, 150, 0.0, falling=falling, size=0.3)
        )
    for n, apart, k in product((60, 150), (0.7, 1.0), PLANTED):
        if n >= 5 * k:
            yield Case(f"clouds {apart}", n, k, partial(clouds, k, n, apart))
    if texts is not None:
        for n, near, k in product((60, 150), (False, True), PLANTED[1:]):
            # An intent has 50 rows.
            if 5 * k <= n <= 50 * k:
                kind, pick = ("near", texts.near) if near else ("any", texts.any)
                yield Case(f"{kind} intents", n, k, _of(texts, pick, k, n))


def _of(
    texts: Texts, pick: Callable[[int, np.random.Generator], list[str]], k: int, n: int
) -> Callable[[int], tuple[Vectors, Labels]]:
    def make(seed: int) -> tuple[Vectors, Labels]:
        random = np.random.default_rng([seed, k, n])
        return texts.of(pick(k, random), n, random)

    return make


def _each_its_own(texts: Texts, n: int, seed: int) -> tuple[Vectors, Labels]:
    random = np.random.default_rng(seed)
    vectors, _ = texts.of(texts.any(n, random), n, random)
    return vectors, np.zeros(n, dtype=np.int64)


def gap(vectors: Vectors, seed: int) -> Labels:
    """Return Ward's clusters, refined, their number by the gap statistic."""
    random = np.random.default_rng(seed)
    points = components(vectors)
    counts = range(1, min(GAP_MOST, len(points) // 4) + 1)
    own = np.log(scatter(points, counts, "ward"))
    normal = [rotated(points, random) for _ in range(GAP_REFERENCES)]
    drawn = np.log([scatter(cloud, counts, "ward") for cloud in normal])
    gaps, error = drawn.mean(axis=0) - own, drawn.std(axis=0) * math.sqrt(1 + 1 / GAP_REFERENCES)
    enough = [i for i in range(len(gaps) - 1) if gaps[i] >= gaps[i + 1] - error[i + 1]]
    (labels,) = cuts(points, [counts[enough[0] if enough else -1]], "ward")
    return refined(points, labels)[1]


def _by(name: str, **settings: object) -> Callable[[Vectors, int], Labels]:
    clusterer = CLUSTERERS[name]
    used = clusterer.settings.model_validate(settings)
    return lambda vectors, seed: np.array(clusterer.cluster(vectors, used, seed).labels)


WAYS: Mapping[str, Callable[[Vectors, int], Labels]] = {
    "auto": _by("kmeans", outliers=None, max_k=100),
    "hdbscan": _by("hdbscan"),
    "elbow 8": _by("kmeans", k="elbow", max_k=8, outliers=None),
    "elbow 16": _by("kmeans", k="elbow", max_k=16, outliers=None),
    "gap": gap,
}


def cell(case: Case, way: Callable[[Vectors, int], Labels], seeds: int) -> str:
    """Return what one way finds of one case."""
    found, same = [], []
    for seed in range(seeds):
        vectors, groups = case.make(seed)
        with one_thread():
            labels = way(vectors, seed)
        found.append(int(labels.max()) + 1)
        # Noise is compared as a cluster of its own.
        same.append(rand_index(groups, labels + 1))
    numbers = f"{np.median(found):g} ({min(found)}-{max(found)})"
    if case.k == 1:
        return f"{numbers} {np.mean([n == 1 for n in found]):.0%}"
    return f"{numbers} {np.mean(same):.2f}"


def planted(texts: Texts | None, seeds: int) -> None:
    """Print the table over planted numbers of groups."""
    print("| points | n | planted | " + " | ".join(WAYS) + " |")
    print("|---|---|---" + "|---" * len(WAYS) + "|")
    for case in cases(texts):
        many = seeds if case.k > 1 else 3 * seeds
        cells = [cell(case, way, many) for way in WAYS.values()]
        print(f"| {case.kind} | {case.n} | {case.k} | " + " | ".join(cells) + " |", flush=True)


def noise(texts: Texts, seeds: int) -> None:
    """Print what is told apart of texts that belong to no group, a tenth of all."""
    print("| clusterer | adjusted Rand index of the rest | noise found | of what is called noise |")
    print("|---|---|---|---|")
    for name, clusterer in CLUSTERERS.items():
        figures = []
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            drawn = texts.any(20, random)
            vectors, groups = texts.of(drawn[:5], 135, random)
            other, _ = texts.of(drawn[5:], 15, random)
            found = find(clusterer, np.concatenate([vectors, other]), clusterer.settings(), seed)
            labels = np.full(len(vectors) + len(other), NOISE)
            for number, places in enumerate(found.clusters):
                labels[places] = number
            apart = labels == NOISE
            kept = ~apart[: len(vectors)]
            figures.append((
                rand_index(groups[kept], labels[: len(vectors)][kept]),
                apart[len(vectors) :].mean(),
                apart[len(vectors) :].sum() / max(1, apart.sum()),
            ))  # fmt: skip
        one, two, three = np.mean(figures, axis=0)
        print(f"| {name} | {one:.2f} | {two:.0%} | {three:.0%} |", flush=True)


def _many(k: int, n: int) -> tuple[Vectors, Labels]:
    """Return n points in k clouds, made piece by piece: making them must take no more memory than they do."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(k, 384)).astype(np.float32)
    groups = random.integers(k, size=n)
    vectors = centres[groups]
    for start in range(0, n, 10_000):
        part = vectors[start : start + 10_000]
        part += random.normal(scale=1.2, size=part.shape).astype(np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors, groups


def large(n: int) -> int:
    """Cluster n vectors by each clusterer; return 1 where memory exceeds its limit."""
    vectors, groups = _many(12, n)
    size, failed = vectors.nbytes, 0
    print(f"{n:,} vectors of {vectors.shape[1]} numbers: {size / 1e6:,.0f} MB")
    for name, clusterer in CLUSTERERS.items():
        # What the libraries take is not counted.
        find(clusterer, vectors[:200], clusterer.settings(), 0)
        before = _peak()
        start = time.perf_counter()
        found = find(clusterer, vectors, clusterer.settings(), 0)
        seconds, more = time.perf_counter() - start, (_peak() - before) / size
        labels = np.full(n, NOISE)
        for number, places in enumerate(found.clusters):
            labels[places] = number
        same = rand_index(groups, labels + 1)
        over = 1 + more > MEMORY
        failed |= over
        print(
            f"{name}: {len(found.clusters)} clusters, adjusted Rand index {same:.3f}, {seconds:.0f} s, memory "
            f"{1 + more:.2f} times the vectors (limit {MEMORY}){': too much' if over else ''}",
            flush=True,
        )
    return int(failed)


def _peak() -> int:
    """Return the most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="data_full.json of CLINC150")
    parser.add_argument("--domains", type=Path, metavar="FILE", help="domains.json beside it")
    parser.add_argument(
        "--kept", type=Path, metavar="FILE", help="where the embeddings are kept (.npz)"
    )
    parser.add_argument("--seeds", type=int, default=5, help="how often each case is drawn")
    parser.add_argument(
        "--large", type=int, default=0, metavar="N", help="only measure N diagnoses"
    )
    given = parser.parse_args()
    if given.large:
        return large(given.large)
    texts = None if given.data is None else embedded(given.data, given.domains, given.kept)
    planted(texts, given.seeds)
    if texts is not None:
        print()
        noise(texts, given.seeds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
