"""A recipe and its state folder as one object: the way into the engine for notebooks, programs and the command line.

Checks, plans, runs and reports; prints nothing. What a run tells goes to a reporter or a callback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from engine import gate
from engine.adoption import LEAST, Adopted, adopt, proposals, run_of
from engine.data.profile import DataProfile, profile
from engine.data.records import check_limit
from engine.errors import EngineError, Problem, RecipeError
from engine.export import DataExport, Form, ModelExport, Wanted, Which, export_data, export_model
from engine.fingerprint import short
from engine.gate import KeyUse
from engine.operators import find_operators
from engine.plan.building.reviews import NONE, Reviews, judge_mark
from engine.plan.compile import compile_plan
from engine.plan.defaults import complete
from engine.plan.explain import NodeState, states
from engine.plan.flow import key_uses, require_consent, uses_of
from engine.plan.graph import Plan
from engine.plan.resources import Resources, gather, task_prompt
from engine.plan.validate import Examined, examine
from engine.rehearsal import (
    Play,
    Rehearsable,
    Rehearsal,
    Trial,
    attempt,
    has_own_prompts,
    prompt_problems,
    rehearsable,
    rehearse,
)
from engine.report.files import ReportFiles, write_report
from engine.review import Desk, reviewer_name, reviews_of
from engine.run.begin import begin, fetch_missing
from engine.run.execute import Outcome, execute
from engine.run.expected import Expected, expect
from engine.run.origins import Origins
from engine.run.progress import Callback, Event, Logged, Reporter
from engine.run.repeated import Repeated
from engine.run.watching import watching
from engine.slicing import LEVEL, MIN_SIZE, Search, search
from engine.slicing.log import Drift, drift, log_rows
from engine.slicing.validation import ValidationRows, validation_rows
from engine.spec.limited import limited
from engine.spec.loader import LoadedRecipe, load
from engine.spec.recipe import OperatorSpec, Value
from engine.spec.repository import check_packages, state_folder
from engine.store import FILE, Store, reader
from engine.system.files import private
from engine.system.places import STATE
from engine.system.platforms import require_supported
from engine.tasks import TASKS


class Planned(NamedTuple):
    """What a run would do."""

    plan: Plan
    resources: Resources
    """What it rests on: prompts, data, models, the method."""
    states: list[NodeState]
    """Each node: finished, to be done, or changed and why."""
    expected: Expected
    """Calls, tokens, money, steps and minutes, as ranges."""


class FoundSlices(NamedTuple):
    """Slices of a round's validation rows that fail more often than the rest, and the rows searched."""

    search: Search
    rows: ValidationRows
    drift: Drift | None = None
    """What the recipe's log shows; None without one."""


@dataclass(frozen=True)
class Project:
    """A recipe with the folder in which its results are kept."""

    loaded: LoadedRecipe
    state: Path = STATE
    limit: int | None = None
    """At most so many rows of each split."""
    known: Examined | None = field(default=None, repr=False, compare=False)
    """What is known of its problems and rows already; None where they are to be looked at."""
    repeated: Repeated | None = field(default=None, repr=False, compare=False)
    """What makes its run one that was made before; None for one of its own."""

    @classmethod
    def open(
        cls,
        recipe: str | Path,
        state: str | Path | None = None,
        vars: Mapping[str, Value] | None = None,
        limit: int | None = None,
        settings: Mapping[str, Any] | None = None,
        allow: Sequence[str | Path] = (),
    ) -> Project:
        """Read a recipe.

        Args:
            recipe: A recipe file, a folder with a `recipe.yaml`, or the name of a shipped recipe.
            state: Folder of the store and the trained models; that of the project around the current folder, or
                `.pada`, when left out.
            vars: Values for `${name}`, over those in the recipe's `vars`: texts, or of the var's own type.
            limit: At most so many rows of each split.
            settings: Values by dotted keys (`augment.rows_per_round`), over those of the recipe and of its method.
            allow: Files and folders outside of the recipe's own that recipes of this process may read.

        Raises:
            RecipeError: with every problem found.
            EngineError: the engine does not run on this operating system, or `limit` is no number of rows.
        """
        require_supported()
        check_limit(limit)
        gate.allow(*allow)
        folder = state_folder() if state is None else Path(state)
        return cls(complete(load(recipe, vars, settings)), folder, limit)

    @cached_property
    def examined(self) -> Examined:
        """Every problem of the recipe, its prompts and its data, warnings included, and the rows that were read."""
        return self.known or examine(self.loaded)

    @cached_property
    def problems(self) -> list[Problem]:
        """Every problem of the recipe and of what it leads to, warnings included; its own prompts are tried out."""
        found = self.examined.problems
        wrong = any(problem.level == "error" for problem in found)
        if wrong or not has_own_prompts(self.loaded):
            return found
        return [*found, *prompt_problems(*self._compiled, self.state)]

    def with_rows_of(self, other: Project) -> Project:
        """Return the project with the rows that another one has read, where both recipes take the same ones.

        They are not read again.
        """
        if other is self:
            return self
        mine, theirs = (
            (one.base, one.vars, one.given, r.data, r.task, r.privacy, r.failures, r.models.student)
            for one in (self.loaded, other.loaded)
            for r in [one.recipe]
        )
        if mine != theirs:
            return self
        return replace(self, known=examine(self.loaded, other.examined.splits))

    def validate(self) -> list[Problem]:
        """Return the warnings; raises RecipeError where there is an error, with every problem."""
        if any(problem.level == "error" for problem in self.problems):
            raise RecipeError(self.problems)
        return self.problems

    @cached_property
    def profile(self) -> DataProfile:
        """What the rows are like: counts, labels, repetitions, overlap between splits."""
        splits = self.examined.splits
        splits.read()
        return profile(self.loaded, splits)

    @cached_property
    def _compiled(self) -> tuple[Plan, Resources]:
        recorded = self.repeated.recorded if self.repeated else None
        resources = gather(
            self.loaded,
            self.examined.splits,
            self._reviews,
            unasked=recorded.models if recorded else {},
        )
        prompt = task_prompt(self.loaded)
        plan = compile_plan(self.loaded.recipe, resources, prompt, self.limit)
        judge = next((node for node in plan.nodes.values() if node.stage == "judge"), None)
        if judge is not None and resources.reviews.outcomes:
            # What people said counts for the judge of whose rows they said it.
            reviews = replace(resources.reviews, mark=judge_mark(judge.identity))
            resources = replace(resources, reviews=reviews)
            plan = compile_plan(self.loaded.recipe, resources, prompt, self.limit)
        return plan, resources

    @property
    def _reviews(self) -> Reviews:
        return reviews_of(self.state, self.loaded.recipe.name) if self.has_store else NONE

    @property
    def resources(self) -> Resources:
        """What a run rests on: prompts, models, packs, the method; raises RecipeError where one cannot be used."""
        return self._compiled[1]

    @property
    def nodes(self) -> frozenset[str]:
        """The ids of its plan's nodes: projects with the same ones do the same."""
        plan, _ = self._compiled
        return frozenset(node.id for node in plan.nodes.values())

    def plan(self) -> Planned:
        """Return what a run would do now; writes nothing."""
        plan, resources = self._compiled
        with self._looked_at() as store:
            finished = store.finished([n.id for n in plan.nodes.values()]) if store else {}
            others = [node.name for node in plan.nodes.values() if node.id not in finished]
            last = store.last_identities(others) if store else {}
            expected = expect(self.loaded, plan, resources, store, self.limit)
        return Planned(plan, resources, states(plan, finished, last), expected)

    @property
    def finished_run(self) -> str | None:
        """The latest run that did all that one would do now; None where there is none."""
        if not self.has_store:
            return None
        plan, _ = self._compiled
        ids = {node.name: node.id for node in plan.nodes.values()}
        with reader(self.state) as query:
            runs = query(
                "SELECT id FROM run WHERE recipe = ? AND status = 'done' AND row_limit IS NOT DISTINCT FROM ?"
                " ORDER BY id DESC",
                [short(self.loaded.effective), self.limit],
            )
            for run in runs:
                nodes = query("SELECT name, node FROM run_node WHERE run = ?", [run["id"]])
                if all(ids.get(row["name"]) == row["node"] for row in nodes):
                    return str(run["id"])
        return None

    def review(self, reviewer: str | None = None, *, resolves: bool = False) -> Desk:
        """Return a reviewer's desk over the rows of the recipe's latest run; see `engine.review`.

        Args:
            reviewer: Who reviews; git's user name, or the account's, when left out.
            resolves: Whether what is said ends disagreements between reviewers.

        Raises:
            EngineError: no run of the recipe is there, or it is no name.
        """
        recipe = self.loaded.recipe
        return Desk(self.state, recipe, reviewer_name(reviewer), resolves=resolves)

    def again(self) -> Project:
        """Return the project with a plan of its own: since this one's, people said more of its rows, or models came."""
        return replace(self, known=self.examined)

    def rehearse(self, stage: str, row: int | None = None) -> Rehearsal:
        """Return what a stage would ask its model, the turns whole; sends nothing, writes nothing, loads no model.

        What comes before it is taken from the store where a run of this recipe is there; see `engine.rehearsal`.

        Args:
            stage: One that asks a model, such as `diagnose`.
            row: The number of a training row, from 1, that it is to be about; what runs left is not looked at then.

        Raises:
            EngineError: there is no such stage or row, or this recipe does without it.
        """
        with self._looked_at() as store:
            return rehearse(*self._compiled, stage, self.state, store, row)

    @property
    def rehearsable(self) -> Rehearsable:
        """The stages that can be rehearsed, and the training rows that it can be about."""
        return rehearsable(*self._compiled, self.state)

    def only(self, operator: str) -> Project:
        """Return the project with one operator alone: as the recipe uses it, or as it is by itself.

        Raises:
            EngineError: there is no such operator, or it is not for the task's kind.
        """
        recipe = self.loaded.recipe
        known = find_operators(
            self.loaded.base, recipe.augment.operator_folders, self.loaded.further
        )
        if operator not in known:
            raise EngineError(*known.unknown(operator))
        if recipe.task.kind not in known[operator].kinds:
            kinds = ", ".join(sorted(known[operator].kinds))
            raise EngineError(
                f"the operator '{operator}' is for the kinds {kinds}, and the task is of the kind '{recipe.task.kind}'"
            )
        used = [one for one in recipe.augment.operators if one.name == operator]
        # For whatever pattern: which ones there are is known after a run alone.
        alone = [one.model_copy(update={"patterns": None}) for one in used] or [
            OperatorSpec(name=operator)
        ]
        # What is mined would leave the operator nothing to write.
        augment = recipe.augment.model_copy(update={"operators": alone, "mine": None})
        loaded = replace(self.loaded, recipe=recipe.model_copy(update={"augment": augment}))
        return replace(self, loaded=loaded, known=self.examined)

    def try_operator(self, operator: str, count: int = 3, trust: Sequence[str] = ()) -> Trial:
        """Return a few rows by one operator, written by the recipe's own teacher, and what the gates say of them.

        Nothing is stored; what comes before is taken from the store where a run is there, as in `rehearse`.

        Args:
            operator: Its name, whether or not the recipe uses it.
            count: Rows that are asked for.
            trust: As in `run`.

        Raises:
            EngineError: there is no such operator, it does not fit the task, the teacher cannot be asked here, or its
                key would go where nobody consented to.
        """
        plan, resources = self.only(operator)._compiled
        require_consent(uses_of(resources.models["teacher"]), trust, self.loaded)
        with self._looked_at() as store:
            return attempt(Play(plan, resources, self.state, store), count)

    def slices(
        self,
        round: int | None = None,
        seed: int | None = None,
        min_size: int = MIN_SIZE,
        level: float = LEVEL,
        conditions: int = 1,
    ) -> FoundSlices:
        """Search validation rows, and a log, for slices that fail more often than the rest; asks no model.

        Of a log it is also searched when and where which pattern grew; see `engine.slicing.log`.

        Args:
            round: One that is scored; the last when left out.
            seed: One of the recipe's; its first when left out.
            min_size: Fewest rows of a slice.
            level: Adjusted p-value up to which a slice is proposed.
            conditions: 1, or 2 to try pairs of conditions too.

        Raises:
            EngineError: the round is not scored, or there is no store.
        """
        plan = self._compiled[0]
        recipe = self.loaded.recipe
        store = Store.open(self.state, create_missing=False)
        try:
            rows = validation_rows(plan, store, recipe.loop.divide_validation, seed, round)
            log = log_rows(plan, store, rows.seed)
        finally:
            store.close()
        labelled = TASKS[recipe.task.kind].labelled
        found = search(
            rows.columns,
            rows.failed,
            labelled,
            min_size=min_size,
            level=level,
            conditions=conditions,
        )
        seen = None if log is None else drift(log, labelled, min_size, level, conditions)
        return FoundSlices(found, rows, seen)

    def adopt(
        self,
        names: Sequence[str] = (),
        run: str | None = None,
        least: int = LEAST,
        *,
        write: bool = True,
    ) -> Adopted:
        """Write categories that the teacher proposed into the taxonomy; see `engine.adoption`.

        Args:
            names: Names or ids of proposals; when left out, all that stand for at least `least` failures.
            run: The run that proposed them; the recipe's last when left out.
            least: As above.
            write: False only says what would be written.

        Raises:
            EngineError: there is no such proposal, or it cannot be written.
        """
        with reader(self.state) as query:
            proposed = proposals(query, run_of(query, self.loaded.recipe.name, run))
        return adopt(self.loaded, proposed, names, least, write=write)

    @property
    def has_store(self) -> bool:
        """Whether the state folder has a store already."""
        return (self.state / FILE).exists()

    def _looked_at(self) -> AbstractContextManager[Store | None]:
        """Return the store where there is one, closed after a block."""
        if not self.has_store:
            return nullcontext()
        return closing(Store.open(self.state, create_missing=False))

    @property
    def keys(self) -> list[KeyUse]:
        """The keys that a run sends, and where; none that stay on this machine."""
        if self.repeated is not None and self.repeated.recorded is not None:
            return []
        return key_uses(*self._compiled, self.loaded.recipe)

    def run(
        self,
        progress: Callable[[Event], None] | None = None,
        reporter: Reporter | None = None,
        trust: Sequence[str] = (),
    ) -> Outcome:
        """Run the recipe, or go on with it: what is finished is not done again.

        Args:
            progress: Called with everything that the run tells, by one thread at a time.
            reporter: In place of `progress`.
            trust: Keys that may be sent and where, such as `OPENAI_API_KEY=https://api.openai.com/v1`; `pada trust
                --key` says so for good. Servers on this machine, and those without a key, need none.

        Raises:
            RecipeError: the recipe has an error.
            EngineError: a key would go where nobody consented to, a package is not what was locked, or the run cannot
                go on; what is finished is kept.
        """
        watcher = Logged(reporter or Callback(progress))
        check_packages(self.loaded.base)
        self.validate()
        require_consent(self.keys, trust, self.loaded)
        # A plan that is there already knew models that were fetched by name alone.
        recorded = self.repeated.recorded if self.repeated else None
        fetched = fetch_missing(self.loaded, watcher.say, recorded.models if recorded else ())
        return (self.again() if fetched else self)._execute(watcher)

    def _execute(self, watcher: Reporter) -> Outcome:
        """Run what is planned."""
        plan, resources = self._compiled
        store = Store.open(self.state, notice=watcher.say)
        with private(), store.lock_run():
            repeated = self.repeated
            kept, recorded = (repeated.kept, repeated.recorded) if repeated else (None, None)
            loaded, recipe = self.loaded, self.loaded.recipe
            run = begin(loaded, plan, resources, store, self.limit, watcher, self.problems, kept)
            origins = Origins(store, run, recipe.name, recipe.version)
            with limited(loaded), watching(self.state, run, recipe.name, watcher) as watched:
                return execute(plan, resources, recipe, store, run, watched, origins, recorded)

    def small(self, rows: int, steps: int, state: Path) -> Project:
        """Return the project of a preview in a state folder of its own: few rows and steps, one round, one seed."""
        recipe = self.loaded.recipe
        augment = {"rows_per_round": min(recipe.augment.rows_per_round, rows)}
        update = {
            "train": recipe.train.model_copy(update={"steps": steps}),
            "augment": recipe.augment.model_copy(update=augment),
            "loop": recipe.loop.model_copy(
                update={"rounds": min(recipe.loop.rounds, 1), "control": False}
            ),
            "seeds": recipe.seeds[:1],
            "benchmark": None,
        }
        loaded = replace(self.loaded, recipe=recipe.model_copy(update=update))
        # The same rows and the same rules: they are not read and checked again.
        return Project(loaded, state, rows, self.examined)

    def which(self, run: str | None = None) -> Which:
        """Return the run that an export is of: the last one of this recipe when left out."""
        return Which(self.state, run, self.loaded.recipe.name, self.loaded.base)

    def export_data(
        self,
        to: str | Path,
        wanted: Wanted | None = None,
        *,
        run: str | None = None,
        replace: bool = False,
        push_to: str | None = None,
    ) -> DataExport:
        """Write the training rows of a run to a folder; see `engine.export.export_data`."""
        return export_data(self.which(run), Path(to), wanted, replace=replace, push_to=push_to)

    def export_model(
        self,
        to: str | Path,
        form: Form = "merged",
        *,
        run: str | None = None,
        seed: int | None = None,
        round: int | None = None,
        licence: str | None = None,
        replace: bool = False,
        push_to: str | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> ModelExport:
        """Write the best student of a run, or the one named, to a folder; see `engine.export.export_model`."""
        return export_model(
            self.which(run), Path(to), form, seed=seed, round=round, licence=licence, replace=replace,
            push_to=push_to, say=say,
        )  # fmt: skip

    def report(self, run: str | None = None, out: Path | None = None) -> ReportFiles:
        """Write the report of a run, of the last one when left out; see `write_report`."""
        return write_report(self.state, run, out)
