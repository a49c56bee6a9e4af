"""The records that cross boundaries: what stages return and what the store keeps, one class per table.

Field order is column order. Ids are content hashes, so the same thing has the same id in every run.
The store adds `node`, `run`, `seed`, `round` and `position` to every row that a stage returns; they are not
repeated here. A `Call` is no stage's row: it names its own node and run.
"""

from engine.rows.analysis import (
    ClusterMember,
    Convention,
    Diagnosis,
    DiagnosisPlace,
    DrawnFailure,
    LabelSuspect,
    Life,
    LinkKind,
    MapAxis,
    Pattern,
    PatternCluster,
    PatternLink,
    PatternMember,
    PatternRow,
    PatternStatus,
    PatternTest,
    PatternTestRow,
    PatternWord,
    Strategy,
)
from engine.rows.calls import Call
from engine.rows.evaluation import (
    Benchmark,
    Example,
    Failure,
    Metric,
    MetricSlice,
    Prediction,
    Rating,
    Score,
)
from engine.rows.generation import (
    Candidate,
    PatternShare,
    QuotaStatus,
    RowCall,
    Selected,
    Verdict,
)
from engine.rows.loop import Decision, Drop, Model, Regression, RegressionSuite
from engine.rows.mining import LabelSource, Mined, PoolAnswer, PoolCount, PoolRow
from engine.rows.preference import PairKind, PreferencePair, PreferenceTuning
from engine.rows.reviewing import Review, Reviewed, Said, Subject
from engine.rows.row import CONTROL, SPLITS, UNTUNED, Row, Split

__all__ = [
    "CONTROL",
    "SPLITS",
    "UNTUNED",
    "Benchmark",
    "Call",
    "Candidate",
    "ClusterMember",
    "Convention",
    "Decision",
    "Diagnosis",
    "DiagnosisPlace",
    "DrawnFailure",
    "Drop",
    "Example",
    "Failure",
    "LabelSource",
    "LabelSuspect",
    "Life",
    "LinkKind",
    "MapAxis",
    "Metric",
    "MetricSlice",
    "Mined",
    "Model",
    "PairKind",
    "Pattern",
    "PatternCluster",
    "PatternLink",
    "PatternMember",
    "PatternRow",
    "PatternShare",
    "PatternStatus",
    "PatternTest",
    "PatternTestRow",
    "PatternWord",
    "PoolAnswer",
    "PoolCount",
    "PoolRow",
    "Prediction",
    "PreferencePair",
    "PreferenceTuning",
    "QuotaStatus",
    "Rating",
    "Regression",
    "RegressionSuite",
    "Review",
    "Reviewed",
    "Row",
    "RowCall",
    "Said",
    "Score",
    "Selected",
    "Split",
    "Strategy",
    "Subject",
    "Verdict",
]
