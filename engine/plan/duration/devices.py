"""How long a plan takes on so many devices, from the loads of its nodes and their rates: a range, reckoned and not run.

At least as long as its critical path, its work on devices divided among them, or what servers and the driver do. At
most, by Graham's bound for work that is handed out as devices get free (1969, Bounds on multiprocessing timing
anomalies), `work / devices + (1 - 1 / devices) × critical path`, with nothing of servers and driver beside it: on one
device the sum of all nodes, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from engine.plan.duration.critical import critical_path
from engine.plan.duration.loads import Load
from engine.plan.duration.rates import ASSUMED, Rate, Unit
from engine.plan.graph import Plan

Limit = Literal["path", "devices", "server", "driver"]
_HOUR = 3600.0


class Spread(NamedTuple):
    """A value and its range."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> Spread:
        """Scale all of it."""
        return Spread(self.low * factor, self.middle * factor, self.high * factor)


class Foreseen(NamedTuple):
    """What a plan takes on so many devices."""

    devices: int
    hours: Spread
    device_hours: Spread
    """Of all devices, for as long as the run takes: what is paid for, busy or not."""
    busy: float
    """Share of the devices' time in which they work, by the middle values."""
    money: Spread | None
    """For the devices alone; None where no price is given."""
    limit: Limit
    """What makes it take so long: the critical path, too few devices, servers, or the driver."""
    path: tuple[str, ...]
    """The critical path, by the middle values."""
    measured: int
    """Unfinished nodes whose rate was measured."""
    assumed: tuple[str, ...]
    """Stages whose rate is assumed."""


def foresee(
    plan: Plan,
    loads: Sequence[Load],
    rates: Mapping[tuple[str, Unit], Rate],
    devices: int,
    *,
    price: float | None = None,
    speed: float = 1.0,
) -> Foreseen:
    """Return what a plan takes on so many devices.

    Args:
        plan: The plan.
        loads: What its unfinished nodes do.
        rates: Seconds per unit, by stage and unit; others are `ASSUMED`.
        devices: How many there are, from 1.
        price: Of an hour of one device.
        speed: How many times as fast they are as where the rates were measured.

    Raises:
        ValueError: numbers that mean nothing.
    """
    if devices < 1 or not 0 < speed < float("inf") or not 0 <= (price or 0) < float("inf"):
        raise ValueError("devices, their speed and their price are positive numbers")
    seeds = {plan.nodes[load.node].seed for load in loads if load.place == "device"}
    # Seeds go side by side; only what is left over can share a training.
    together = max(1, devices // max(1, len(seeds)))
    low, middle, high = (
        _Sums(plan, loads, rates, end, speed, share)
        # Trainings share devices without loss at best, and not at all at worst.
        for end, share in ((0, together), (1, together), (2, 1))
    )
    hours = Spread(
        max(low.bounds(devices).values()) / _HOUR,
        max(middle.bounds(devices).values()) / _HOUR,
        high.at_most(devices) / _HOUR,
    )
    bounds = middle.bounds(devices)
    paid = hours.times(devices)
    worked = middle.work["device"] / _HOUR
    known = [load for load in loads if (load.stage, load.unit) in rates]
    return Foreseen(
        devices,
        hours,
        paid,
        min(1.0, worked / paid.middle) if paid.middle else 0.0,
        None if price is None else paid.times(price),
        max(bounds, key=bounds.__getitem__),
        middle.path,
        len(known),
        tuple(dict.fromkeys(load.stage for load in loads if load not in known)),
    )


class _Sums:
    """Seconds of a plan's nodes at one end of the rates, and what they sum to."""

    def __init__(
        self,
        plan: Plan,
        loads: Iterable[Load],
        rates: Mapping[tuple[str, Unit], Rate],
        end: int,
        speed: float,
        share: int,
    ) -> None:
        """Take the loads; `end` is 0, 1 or 2 for low, middle, high; `share` devices take part in each training."""
        taken: dict[str, float] = {}
        self.work = dict.fromkeys(("device", "server", "driver"), 0.0)
        for load in loads:
            rate = rates.get((load.stage, load.unit), ASSUMED[load.unit])
            units = (load.units.low, sum(load.units) / 2, load.units.high)[end]
            seconds = units * rate[end] / (speed if load.place == "device" else 1.0)
            self.work[load.place] += seconds
            taken[load.node] = seconds / (share if load.trains else 1)
        found = critical_path(plan, taken)
        self.path, self._length = found.path, found.length

    def bounds(self, devices: int) -> dict[Limit, float]:
        """Return the seconds that a run takes at least, by what makes it so."""
        return {
            "path": self._length,
            "devices": self.work["device"] / devices,
            # Two nodes that ask one server at a time get half of its rate each.
            "server": self.work["server"],
            "driver": self.work["driver"],
        }

    def at_most(self, devices: int) -> float:
        """Return the seconds that a run takes at most, where devices do not idle while work is ready."""
        whole = self.work["device"] / devices + (1 - 1 / devices) * self._length
        whole += self.work["server"] + self.work["driver"]
        return min(sum(self.work.values()), whole)
