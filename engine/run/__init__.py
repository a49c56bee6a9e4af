"""Runs a plan: what is committed is skipped, what is pending is sent, a node is committed last.

Ledger, budget, dispatching and request files belong here; what a stage works out does not.
"""

from engine.run.execute import Outcome, execute
from engine.run.progress import Reporter

__all__ = ["Outcome", "Reporter", "execute"]
