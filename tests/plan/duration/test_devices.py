"""Hours by devices: exact where rates are planted, and never a range that is upside down."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.identity import Params
from engine.plan.duration.devices import Foreseen, foresee
from engine.plan.duration.loads import Load, Place
from engine.plan.duration.rates import ASSUMED, Rate, Sample, Unit, rates_of
from engine.plan.graph import Node, Plan
from engine.stages.forecast import Range

Key = tuple[str, Unit]
STEP: Key = ("train", "step")
CALL: Key = ("judge", "call")
NODE: Key = ("score", "node")
RATES: dict[Key, Rate] = {
    STEP: Rate(3.6, 3.6, 3.6, 5),
    CALL: Rate(1.8, 3.6, 7.2, 5),
    NODE: Rate(36, 36, 36, 5),
}


def _seeds(
    count: int, *, places: tuple[Place, Place] = ("device", "server")
) -> tuple[Plan, list[Load]]:
    """Return so many chains of a training of 1,000 steps, 100 calls and one score, and their loads."""
    nodes: list[Node] = [Node("load", "load", Params(), {}, "load", {})]
    loads: list[Load] = []
    for seed in range(count):
        before = "load"
        steps: list[tuple[Key, float, Place]] = [
            (STEP, 1000.0, places[0]),
            (CALL, 100.0, places[1]),
            (NODE, 1.0, "driver"),
        ]
        for (stage, unit), units, place in steps:
            name = f"seed-{seed}/{stage}"
            nodes.append(Node(name, stage, Params(), {}, name, {"before": before}, seed=seed))
            loads.append(Load(name, stage, unit, Range(units, units), place, stage == "train"))
            before = name
    return Plan(nodes), loads


def test_one_device_does_one_thing_after_the_other_at_worst_and_the_chain_at_best() -> None:
    plan, loads = _seeds(1)
    found = foresee(plan, loads, RATES, 1, price=2.0)
    assert found.hours == pytest.approx((1 + 0.05 + 0.01, 1 + 0.1 + 0.01, 1 + 0.2 + 0.01))
    assert found.limit == "path"
    assert found.path == ("seed-0/train", "seed-0/judge", "seed-0/score")
    assert found.money == pytest.approx((2.12, 2.22, 2.42))
    assert found.busy == pytest.approx(1 / 1.11)
    assert (found.measured, found.assumed) == (3, ())


def test_seeds_go_side_by_side_until_one_chain_is_the_limit() -> None:
    plan, loads = _seeds(4)
    one, two, four = (foresee(plan, loads, RATES, count) for count in (1, 2, 4))
    assert [one.hours.middle, two.hours.middle] == pytest.approx([4.0, 2.0])
    assert (one.limit, two.limit, four.limit) == ("devices", "devices", "path")
    assert four.hours.middle == pytest.approx(1.11)
    assert four.device_hours.middle == pytest.approx(4.44)
    assert one.hours.high == pytest.approx(4 + 4 * 0.2 + 4 * 0.01), "nothing overlaps at worst"


def test_what_devices_are_left_over_share_trainings_and_servers_are_the_next_limit() -> None:
    plan, loads = _seeds(4)
    found = foresee(plan, loads, RATES, 64)
    # A sixteenth of each training, then the calls; but four seeds' calls at one server take 0.4 hours.
    assert found.hours.middle == pytest.approx(0.4)
    assert found.limit == "server"
    assert found.hours.high > 1.2, "a training that does not divide still takes its hour"
    faster = foresee(plan, loads, RATES, 1, speed=10)
    assert faster.hours.middle == pytest.approx(4 / 10)
    assert faster.limit == "devices"


def test_a_rate_that_nobody_measured_is_assumed_and_said() -> None:
    plan, loads = _seeds(1)
    found = foresee(plan, loads, {STEP: RATES[STEP]}, 1)
    assert found.assumed == ("judge", "score")
    assert found.measured == 1
    seconds = 3600 + 100 * ASSUMED["call"].middle + ASSUMED["node"].middle
    assert found.hours.middle == pytest.approx(seconds / 3600)


@pytest.mark.parametrize(("devices", "speed"), [(0, 1.0), (1, 0.0), (1, float("inf"))])
def test_numbers_that_mean_nothing_are_refused(devices: int, speed: float) -> None:
    plan, loads = _seeds(1)
    with pytest.raises(ValueError, match="positive"):
        foresee(plan, loads, RATES, devices, speed=speed)


def test_rates_are_medians_between_quantiles() -> None:
    samples = [Sample("train", "step", float(seconds)) for seconds in range(101)]
    found = rates_of([*samples, Sample("judge", "call", 4.0)])
    assert found[STEP] == Rate(10.0, 50.0, 90.0, 101)
    assert found[CALL] == Rate(2.0, 4.0, 8.0, 1), "one node says little"


def _in_order(found: Sequence[Foreseen]) -> bool:
    return all(
        0 <= one.hours.low <= one.hours.middle * (1 + 1e-9) <= one.hours.high * (1 + 1e-6)
        for one in found
    )


@given(
    some.integers(1, 5), some.integers(1, 40), some.booleans(), some.sampled_from([0.1, 1.0, 30.0])
)
def test_ranges_are_in_order_and_more_devices_take_no_longer(
    seeds: int, devices: int, here: bool, speed: float
) -> None:
    plan, loads = _seeds(seeds, places=("device", "device" if here else "server"))
    fewer, more = (
        foresee(plan, loads, RATES, count, speed=speed) for count in (devices, 2 * devices)
    )
    assert _in_order([fewer, more])
    assert more.hours.middle <= fewer.hours.middle * (1 + 1e-9)
