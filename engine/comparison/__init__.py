"""Compares arms (recipes, methods, settings) on the same rows: runs them, and holds them against a baseline.

Here: which arms there are and what they must share (`arms`), running them (`runs`), what a run left (`measured`), the
statistics (`results`), and what is shown (`sentences`, `tables`, `files`). Not here: how one recipe is run, which is
`engine.project`'s, and the intervals and tests themselves, which are `engine.statistics`'.
"""

from engine.comparison.arms import Arm, Arms, Asked, arms_of
from engine.comparison.results import ArmResult, Comparison, Difference
from engine.comparison.whole import compare

__all__ = ["Arm", "ArmResult", "Arms", "Asked", "Comparison", "Difference", "arms_of", "compare"]
