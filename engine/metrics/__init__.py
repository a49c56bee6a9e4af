"""Metrics, one file each; a new metric is one file and one line in `METRICS`."""

from engine.metrics.accuracy import ACCURACY
from engine.metrics.macro_f1 import MACRO_F1
from engine.metrics.protocol import Metric, Scored
from engine.registry import Registry

METRICS: Registry[Metric] = Registry("metric", [ACCURACY, MACRO_F1])

__all__ = ["METRICS", "Metric", "Scored"]
