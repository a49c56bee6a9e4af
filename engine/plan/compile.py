"""compile: a recipe and its resources to a plan. Pure: the same recipe and resources give the same plan.

The loop that the recipe's method describes is unrolled: round 0 is the plain fine-tune (or the student as it is, where
it exists already), round r augments for the
fine-tune of round r+1, nothing is augmented after the last. Whether a round is really run is decided while running, by
`decide` and `select`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from engine.plan.building.builder import Builder, Position
from engine.plan.building.mining import MiningParams
from engine.plan.building.preferences import pair_params, prefer_params
from engine.plan.graph import Node, Plan, Return
from engine.plan.resources import Resources
from engine.plan.stage_params import StageParams
from engine.rows import CONTROL, UNTUNED
from engine.spec.recipe import Benchmark, Recipe
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
from engine.stages.augment.mining.mine import MINE, MINERS
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
from engine.stages.reviewing.mend import MEND
from engine.stages.rounds.decide import DECIDE
from engine.stages.rounds.guard import GUARD
from engine.stages.rounds.track import TRACK, TrackParams
from engine.stages.train import TRAIN
from engine.stages.wiring import Wire


def compile_plan(
    recipe: Recipe, resources: Resources, task_prompt: str, limit: int | None = None
) -> Plan:
    """Return the plan; `limit` keeps at most that many rows of each split."""
    params = StageParams(recipe, resources, task_prompt, limit)
    return Plan(_Loop(params, Builder(resources, recipe.seeds[0])).nodes())


class _Loop:
    """Unrolls the loop of every seed."""

    def __init__(self, params: StageParams, build: Builder) -> None:
        self._params, self._build = params, build
        self._mining = MiningParams(params)
        self._recipe, self._method = params.recipe, params.method
        self._rounds = self._method.rounds_of(self._recipe.loop.rounds)
        self._attempts: dict[int, list[dict[str, str]]] = {seed: [] for seed in params.recipe.seeds}
        """The attempts of all rounds so far, by seed."""
        self._judged: dict[tuple[int, int], dict[int, dict[str, str]]] = {}
        """The attempts of a round, by seed and round."""
        self._verified: defaultdict[tuple[int, int], dict[int, str]] = defaultdict(dict)
        """Their blind answers, where there are any."""
        # A student that is not trained has no round of its own: its failures before training are analysed.
        self._trained = self._recipe.train.method != "none"
        self._prefers = self._recipe.train.objective == "dpo"
        self._analyses = self._method.analysis == "patterns"
        self._given: dict[str, Wire] = {}
        """The student that exists already, for what it is trained into; empty without one."""
        exists = params.given() is not None
        self._first = 0 if self._trained or exists else UNTUNED
        self._rows = "load"
        """The node of the rows of the data."""
        self._logged: dict[str, Wire] = {}
        """The recipe's log, for stages that look at failures; empty without one."""

    def nodes(self) -> list[Node]:
        """Return all nodes, in an order in which they can run."""
        self._build.add("load", LOAD, self._params.load(), {})
        if (log := self._params.logged()) is not None:
            self._logged = {"logged": self._build.add("logged", LOGGED, log, {"load": self._rows})}
        # What rests on no training row stays as it is: the log, and the untuned student where another is analysed.
        if self._first == UNTUNED:
            self._mend()
        self._evaluate("untuned", None, Position())
        benchmark = self._recipe.benchmark
        if benchmark is not None:
            self._benchmark(benchmark)
        if (student := self._params.given()) is not None:
            name = self._build.add("given", GIVEN, student, {}, Position(round=0))
            self._given = {"given": name}
        if self._first != UNTUNED:
            self._mend()
        for seed in self._recipe.seeds:
            self._unroll(seed)
        return list(self._build.nodes.values())

    def _mend(self) -> None:
        """Add what people changed of the training rows, for all nodes that come after."""
        if (mending := self._params.mend()) is not None:
            self._rows = self._build.add("mend", MEND, mending, {"load": self._rows})

    def _unroll(self, seed: int) -> None:
        """Add all rounds of one seed."""
        benchmark = self._recipe.benchmark
        last = self._rounds if self._trained else self._first
        for number in range(self._first, last + 1):
            more = max(number, 0) < self._rounds
            if number == 0 and self._given:
                self._evaluate(_at(seed, 0), "given", Position(seed, 0))
            elif self._trained:
                self._fine_tune(seed, number)
            self._decide(seed, number, self._first, more)
            if more:
                analysed = self._analyse(seed, number) if self._analyses else {}
                self._augment(seed, number, analysed)
            if more and number == 0 and self._trained and self._recipe.loop.control:
                self._control(seed)
            if number >= 0 and benchmark is not None and benchmark.endpoint is None:
                self._benchmark(benchmark, seed, number, more)

    def _control(self, seed: int) -> None:
        """Add what the later rounds are held against: a fine-tune on the original rows with another training seed.

        As many steps as in every round, so one serves all rounds; nobody needs it if none follows.
        """
        prefix, params, build = f"seed-{seed}/control", self._params.control(seed), self._build
        going_on = tuple(f"{_at(seed, 0)}/{stage}" for stage in ("decide", "select"))
        position = Position(seed, CONTROL, only_if_continuing=going_on)
        wires: dict[str, Wire] = {"load": self._rows, **self._given}
        train = build.add(f"{prefix}/train", TRAIN, params, wires, position, (params.prompt,))
        self._evaluate(prefix, train, Position(seed, CONTROL))

    def _evaluate(self, prefix: str, train: str | None, position: Position) -> None:
        """Add the student's predictions and their scores."""
        params, build = self._params, self._build
        # What a log shows is mended or not from round 0 on: the untuned student is not asked.
        log = self._logged if train else {}
        student: dict[str, Wire] = {
            "load": self._rows,
            **({"train": train} if train else {}),
            **log,
        }
        predict = build.add(
            f"{prefix}/predict", PREDICT, params.predict(logged=bool(log)), student, position,
            prompts=(params.task_prompt,),
        )  # fmt: skip
        answers: dict[str, Wire] = {"load": self._rows, "predict": predict}
        scored = {**answers, **log}
        if (rated := params.rate()) is not None:
            scored["rate"] = build.add(f"{prefix}/rate", RATE, rated, answers, position)
        score = build.add(f"{prefix}/score", SCORE, params.score(), scored, position)
        if (cuts := params.slices()) is not None:
            # Apart from the scoring: what is only reported must not make what follows from the scores pending.
            build.add(f"{prefix}/slice", SLICE, cuts, {**answers, "score": score}, position)

    def _benchmark(
        self, spec: Benchmark, seed: int | None = None, number: int = UNTUNED, more: bool = False
    ) -> None:
        """Add the benchmark of the untuned student, or of one round's: it is run if the loop ends there."""
        at = "untuned" if seed is None else _at(seed, number)
        wires: dict[str, Wire] = {"load": self._rows}
        final: tuple[str, ...] = ()
        if seed is not None:
            if trained := self._student(seed, number):
                wires["train"] = trained
            final = (f"{at}/decide", *([f"{at}/select"] if more else []))
        name = at if spec.endpoint is None else "endpoint"
        self._build.add(
            f"{name}/benchmark", BENCHMARK, self._params.benchmark(spec), wires,
            Position(seed, number, only_if_final=final), prompts=(self._params.task_prompt,),
        )  # fmt: skip

    def _fine_tune(self, seed: int, number: int) -> None:
        """Add a round's fine-tune, its evaluation, and how earlier patterns stand after it."""
        at, build, params = _at(seed, number), self._build, self._params.train(number)
        conditions = (f"{_at(seed, number - 1)}/select",) if number else ()
        kept = range(number) if self._method.keep == "all" else range(max(0, number - 1), number)
        wires: dict[str, Wire] = {
            "load": self._rows, "earlier": _each(seed, kept, "select"), **self._given,
        }  # fmt: skip
        before: dict[str, Wire] = {}
        if self._rolls_back and number > 1:
            before["decided"] = {r: {"decide": f"{_at(seed, r)}/decide"} for r in range(1, number)}
        if self._method.keep == "all":
            wires.update(before)
        position = Position(seed, number, only_if_continuing=conditions)
        train = build.add(f"{at}/train", TRAIN, params, wires, position, prompts=(params.prompt,))
        if number and self._prefers:
            train = self._prefer(seed, number, {**wires, "train": train}, position)
        self._evaluate(at, train, Position(seed, number))
        if number and self._analyses:
            wires = {
                "load": self._rows,
                "score": f"{at}/score",
                "clusters": _each(seed, range(number), "name"),
                "drawn": _each(seed, range(number), "draw"),
                "earlier": _each(seed, range(1, number), "track"),
                "linked": _each(seed, range(number), "cluster"),
                **({"control": f"seed-{seed}/control/score"} if self._recipe.loop.control else {}),
                **self._logged,
                **before,
            }
            if "validation" not in self._params.sources:
                wires["found"] = _each(seed, range(number), "score")
            build.add(
                f"{at}/track", TRACK, TrackParams(task=params.task), wires, Position(seed, number)
            )
        if number:
            self._guard(seed, number)

    def _prefer(self, seed: int, number: int, wires: Mapping[str, Wire], position: Position) -> str:
        """Add what tunes a round's student by pairs of answers; return the last node.

        `wires`: what its supervised part reads, and that part.
        """
        at, build, before = _at(seed, number), self._build, _at(seed, number - 1)
        finding, tuning = pair_params(self._params, number), prefer_params(self._params, number)
        found: dict[str, Wire] = {
            **wires,
            "predict": f"{before}/predict",
            "attempts": self._judged[seed, number - 1],
            "verified": {a: {"verify": n} for a, n in self._verified[seed, number - 1].items()},
        }
        if student := self._student(seed, number - 1):
            found["before"] = student
        if number > 1:
            found["taken"] = f"{before}/pair"
        asking = (finding.prompt, finding.answering.prompt)
        pair = build.add(f"{at}/pair", PAIR, finding, found, position, tuple(dict.fromkeys(asking)))
        return build.add(
            f"{at}/prefer", PREFER, tuning, {**wires, "pair": pair}, position, (tuning.prompt,)
        )

    def _guard(self, seed: int, number: int) -> None:
        """Add what says what a round's fine-tune broke."""
        at = _at(seed, number)
        wires: dict[str, Wire] = {
            "load": self._rows, "score": f"{at}/score", "first": f"{_at(seed, 0)}/score",
        }  # fmt: skip
        if self._recipe.loop.control:
            wires["control"] = f"seed-{seed}/control/score"
        if self._analyses:
            wires["track"] = f"{at}/track"
            wires["names"] = _each(seed, range(number), "name")
        self._build.add(f"{at}/guard", GUARD, GUARD.params(), wires, Position(seed, number))

    def _decide(self, seed: int, number: int, first: int, more: bool) -> None:
        evaluated = {r: {"score": f"{_evaluated(seed, r)}/score"} for r in range(first, number + 1)}
        self._build.add(
            f"{_at(seed, number)}/decide", DECIDE, self._params.decide(number + more),
            {
                "load": self._rows,
                "evaluated": evaluated,
                "guarded": {r: {"guard": f"{_at(seed, r)}/guard"} for r in range(1, number + 1)},
            },
            Position(seed, number),
        )  # fmt: skip

    def _analyse(self, seed: int, number: int) -> dict[str, Wire]:
        """Add what makes strategies of a round's failures; return what rows are planned by."""
        at, build, params = _at(seed, number), self._build, self._params
        position = self._after_deciding(seed, number)
        evaluated = _evaluated(seed, number)
        seen: dict[str, Wire] = {"load": self._rows, "score": f"{evaluated}/score", **self._logged}
        answered: dict[str, Wire] = {**seen, "predict": f"{evaluated}/predict"}
        draw = build.add(
            f"{at}/draw", DRAW, params.draw(),
            {**seen, "earlier": _each(seed, range(number), "draw")}, position,
        )  # fmt: skip
        earlier = _each(seed, range(number), "name")
        diagnose = build.add(
            f"{at}/diagnose",
            DIAGNOSE,
            params.diagnose(),
            {**answered, "draw": draw, "earlier": earlier},
            position,
        )
        cluster = build.add(
            f"{at}/cluster", CLUSTER, params.cluster(),
            {
                **answered,
                "diagnose": diagnose,
                "earlier": earlier,
                **({"draw": draw} if params.sources != ("validation",) else {}),
                "clusters": _each(seed, range(number), "name"),
                "linked": _each(seed, range(number), "cluster"),
            },
            position,
        )  # fmt: skip
        name = build.add(
            f"{at}/name", NAME, params.name(),
            {**seen, "diagnose": diagnose, "cluster": cluster, "earlier": earlier,
             "diagnosed": _each(seed, range(number), "diagnose")},
            position,
        )  # fmt: skip
        # Naming may split a cluster: what patterns are made of comes from there.
        found: dict[str, Wire] = {"cluster": name, "name": name}
        if (testing := params.confirm()) is not None:
            found["confirm"] = build.add(
                f"{at}/confirm", CONFIRM, testing,
                {
                    "load": self._rows, "score": f"{evaluated}/score", "draw": draw, "name": name,
                    "drawn": _each(seed, range(number), "draw"),
                    "earlier": _each(seed, range(number), "confirm"),
                },
                position,
            )  # fmt: skip
        wires: dict[str, Wire] = {
            **seen,
            **found,
            "diagnose": diagnose,
            "earlier": _each(seed, range(number), "strategy"),
            "attempts": dict(enumerate(self._attempts[seed])),
        }
        strategy = build.add(f"{at}/strategy", STRATEGY, params.strategy(), wires, position)
        wires = {
            "name": name,
            "earlier": earlier,
            "attempts": dict(enumerate(self._attempts[seed])),
            **({"track": f"{at}/track"} if number > 0 else {}),
            **({"latest": f"{at}/track"} if number > 0 and self._rolls_back else {}),
            **({"confirm": found["confirm"]} if "confirm" in found else {}),
        }
        # After the strategies: an ablation reuses all that was asked of the teacher before.
        allot = build.add(f"{at}/allot", ALLOT, params.allot(), wires, position)
        return {**found, "strategy": strategy, "allot": allot}

    def _augment(self, seed: int, number: int, analysed: Mapping[str, Wire]) -> None:
        """Add what makes training rows, of a round's strategies where failures are analysed."""
        at, build, params = _at(seed, number), self._build, self._params
        generating = params.generate()
        prompts = tuple(used.prompt.name for used in generating.asking if used.prompt)
        if not self._mining.plans_by_patterns:
            analysed = {}
        earlier = _each(seed, range(number), "select")
        evaluated = _evaluated(seed, number)
        planned: dict[str, Wire] = {
            "load": self._rows,
            "score": f"{evaluated}/score",
            **self._logged,
            **analysed,
        }
        written = {**planned, "predict": f"{evaluated}/predict"}
        drafted = {edge: analysed[edge] for edge in ("name", "strategy") if edge in analysed}
        attempts: dict[int, dict[str, str]] = {}
        if self._recipe.augment.mine is not None:
            position = self._after_deciding(seed, number)
            mined = self._mine(seed, number, written, position)
            verified = self._recipe.augment.mine.label != "judge"
            attempts[0] = {"generate": mined}
            attempts[0]["judge"] = self._judge(
                seed, number, attempts, drafted, position, verified=verified
            )
        for attempt in range(1, (params.attempts if generating.operators else 0) + 1):
            position = self._after_deciding(seed, number, attempt)
            generate = build.add(
                f"{at}/generate-{attempt}", GENERATE, generating,
                {**written, "attempts": dict(attempts)}, position, prompts,
            )  # fmt: skip
            attempts[attempt] = {"generate": generate}
            attempts[attempt]["judge"] = self._judge(seed, number, attempts, drafted, position)
        self._attempts[seed].extend(attempts.values())
        self._judged[seed, number] = attempts
        build.add(
            f"{at}/select", SELECT, self._mining.select(seed, number),
            {**planned, "attempts": attempts, "earlier": earlier},
            self._after_deciding(seed, number),
        )  # fmt: skip

    def _mine(self, seed: int, number: int, written: Mapping[str, Wire], position: Position) -> str:
        """Add what takes rows from the pool; return its last node."""
        at, build, params = _at(seed, number), self._build, self._mining
        looked = params.shortlist()
        wires: dict[str, Wire] = {
            "load": self._rows, "earlier": _each(seed, range(number), "select"),
        }  # fmt: skip
        if looked.patterns:
            edges = ("name", "confirm", "logged")
            wires.update({edge: written[edge] for edge in edges if edge in written})
        found: dict[str, Wire] = {
            **written,
            "shortlist": build.add(f"{at}/shortlist", SHORTLIST, looked, wires, position),
        }
        asking, mining = params.ask_pool(), params.mine()
        if asking is not None:
            student: dict[str, Wire] = {"load": self._rows, "shortlist": f"{at}/shortlist"}
            if trained := self._student(seed, number):
                student["train"] = trained
            found["answers"] = build.add(
                f"{at}/ask_pool", ASK_POOL, asking, student, position, (asking.prompt,)
            )
        return build.add(f"{at}/mine", MINERS.get(mining.label, MINE), mining, found, position)

    def _student(self, seed: int, number: int) -> str | None:
        """Return the node of a round's student; None where it is the untuned one."""
        if number == 0 and self._given:
            return "given"
        if not self._trained:
            return None
        return f"{_at(seed, number)}/{'prefer' if number > 0 and self._prefers else 'train'}"

    @property
    def _rolls_back(self) -> bool:
        return self._recipe.loop.regressions == "roll_back"

    def _after_deciding(self, seed: int, number: int, attempt: int = 0) -> Position:
        """Return the position of what prepares the next round: from this round's student, or the best before it."""
        decided, returns = f"{_at(seed, number)}/decide", None
        if self._rolls_back and number > 0:
            before = range(number)
            edges = {
                "train": {r: name for r in before if (name := self._student(seed, r))},
                "score": {r: f"{_at(seed, r)}/score" for r in before},
                "predict": {r: f"{_at(seed, r)}/predict" for r in before},
                "track": {r: f"{_at(seed, r)}/track" for r in before[1:] if self._analyses},
            }
            returns = Return(decided, edges)
        return Position(seed, number, attempt, only_if_continuing=(decided,), returns=returns)

    def _judge(
        self,
        seed: int,
        number: int,
        attempts: Mapping[int, Mapping[str, str]],
        drafted: Mapping[str, Wire],
        position: Position,
        *,
        verified: bool = True,
    ) -> str:
        """Add what decides on the candidates of one attempt: gates, blind answers, the judge; return its last node.

        The attempt that is decided on is the last, and has no judge yet; `verified`: whether blind answers are wanted.
        """
        at, build, params = _at(seed, number), self._build, self._params
        attempt = position.attempt
        before = {n: nodes for n, nodes in attempts.items() if n != attempt}
        written: dict[str, Wire] = {"load": self._rows, "generate": attempts[attempt]["generate"]}
        gate = build.add(
            f"{at}/gate-{attempt}", GATE, params.gate(),
            {**written, "attempts": before, "earlier": _each(seed, range(number), "select")}, position,
        )  # fmt: skip
        judged: dict[str, Wire] = {
            **written,
            **drafted,
            "gate": gate,
            "attempts": before,
        }
        if verified and (verifying := params.verify()) is not None:
            judged["verify"] = self._verified[seed, number][attempt] = build.add(
                f"{at}/verify-{attempt}", VERIFY, verifying,
                {**written, **{e: n for e, n in drafted.items() if e == "name"}, "gate": gate}, position,
            )  # fmt: skip
        if (solving := params.pass_rate()) is not None:
            student: dict[str, Wire] = {**written, "gate": gate}
            if trained := self._student(seed, number):
                student["train"] = trained
            judged["solved"] = build.add(
                f"{at}/pass_rate-{attempt}",
                PASS_RATE,
                solving,
                student,
                position,
                (solving.prompt,),
            )
        if number > self._first:
            first = 1 if self._recipe.augment.mine is None else 0
            judged["first"] = f"{_at(seed, self._first)}/judge-{first}"
        return build.add(f"{at}/judge-{attempt}", JUDGE, params.judge(), judged, position)


def _at(seed: int, number: int) -> str:
    return f"seed-{seed}/untuned" if number == UNTUNED else f"seed-{seed}/round-{number}"


def _evaluated(seed: int, number: int) -> str:
    """Return the prefix of a round's evaluation: that of the untuned student is the same for all seeds."""
    return "untuned" if number == UNTUNED else _at(seed, number)


def _each(seed: int, rounds: range, stage: str) -> dict[int, str]:
    """Return the nodes of one stage in some rounds, by round."""
    return {number: f"{_at(seed, number)}/{stage}" for number in rounds}
