"""The forecast of `pada plan`: hours, GPU hours and cost for some numbers of GPUs, as records and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.plan.duration.devices import Foreseen, Spread, foresee
from engine.plan.duration.loads import loads_of
from engine.plan.duration.rates import rates_of
from engine.plan.estimate import Estimate
from engine.plan.graph import Plan
from engine.plan.resources import Resources
from engine.report.foreseen.paces import samples

MOST_DEVICES = 100_000
USUAL = (1, 4, 16)
_LIMITS = {
    "path": "longest chain",
    "devices": "GPUs",
    "server": "model servers",
    "driver": "the driver",
}
_STAGES_NAMED = 3


class Devices(NamedTuple):
    """What a run is to be forecast for."""

    counts: Sequence[int] = USUAL
    price: float | None = None
    """Of an hour of one GPU."""
    speed: float = 1.0
    """How many times as fast one is as what the finished nodes ran on."""

    def checked(self) -> Devices:
        """Return it; raises EngineError for numbers that mean nothing."""
        if not self.counts or not all(1 <= count <= MOST_DEVICES for count in self.counts):
            raise EngineError(
                f"--gpus: numbers from 1 to {MOST_DEVICES:,} are meant", "such as --gpus 1,4,16"
            )
        if not 0 < self.speed < float("inf"):
            raise EngineError("--gpu-speed: a number above 0 is meant", "such as --gpu-speed 20")
        if self.price is not None and not 0 <= self.price < float("inf"):
            raise EngineError("--gpu-price: no price", "such as --gpu-price 2.50, per hour")
        return self


def forecasts(
    plan: Plan,
    resources: Resources,
    pending: Sequence[str],
    estimates: Mapping[str, Estimate],
    rows: int,
    state: Path | None,
    devices: Devices,
) -> list[Foreseen]:
    """Return the forecast for each number of devices; nothing where nothing is left to do.

    Args:
        plan: The plan.
        resources: Its models.
        pending: Names of the unfinished nodes.
        estimates: What those that ask or train are expected to take.
        rows: Rows of all splits.
        state: Folder of the store whose nodes show how fast they are; None where there is none.
        devices: How many, how fast and at what price.

    Raises:
        EngineError: numbers that mean nothing.
        StoreError: the store cannot be read.
    """
    wanted = devices.checked()
    loads = loads_of(plan, resources, frozenset(pending), estimates, rows)
    if not loads:
        return []
    rates = rates_of(samples(state)) if state is not None else {}
    return [
        foresee(plan, loads, rates, count, price=wanted.price, speed=wanted.speed)
        for count in wanted.counts
    ]


def record(one: Foreseen) -> dict[str, Any]:
    """Return a forecast as programs read it."""
    spreads = {"hours": one.hours, "gpu_hours": one.device_hours, "gpu_cost": one.money}
    return {
        "gpus": one.devices,
        **{name: None if spread is None else list(spread) for name, spread in spreads.items()},
        "busy": one.busy,
        "limit": one.limit,
        "path": list(one.path),
        "measured": one.measured,
        "assumed": list(one.assumed),
    }


def told(found: Sequence[Foreseen]) -> list[str]:
    """Return forecasts as lines, of which the one of the longest chain alone may have more than 80 columns."""
    if not found:
        return []
    first = found[0]
    lines = ["forecast, if every round is run (low to high):"]
    lines.append(f"{'GPUs':>6}{'hours':>22}{'GPU hours':>22}{'GPU cost':>12}  limit")
    lines += [
        f"{one.devices:>6,}{_spread(one.hours):>22}{_spread(one.device_hours):>22}"
        f"{'–' if one.money is None else number(one.money.middle):>12}  {_LIMITS[one.limit]}"
        for one in found
    ]
    steps = len(first.path)
    lines.append(
        f"longest chain: {steps:,} {'step' if steps == 1 else 'steps'}: {_in_words(first.path)}"
    )
    known = f"{first.measured:,} steps go by rates measured here" if first.measured else ""
    if not first.assumed:
        return [*lines, f"rates: all measured on earlier steps here ({first.measured:,} steps)"]
    named = ", ".join(first.assumed[:_STAGES_NAMED])
    more = len(first.assumed) - _STAGES_NAMED
    lines.append(f"rates: {known or 'none is measured here yet'};")
    lines.append(f"  assumed for {named}{f' and {more} more stages' if more > 0 else ''}")
    return lines


def _in_words(path: Sequence[str]) -> str:
    """Return a chain of nodes in words, those of one round together."""
    parts = groupby(path, lambda name: name.rpartition("/")[0])
    return "; ".join(
        (f"{place}: " if place else "") + " → ".join(name.rpartition("/")[2] for name in names)
        for place, names in parts
    )


def _spread(spread: Spread) -> str:
    return f"{number(spread.middle)} ({number(spread.low)}–{number(spread.high)})"


def number(value: float) -> str:
    """Return a number with a few figures, or whole from 10 on."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.{2 if value >= 0.1 else 3}f}"
