"""The recipe as frozen, typed objects: what may be written, with units, ranges and defaults.

The source of `schemas/recipe.schema.json`. Knows nothing of operators, metrics, tasks and backends: their own
parameters are checked against the registries when the plan is compiled.
"""

from engine.spec.extending.typed import Value, Var, VarType
from engine.spec.recipe.augment import Augment, LabelBy, Mine, MineBy, OperatorSpec, Quota
from engine.spec.recipe.benchmark import Benchmark, Endpoint
from engine.spec.recipe.data import Data, Format, Sample, Source, SplitFrom
from engine.spec.recipe.failures import Failures, FailureSource
from engine.spec.recipe.limits import Executor, Limits
from engine.spec.recipe.loop import Budget, Loop, Stop
from engine.spec.recipe.metrics import MetricSpec, Rubric, Slice
from engine.spec.recipe.models import Models, ModelSpec, StudentSpec, WriterSpec
from engine.spec.recipe.patterns import Cluster, Patterns
from engine.spec.recipe.privacy import Privacy, Redaction
from engine.spec.recipe.quality import (
    Calibration,
    JudgeMode,
    LeakLimits,
    Minimum,
    NearDuplicate,
    Neighbours,
    PassRateLimits,
    Quality,
    Similarity,
    Verify,
)
from engine.spec.recipe.task import Fold, Shots, Task
from engine.spec.recipe.taxonomy import Category, Taxonomy, TaxonomyFile
from engine.spec.recipe.train import Preference, Train
from engine.spec.recipe.whole import Recipe

__all__ = [
    "Augment",
    "Benchmark",
    "Budget",
    "Calibration",
    "Category",
    "Cluster",
    "Data",
    "Endpoint",
    "Executor",
    "FailureSource",
    "Failures",
    "Fold",
    "Format",
    "JudgeMode",
    "LabelBy",
    "LeakLimits",
    "Limits",
    "Loop",
    "MetricSpec",
    "Mine",
    "MineBy",
    "Minimum",
    "ModelSpec",
    "Models",
    "NearDuplicate",
    "Neighbours",
    "OperatorSpec",
    "PassRateLimits",
    "Patterns",
    "Preference",
    "Privacy",
    "Quality",
    "Quota",
    "Recipe",
    "Redaction",
    "Rubric",
    "Sample",
    "Shots",
    "Similarity",
    "Slice",
    "Source",
    "SplitFrom",
    "Stop",
    "StudentSpec",
    "Task",
    "Taxonomy",
    "TaxonomyFile",
    "Train",
    "Value",
    "Var",
    "VarType",
    "Verify",
    "WriterSpec",
]
