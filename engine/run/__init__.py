"""Runs a plan: what is committed is skipped, what is pending is sent, a node is committed last."""

from engine.run.execute import Outcome, execute
from engine.run.progress import Reporter

__all__ = ["Outcome", "Reporter", "execute"]
