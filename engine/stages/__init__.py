"""The kinds of work a node does, one file each; a new stage is one file and one line in `STAGES`."""

from engine.registry import Registry
from engine.stages.benchmark import BENCHMARK
from engine.stages.cluster import CLUSTER
from engine.stages.decide import DECIDE
from engine.stages.diagnose import DIAGNOSE
from engine.stages.generate import GENERATE
from engine.stages.judge import JUDGE
from engine.stages.load import LOAD
from engine.stages.name import NAME
from engine.stages.predict import PREDICT
from engine.stages.protocol import Stage
from engine.stages.rate import RATE
from engine.stages.score import SCORE
from engine.stages.select import SELECT
from engine.stages.slice import SLICE
from engine.stages.strategy import STRATEGY
from engine.stages.track import TRACK
from engine.stages.train import TRAIN

STAGES: Registry[Stage] = Registry(
    "stage",
    [
        LOAD, PREDICT, RATE, SCORE, SLICE, BENCHMARK, TRAIN, DECIDE, DIAGNOSE, CLUSTER, NAME, STRATEGY,
        GENERATE, JUDGE, SELECT, TRACK,
    ],
)  # fmt: skip

_OPERATOR = frozenset({"description", "pattern", "strategy", "feedback", "row", "target", "count"})
PROMPT_VARIABLES: dict[str, frozenset[str]] = {
    "task": frozenset({"row", "labels", "description"}),
    "diagnose.md": frozenset({"description", "row", "answer", "target", "labels"}),
    "name_pattern.md": frozenset({"description", "diagnoses", "confusions", "categories"}),
    "draft_strategy.md": frozenset({"description", "pattern", "about", "confusions"}),
    "judge.md": frozenset({"description", "row", "target", "strategy"}),
    "rate.md": frozenset({"description", "rubric", "low", "high", "row", "target", "answer"}),
    "operators/paraphrase.md": _OPERATOR | {"keep"},
    "operators/counterfactual.md": _OPERATOR | {"label", "examples"},
    "operators/similar.md": (_OPERATOR - {"row", "target"}) | {"examples"},
}
"""The variables that each prompt may use; `task` stands for the student's prompt, whatever its name."""

__all__ = ["PROMPT_VARIABLES", "STAGES", "Stage"]
