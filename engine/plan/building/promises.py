"""What those that bring rows promise of them: each operator of a recipe, and its mining."""

from __future__ import annotations

from collections.abc import Mapping

from engine.operators import MINED, Operator
from engine.spec.recipe import Augment
from engine.stages.augment.judging.questions import Promise


def promises(augment: Augment, operators: Mapping[str, Operator]) -> tuple[Promise, ...]:
    """Return what is promised of a recipe's candidates, by the name under which they are counted."""
    used = [operators[used.name] for used in augment.operators]
    mined = [Promise(name=MINED, label="found")] if augment.mine is not None else []
    return (*(Promise(name=one.name, label=one.label) for one in used), *mined)
