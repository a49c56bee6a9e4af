"""Hours of a recipe from one GPU to 1,000, by the arithmetic of `pada plan`: reckoned from rates, nothing is run.

    python -m tests.benchmarks.scaling quickstart --state .pada --seeds 1,16,64 --gpu-speed 20

Rates are those of the finished steps of `--state`, assumed where it shows none; `--gpu-speed` is how many times as fast
a GPU is as what they ran on, which is the user's to know. The plan is compiled as for a run, with nothing finished.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.project import Project
from engine.report.foreseen.forecast import Devices, forecasts, told

GPUS = (1, 4, 16, 64, 256, 1000)


def main() -> None:
    """Reckon and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--state", type=Path, required=True, help="a state folder with a store")
    parser.add_argument("--seeds", default="1,16,64", help="how many loops side by side, each")
    parser.add_argument("--gpu-speed", type=float, default=1.0)
    asked = parser.parse_args()
    for count in map(int, asked.seeds.split(",")):
        settings = {"seeds": list(range(count))}
        project = Project.open(asked.recipe, asked.state / "nothing", settings=settings)
        planned = project.plan()
        found = forecasts(
            planned.plan,
            planned.resources,
            list(planned.plan.nodes),
            {name: one.estimate for name, one in planned.expected.nodes.items()},
            sum(project.examined.splits.counts.values()),
            asked.state,
            Devices(GPUS, speed=asked.gpu_speed),
        )
        print(f"{count} seeds, {len(planned.plan.nodes):,} steps")
        print("\n".join(told(found)))


if __name__ == "__main__":
    main()
