"""From a recipe to the parameters of each stage: one function per stage, nothing of the graph."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.metrics import METRICS
from engine.operators import Operator
from engine.plan.benchmark import place_of
from engine.plan.building.checking import (
    gate_params,
    may_be_many,
    pass_rate_params,
    verify_params,
)
from engine.plan.building.promises import promises
from engine.plan.building.quotas import used_quotas
from engine.plan.categories import by_sql, offered, with_parts
from engine.plan.resources import Resources
from engine.plan.split_sources import split_source
from engine.plan.tasks import briefing, shots, task_view
from engine.rows import SPLITS, Split
from engine.spec.method import Method
from engine.spec.recipe import Benchmark, Recipe, Taxonomy
from engine.spec.taxonomies import OTHER
from engine.sql.expressions import quoted
from engine.stages import schemas
from engine.stages.analyse.cluster import ClusterParams, UsedClusterer
from engine.stages.analyse.clusterers import CLUSTERERS
from engine.stages.analyse.confirm import ConfirmParams
from engine.stages.analyse.diagnose import DiagnoseParams
from engine.stages.analyse.draw import DrawParams
from engine.stages.analyse.name import PROMPT as NAME_PROMPT
from engine.stages.analyse.name import NameParams
from engine.stages.analyse.strategy import PROMPT as STRATEGY_PROMPT
from engine.stages.analyse.strategy import ROWS, OfferedOperator, StrategyParams
from engine.stages.augment.allot import AllotParams, NamedShare
from engine.stages.augment.calls import UsedOperator
from engine.stages.augment.gate import GateParams
from engine.stages.augment.generate import GenerateParams
from engine.stages.augment.judging.judge import JudgeParams
from engine.stages.augment.judging.pass_rate import PassRateParams
from engine.stages.augment.verify import VerifyParams
from engine.stages.blocks import Briefing
from engine.stages.evaluate.benchmark import BenchmarkParams, ServedStudent
from engine.stages.evaluate.measure import Cut, SqlMetric, UsedMetric
from engine.stages.evaluate.predict import PredictParams
from engine.stages.evaluate.rate import RatedMetric, RateParams
from engine.stages.evaluate.score import ScoreParams
from engine.stages.evaluate.slice import SliceParams
from engine.stages.given import GivenParams
from engine.stages.load import LoadParams
from engine.stages.logged import LoggedParams
from engine.stages.reviewing.mend import MendParams
from engine.stages.rounds.decide import DecideParams
from engine.stages.task_view import Shots, TaskView
from engine.stages.train import TrainParams, before_preferences, without_generated

CONTROL_SEED = 1_000_003
"""What is added to the loop's seed to train its control."""
STRATEGY_LABELS = 4
"""Most labels that the rows of one pattern may carry."""


@dataclass(frozen=True)
class StageParams:
    """The parameters of every stage of one recipe."""

    recipe: Recipe
    resources: Resources
    task_prompt: str
    limit: int | None
    """At most this many rows of each split."""

    @property
    def method(self) -> Method:
        """How the loop runs."""
        return self.resources.method

    @property
    def task(self) -> TaskView:
        """The task as stages see it; its description where the student's prompts show it: else it trains none anew."""
        view = task_view(self.recipe.task)
        names = {self.task_prompt, self.recipe.train.prompt or self.task_prompt}
        prompts = [p for name, p in self.resources.prompts.items() if name in names]
        shown = any("description" in prompt.variables for prompt in prompts)
        return view if shown else replace(view, description="")

    @property
    def briefing(self) -> Briefing:
        """What the teacher and the judge are told of the task."""
        return briefing(self.recipe.task)

    def shots(self, *, training: bool = False) -> Shots | None:
        """Return the rows that are shown before each row."""
        return shots(self.recipe.task, training=training)

    def load(self) -> LoadParams:
        """Return what decides the rows of the three splits."""
        recipe, data = self.recipe, self.resources.data
        return LoadParams(
            task=self.task,
            input=tuple(recipe.task.input),
            sources={
                split: split_source(recipe.data.of(split), data.get(split)) for split in SPLITS
            },
            splits=self.resources.splits,
            limit=self.limit,
            redact=tuple(recipe.privacy.redact),
            on_bad_row=recipe.data.on_bad_row,
            fold_labels=tuple(recipe.task.fold_labels),
        )

    def mend(self) -> MendParams | None:
        """Return how people mended training rows; None where they did not."""
        reviews = self.resources.reviews.training()
        if not reviews:
            return None
        return MendParams(task=self.task, guard=self.recipe.quality.leak_guard, reviews=reviews)

    @property
    def sources(self) -> tuple[Split, ...]:
        """Where failures are looked for: as the recipe says, or else its method; nowhere without an analysis."""
        if self.method.failures == "none":
            return ()
        return self.recipe.failures.sources or (self.method.failures,)

    def logged(self) -> LoggedParams | None:
        """Return which rows of the recipe's log are used; None where none are."""
        log, splits = self.recipe.failures.log, self.resources.splits
        if log is None or "logged" not in self.sources or splits.log is None:
            return None
        target, used, own, _ = self._measured()
        return LoggedParams(
            target=target,
            metrics=used,
            sql_metrics=own,
            task=self.task,
            input=tuple(self.recipe.task.input),
            source=split_source(log, splits.log.digest()),
            log=splits.log,
            failure=self.recipe.failure,
            guard=self.recipe.quality.leak_guard,
            alone=self.sources == ("logged",),
            redact=tuple(self.recipe.privacy.redact),
            on_bad_row=self.recipe.data.on_bad_row,
            fold_labels=tuple(self.recipe.task.fold_labels),
        )

    def train(self, number: int) -> TrainParams:
        """Return what the student is taught in a round, before its preferences; round 0 knows no generated rows."""
        settings = self.recipe.train
        settings = before_preferences(settings) if number else without_generated(settings)
        return TrainParams(
            task=self.task,
            prompt=settings.prompt or self.task_prompt,
            shots=self.shots(training=True),
            train=settings,
            divide=self.recipe.loop.divide_validation if settings.checkpoint == "best" else None,
        )

    def given(self) -> GivenParams | None:
        """Return the student that exists already; None where round 0 is a fine-tune."""
        adapter = self.resources.adapter
        return (
            None if adapter is None else GivenParams(digest=adapter.digest, folder=adapter.folder)
        )

    def control(self, seed: int) -> TrainParams:
        """Return what the control is taught: the original rows alone, with another training seed."""
        return replace(self.train(0), seed=CONTROL_SEED + seed)

    def predict(self, *, logged: bool = False) -> PredictParams:
        """Return what the student is asked; `logged`: about rows of a log too."""
        measured = (m.name for m in self.recipe.measured if not m.own)
        return PredictParams(
            task=self.task,
            prompt=self.task_prompt,
            shots=self.shots(),
            reference=any(name in METRICS and METRICS[name].reference for name in measured),
            logged=logged,
        )

    def rate(self) -> RateParams | None:
        """Return what the judge rates; None where no metric has a rubric."""
        rated = tuple(
            RatedMetric(
                name=m.name, rubric=m.judge.rubric, low=m.judge.scale[0], high=m.judge.scale[1]
            )
            for m in self.recipe.measured
            if m.judge
        )
        if not rated:
            return None
        description = self.recipe.task.description
        return RateParams(
            metrics=rated, schema=self.resources.schemas["rating"], description=description
        )

    def score(self) -> ScoreParams:
        """Return what is measured, and what counts as a failure."""
        target, used, own, rated = self._measured()
        return ScoreParams(
            target=target,
            metrics=used,
            sql_metrics=own,
            judge_metrics=rated,
            failure=self.recipe.failure,
            divide=self.recipe.loop.divide_validation,
        )

    def slices(self) -> SliceParams | None:
        """Return the parts over which metrics are reported; None where there are none."""
        if not self.recipe.slices:
            return None
        target, used, own, rated = self._measured()
        cuts = tuple(
            Cut(name=s, sql=quoted(s)) if isinstance(s, str) else Cut(name=s.name, sql=s.sql)
            for s in self.recipe.slices
        )
        return SliceParams(
            target=target, metrics=used, sql_metrics=own, judge_metrics=rated, slices=cuts
        )

    def _measured(
        self,
    ) -> tuple[str, tuple[UsedMetric, ...], tuple[SqlMetric, ...], tuple[str, ...]]:
        measured = self.recipe.measured
        used = tuple(
            UsedMetric(
                name=m.name,
                version=METRICS[m.name].version,
                settings=METRICS[m.name].params.model_validate(m.params),
                of=self.task.kind if self.task.entry.mixed else "",
            )
            for m in measured
            if not m.own
        )
        own = tuple(SqlMetric(name=m.name, sql=m.sql) for m in measured if m.sql is not None)
        return self.recipe.task.target, used, own, tuple(m.name for m in measured if m.judge)

    def benchmark(self, spec: Benchmark) -> BenchmarkParams:
        """Return what is timed, and where."""
        student = self.resources.models["student"]
        server = place_of(spec, student)
        device, dtype = (str(student.settings.get(key, "auto")) for key in ("device", "dtype"))
        return BenchmarkParams(
            task=self.task,
            prompt=self.task_prompt,
            shots=self.shots(),
            requests=spec.requests,
            concurrency=tuple(spec.concurrency),
            max_tokens=spec.max_tokens,
            split=spec.split,
            server=spec.server,
            place=server or ServedStudent(model=student.identity, device=device, dtype=dtype),
        )

    def decide(self, last: int) -> DecideParams:
        """Return when the loop ends; `last` is the last round that may come."""
        stop = self.recipe.loop.stop
        return DecideParams(
            metric=stop.metric,
            min_gain=stop.min_gain,
            patience=stop.patience,
            # Only the next round counts: a longer loop must not re-run the rounds that are done.
            rounds=last,
            lower_is_better=stop.metric in METRICS and METRICS[stop.metric].lower_is_better,
            is_mean=stop.metric not in METRICS or METRICS[stop.metric].is_mean,
            divide=self.recipe.loop.divide_validation,
            elsewhere=not self.sources or any(source != "validation" for source in self.sources),
            regressions=self.recipe.loop.regressions,
        )

    def draw(self) -> DrawParams:
        """Return which failures are diagnosed, and which are held out."""
        patterns, divide = self.recipe.patterns, self.recipe.loop.divide_validation
        return DrawParams(
            limit=patterns.diagnose,
            hold_out=patterns.hold_out,
            divide=divide,
            sources=self.sources,
        )

    @property
    def knows_conventions(self) -> bool:
        """Whether diagnoses may state rules of annotation: with an analysis, and where their replies have a place."""
        one = schemas.one_diagnosis(self.resources.schemas["diagnosis"])
        return self.method.analysis == "patterns" and "convention" in one["properties"]

    def diagnose(self) -> DiagnoseParams:
        """Return how failures are shown to the teacher."""
        pack = self.resources.packs["teacher"].diagnose
        categories = tuple(c for c in offered(self._taxonomy) if c.id != OTHER)
        closed = self._taxonomy.sorting == "closed"
        return DiagnoseParams(
            task=self.task,
            briefing=self.briefing,
            per_call=pack.failures_per_call,
            passed=pack.passed,
            divide=self.recipe.loop.divide_validation,
            sources=self.sources,
            categories=categories,
            closed=closed,
            schema=schemas.diagnosis(
                self.resources.schemas["diagnosis"],
                [c.id for c in categories],
                other=None if closed else OTHER,
            ),
            # In the first round none is known yet.
            conventions=self.knows_conventions
            and self.method.rounds_of(self.recipe.loop.rounds) > 1,
        )

    @property
    def _taxonomy(self) -> Taxonomy:
        return self.recipe.patterns.taxonomy

    def cluster(self) -> ClusterParams:
        """Return how diagnoses are grouped."""
        patterns = self.recipe.patterns
        clusterer = CLUSTERERS[patterns.cluster.algorithm]
        return ClusterParams(
            target=self.recipe.task.target,
            clusterer=UsedClusterer(
                name=clusterer.name,
                version=clusterer.version,
                settings=clusterer.settings.model_validate(patterns.cluster.settings),
            ),
            categories=tuple(by_sql(self._taxonomy)),
        )

    def name(self) -> NameParams:
        """Return what the teacher names patterns by."""
        pack, categories = self.resources.packs["teacher"].name_pattern, offered(self._taxonomy)
        return NameParams(
            task=self.task,
            briefing=self.briefing,
            guard=self.recipe.quality.leak_guard,
            schema=schemas.pattern(self.resources.schemas["pattern"], [c.id for c in categories]),
            shown=pack.diagnoses,
            confusions=pack.confusions,
            categories=categories,
            where_categories=tuple(c.id for c in by_sql(self._taxonomy)),
            again="again" in self.resources.prompts[NAME_PROMPT].variables,
        )

    def confirm(self) -> ConfirmParams | None:
        """Return how patterns are tested; None where they are not."""
        patterns, pack = self.recipe.patterns, self.resources.packs["judge"].confirm
        rows = 0 if patterns.confirm == "off" else patterns.confirm
        rows = pack.rows if rows is None else rows
        if not rows:
            return None
        return ConfirmParams(
            task=self.task,
            briefing=self.briefing,
            rows=rows,
            rows_per_call=pack.rows_per_call,
            fund=tuple(sorted(set(patterns.fund))),
            divide=self.recipe.loop.divide_validation,
            schema=self.resources.schemas["membership"],
        )

    def strategy(self) -> StrategyParams:
        """Return how strategies are drafted."""
        own = self.resources
        # What a prompt does not show must not decide its replies.
        shown = own.prompts[STRATEGY_PROMPT].variables
        return StrategyParams(
            task=self.task,
            briefing=self.briefing,
            guard=self.recipe.quality.leak_guard,
            schema=schemas.strategy(own.schemas["strategy"], self.task.labelled, own.writers_told),
            operators=tuple(
                OfferedOperator(
                    name=used.name,
                    description=own.operators[used.name].description,
                    patterns=with_parts(self._taxonomy, used.patterns),
                )
                for used in self.recipe.augment.operators
                if "operators" in shown
            ),
            rows=ROWS if "rows" in shown else 0,
            again="again" in shown,
            confusions=own.packs["teacher"].name_pattern.confusions,
            labels=STRATEGY_LABELS,
            conventions=self.knows_conventions,
        )

    @property
    def attempts(self) -> int:
        """How often rows are generated in a round at most."""
        own = self.recipe.quality.attempts
        return self.resources.packs["teacher"].generate.attempts if own is None else own

    @property
    def coverage(self) -> float:
        """Share of a round's rows for what does not fail: none where no operator of the recipe writes such rows."""
        augment, operators = self.recipe.augment, self.resources.operators
        able = (not u.patterns and operators[u.name].covers for u in augment.operators)
        return augment.coverage if augment.mine or any(able) else 0.0

    def generate(self) -> GenerateParams:
        """Return what is generated."""
        augment, operators = self.recipe.augment, self.resources.operators
        pack_name = self.resources.packs["teacher"].name
        used_operators = tuple(
            UsedOperator.of(
                operators[used.name], used, pack_name, with_parts(self._taxonomy, used.patterns)
            )
            for used in augment.operators
        )
        pack = self.resources.packs["teacher"].generate
        return GenerateParams(
            task=self.task,
            briefing=self.briefing,
            guard=self.recipe.quality.leak_guard,
            operators=used_operators,
            rows_per_round=augment.rows_per_round,
            oversample=pack.oversample if augment.oversample is None else augment.oversample,
            coverage=self.coverage,
            rows_per_call=pack.rows_per_call,
            seeds_shown=pack.seeds,
            temperature=augment.temperature,
            errors_first=self.method.seeds == "errors_first",
            along=self.method.plans,
            each=self.method.each,
            quotas=used_quotas(augment),
            conventions=self.knows_conventions,
        )

    def allot(self) -> AllotParams:
        """Return how a round's rows are shared out among patterns."""
        shares = self.recipe.augment.shares
        return AllotParams(
            shares="named" if isinstance(shares, dict) else shares,
            named=tuple(NamedShare(name=name, share=share) for name, share in shares.items())
            if isinstance(shares, dict)
            else (),
            exclude=tuple(self.recipe.patterns.exclude),
        )

    def gate(self) -> GateParams:
        """Return which gates a candidate must pass."""
        return gate_params(self.recipe, self.resources, self.task)

    def verify(self) -> VerifyParams | None:
        """Return how candidates are answered blind; None where they are not."""
        return verify_params(
            self.recipe, self.resources, self.task, self.briefing, self.knows_conventions
        )

    def pass_rate(self) -> PassRateParams | None:
        """Return how often the student answers candidates; None where it is not asked."""
        return pass_rate_params(self.recipe, self.task, self.task_prompt, self.shots())

    def judge(self) -> JudgeParams:
        """Return what the judge is asked, and what a candidate must pass."""
        quality, pack = self.recipe.quality, self.resources.packs["judge"].judge
        verdict, limits = self.resources.schemas["verdict"], quality.pass_rate
        # A small judge says it in its verdict; of one that only advises it could change nothing.
        apart = (
            quality.judge == "decides"
            and quality.minimum.adherence > 1
            and "adherence" not in verdict["properties"]
        )
        return JudgeParams(
            task=self.task,
            briefing=self.briefing,
            operators=promises(self.recipe.augment, self.resources.operators),
            # Filled in by `complete`; what is left open nowhere decides.
            judge=quality.judge or "advises",
            rows_per_call=pack.rows_per_call,
            calibration=quality.calibration,
            minimum=quality.minimum,
            ambiguous=quality.ambiguous,
            agreement=quality.verify.agreement,
            pass_rate=None if limits is None else (limits.keep[0], limits.keep[1]),
            schema=verdict,
            adherence=self.resources.schemas["adherence"] if apart else None,
            conventions=self.knows_conventions,
            people=self.resources.reviews.judged(quality.calibration.balanced_accuracy)
            if quality.judge == "decides"
            else None,
            many=may_be_many(self.recipe, self.resources),
        )

    @property
    def operators(self) -> list[Operator]:
        """The recipe's operators, in its order."""
        return [self.resources.operators[used.name] for used in self.recipe.augment.operators]
