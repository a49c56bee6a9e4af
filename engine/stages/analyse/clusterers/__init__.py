"""Ways of grouping diagnoses, one file each: they see vectors and a seed, no rows and no texts.

A new clusterer is one file and one line in `CLUSTERERS`.
"""

from engine.registry import Registry
from engine.stages.analyse.clusterers.agglomerative import AGGLOMERATIVE
from engine.stages.analyse.clusterers.hdbscan import HDBSCAN
from engine.stages.analyse.clusterers.kmeans import KMEANS
from engine.stages.analyse.clusterers.protocol import (
    NOISE,
    AnyClusterer,
    Clusterer,
    ClustererSettings,
    Clustering,
    centroid,
    clustering,
)

CLUSTERERS: Registry[AnyClusterer] = Registry("clusterer", [KMEANS, AGGLOMERATIVE, HDBSCAN])

__all__ = [
    "CLUSTERERS",
    "NOISE",
    "AnyClusterer",
    "Clusterer",
    "ClustererSettings",
    "Clustering",
    "centroid",
    "clustering",
]
