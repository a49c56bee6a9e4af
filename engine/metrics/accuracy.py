"""Accuracy: the share of examples whose answer is the gold answer."""

from engine.metrics.protocol import Metric, exact, mean_of_values

ACCURACY = Metric("accuracy", 1, "Share of right answers.", exact, mean_of_values)
