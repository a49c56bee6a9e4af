"""The kinds of work a node does, one file each; a stage sees rows and replies, never the store or the plan.

A new stage is one file (parameters, inputs, a function, one `Stage` value) and one line in `STAGES`. What it returns is
a type in `outputs`; its parameters are made from the recipe in `engine.plan.stage_params`. A stage that would give
other rows for the same inputs raises its `version`.
"""

from typing import Any

from engine.registry import Registry
from engine.stages.analyse.cluster import CLUSTER
from engine.stages.analyse.confirm import CONFIRM
from engine.stages.analyse.diagnose import DIAGNOSE
from engine.stages.analyse.draw import DRAW
from engine.stages.analyse.name import NAME
from engine.stages.analyse.strategy import STRATEGY
from engine.stages.augment.allot import ALLOT
from engine.stages.augment.gate import GATE
from engine.stages.augment.generate import GENERATE
from engine.stages.augment.judging.judge import JUDGE
from engine.stages.augment.judging.pass_rate import PASS_RATE
from engine.stages.augment.mining.ask import ASK_POOL
from engine.stages.augment.mining.mine import MINE, MINE_BY_JUDGE, MINE_BY_TEACHER
from engine.stages.augment.mining.shortlist import SHORTLIST
from engine.stages.augment.select import SELECT
from engine.stages.augment.verify import VERIFY
from engine.stages.evaluate.benchmark import BENCHMARK
from engine.stages.evaluate.predict import PREDICT
from engine.stages.evaluate.rate import RATE
from engine.stages.evaluate.score import SCORE
from engine.stages.evaluate.slice import SLICE
from engine.stages.given import GIVEN
from engine.stages.load import LOAD
from engine.stages.logged import LOGGED
from engine.stages.preference.pair import PAIR
from engine.stages.preference.prefer import PREFER
from engine.stages.protocol import Stage
from engine.stages.reviewing.mend import MEND
from engine.stages.rounds.decide import DECIDE
from engine.stages.rounds.guard import GUARD
from engine.stages.rounds.track import TRACK
from engine.stages.train import TRAIN

AnyStage = Stage[Any, Any, Any]

STAGES: Registry[AnyStage] = Registry(
    "stage",
    [
        LOAD, MEND, LOGGED, PREDICT, RATE, SCORE, SLICE, BENCHMARK, GIVEN, TRAIN, PAIR, PREFER, DECIDE, DRAW, DIAGNOSE,
        CLUSTER, NAME, CONFIRM, STRATEGY, ALLOT, SHORTLIST, ASK_POOL, MINE, MINE_BY_TEACHER, MINE_BY_JUDGE, GENERATE,
        GATE, VERIFY, PASS_RATE, JUDGE, SELECT, TRACK, GUARD,
    ],
)  # fmt: skip

__all__ = ["STAGES", "AnyStage", "Stage"]
