"""Metrics, one file each (families share one): they read answers and references, and ask no model.

A new metric is one file and one line in `METRICS`; one that would give other values raises its `version`.
"""

from engine.metrics.accuracy import ACCURACY
from engine.metrics.calibration import CALIBRATION_ERROR
from engine.metrics.f1 import MACRO_F1, MICRO_F1, WEIGHTED_F1
from engine.metrics.numeric_match import NUMERIC_MATCH
from engine.metrics.perplexity import PERPLEXITY
from engine.metrics.precision_recall import BALANCED_ACCURACY, MACRO_PRECISION, MACRO_RECALL
from engine.metrics.protocol import Answered, Metric, MetricParams, Scored
from engine.metrics.rouge import ROUGE1, ROUGE2, ROUGE_L
from engine.metrics.squad import EXACT_MATCH, TOKEN_F1
from engine.metrics.structure import FIELD_F1, JSON_VALID
from engine.metrics.tool_calls import ARGUMENTS_F1, TOOL_CALL, TOOL_CALL_EXACT, TOOL_NAME
from engine.metrics.translation import BLEU, CHRF
from engine.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    [
        ACCURACY, BALANCED_ACCURACY, MACRO_F1, MICRO_F1, WEIGHTED_F1, MACRO_PRECISION, MACRO_RECALL,
        EXACT_MATCH, TOKEN_F1, NUMERIC_MATCH, ROUGE1, ROUGE2, ROUGE_L, BLEU, CHRF,
        JSON_VALID, FIELD_F1, TOOL_CALL, TOOL_CALL_EXACT, TOOL_NAME, ARGUMENTS_F1, PERPLEXITY, CALIBRATION_ERROR,
    ],
)  # fmt: skip

__all__ = ["METRICS", "Answered", "Metric", "MetricParams", "Scored"]
