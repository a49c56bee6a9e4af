"""Quality gates, one file each: they look at candidates, ask no model, and quote no evaluation row.

A new gate is one file and one line in `GATES`, whose order decides which reason is given. Whether a gate rejects,
advises or is off, the teacher's pack says and the recipe overrides.
"""

from engine.registry import Registry
from engine.stages.quality.apply import GateResult, apply_gates
from engine.stages.quality.duplicate import DUPLICATE
from engine.stages.quality.form import FORM
from engine.stages.quality.leak import LEAK
from engine.stages.quality.near_duplicate import NEAR_DUPLICATE
from engine.stages.quality.neighbours import NEIGHBOURS
from engine.stages.quality.promise import PROMISE
from engine.stages.quality.protocol import AnyGate, Batch, Finding, Gate, SeedRule, seed_rules
from engine.stages.quality.similarity import SIMILARITY

GATES: Registry[AnyGate] = Registry(
    "gate", [FORM, PROMISE, LEAK, SIMILARITY, NEIGHBOURS, DUPLICATE, NEAR_DUPLICATE]
)
"""In the order in which they are asked: the first that rejects gives the reason."""

__all__ = [
    "GATES",
    "AnyGate",
    "Batch",
    "Finding",
    "Gate",
    "GateResult",
    "SeedRule",
    "apply_gates",
    "seed_rules",
]
