"""Which calls write the rows of an attempt: an operator for every row, a seed for every row, several rows a call."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.fingerprint import short
from engine.identity import Params, outside
from engine.operators import (
    Operator,
    OperatorParams,
    RowSpec,
    brings_target,
    example_count,
    itemised,
    rows_per_call,
    rows_per_seed,
    samples_per_call,
)
from engine.rows import Example, Pattern, Strategy
from engine.spec.prompts import Prompt
from engine.spec.recipe import OperatorSpec
from engine.stages.augment.planning import COVERAGE, KIND, Slot
from engine.stages.augment.seeds import Declined, Seeds, WithTarget
from engine.stages.augment.shares import apportion
from engine.stages.augment.wishes import deal_apart, wishes
from engine.stages.task_view import TaskView


@dataclass(frozen=True, kw_only=True)
class UsedOperator(Params):
    """An operator as a recipe uses it."""

    operator: Operator = outside()
    """The operator itself; `digest` stands for it."""
    prompt: Prompt | None = outside()
    """Its prompt for this teacher, part of the fingerprint by its own digest; None where a program makes the rows."""
    name: str
    digest: str
    """Of the operator's definition and reply; its prompt has one of its own."""
    settings: OperatorParams
    patterns: tuple[str, ...] | None = None
    """Only for patterns of these taxonomy categories; None for all."""
    share: float | None = None
    """Its part of the rows, relative to the others; the operator's own where the recipe says none."""

    @classmethod
    def of(
        cls, operator: Operator, spec: OperatorSpec, pack: str, patterns: tuple[str, ...] | None
    ) -> UsedOperator:
        """Return an operator as a recipe uses it, for patterns of some categories; `pack` is the teacher's."""
        return cls(
            operator=operator,
            prompt=None if operator.make else operator.prompt(pack),
            name=operator.name,
            digest=operator.digest,
            settings=operator.params.model_validate(spec.params),
            patterns=patterns,
            share=spec.share,
        )

    def per_call(self, pack: int) -> int:
        """Return the most rows that one call asks for, where the pack says `pack`."""
        if self.prompt is None:
            return rows_per_seed(self.operator, self.settings)
        return rows_per_call(self.operator, self.settings, self.prompt, pack)

    @property
    def itemised(self) -> bool:
        """Whether a call may ask for rows of several seeds."""
        return self.prompt is not None and itemised(self.prompt)

    @property
    def samples(self) -> int:
        """How often each call is asked."""
        return samples_per_call(self.operator, self.settings)

    def most_shown(self, pack: int, rows: int) -> int:
        """Return the most training rows that a call for so many rows shows as examples; `pack` is the pack's number."""
        rule = self.operator.definition.examples
        count = example_count(self.operator, self.settings, pack)
        return count if rule is None else max(count, rule.each * rows)

    def sees(self, variable: str) -> bool:
        """Return whether its prompt uses a variable."""
        return self.prompt is not None and variable in self.prompt.variables

    @property
    def attempts(self) -> int | None:
        """Attempts of a round in which it takes part; None for all."""
        return self.operator.definition.attempts

    @property
    def weight(self) -> float:
        """Its part of the rows, relative to the others."""
        return self.operator.definition.share if self.share is None else self.share

    @property
    def writes_new(self) -> bool:
        """Whether its rows are new ones, and no rewordings or repetitions."""
        return self.operator.label in ("given", "written") and self.operator.covers

    @property
    def tells_contrast(self) -> bool:
        """Whether its prompt says what rows of the other side are."""
        return self.sees("contrast")

    @property
    def tells_kinds(self) -> bool:
        """Whether its prompt says of which kind a row is to be."""
        return self.sees("kinds")


Bundle = Sequence[tuple[Slot, Mapping[str, str]]]
"""Rows to write from one seed row: what each is to be, and what is asked of it besides."""


class PlannedCall(NamedTuple):
    """One planned call: an operator, a pattern (None for coverage), the rows to write and those that are shown."""

    used: UsedOperator
    pattern: Pattern | None
    strategy: Strategy | None
    rows: tuple[RowSpec, ...]
    examples: tuple[Example, ...]
    bundles: Sequence[Bundle]
    """The rows as they were planned, before they got seeds."""

    @property
    def pattern_id(self) -> str:
        """The pattern's id, or what stands for it."""
        return COVERAGE if self.pattern is None else self.pattern.id


@dataclass(frozen=True)
class Planner:
    """Plans the calls of one attempt."""

    task: TaskView
    operators: Sequence[UsedOperator]
    pack_rows: int
    """Rows that a call asks for, by the teacher's pack."""
    pack_seeds: int
    """Training rows that a prompt shows, by the teacher's pack."""
    seeds: Seeds
    vary: Mapping[str, Sequence[str]]
    """What varies from row to row whatever the pattern, where rows bring their own target."""
    told: Callable[[frozenset[str]], frozenset[str]]
    """Training rows that stand in a task block without some: they are no further examples, where there are others."""
    attempt: int
    """Of the round, from 1."""
    failing: frozenset[str]
    """Training rows that the student gets wrong."""
    declined: Declined
    """Training rows that writers left out in earlier attempts: these are not tried again."""
    turn: Sequence[int]
    """Differs from attempt to attempt: the source of variety, in place of randomness."""
    left_out: list[tuple[str, Slot]] = field(default_factory=list)
    """Rows that no operator can write, for want of a training row to start from: pattern and slot."""
    rewritten: set[str] = field(default_factory=set)
    """Training rows whose target is written anew in calls planned so far: only one such row would ever be taken."""

    def calls(
        self, pattern: Pattern | None, strategy: Strategy | None, slots: Mapping[Slot, int]
    ) -> Iterator[PlannedCall]:
        """Yield the calls that write a pattern's rows: `slots` says how many of which."""
        asked = COVERAGE if pattern is None else pattern.id
        chance = random.Random(short([self.turn, asked]))
        rows = [slot for slot, count in slots.items() for _ in range(count)]
        if not any(used.tells_contrast for used in self._usable(pattern)):
            # Nobody would know what such a row is.
            rows = [slot._replace(contrast=False) for slot in rows]
        chance.shuffle(rows)
        for used, mine in self._shared_out(pattern, strategy, rows):
            # Rows of one confusion stand in one call, both sides together.
            mine.sort(key=_pair)
            varied = self._varied(used, strategy, mine, chance)
            yield from self._of_operator(
                used, pattern, strategy, list(zip(mine, varied, strict=True))
            )

    def was_declined(self, row: str) -> bool:
        """Return whether a writer left a training row out in an earlier attempt."""
        return row in self.declined.suspect or any(
            row == one for _, one in self.declined.by_operator
        )

    def again(self, call: PlannedCall) -> PlannedCall:
        """Return the call with other seeds and examples, where there are others."""
        return self._call(call.used, call.pattern, call.strategy, call.bundles)

    def one_by_one(self, call: PlannedCall) -> Iterator[PlannedCall]:
        """Yield a call for each seed row of a call."""
        for bundle in call.bundles:
            yield self._call(call.used, call.pattern, call.strategy, [bundle])

    def _usable(self, pattern: Pattern | None) -> list[UsedOperator]:
        present = [u for u in self.operators if self.attempt <= (u.attempts or self.attempt)]
        if pattern is not None:
            return [u for u in present if not u.patterns or pattern.category in u.patterns]
        everywhere = [u for u in present if not u.patterns and u.operator.covers]
        return [u for u in everywhere if u.writes_new] or everywhere

    def _shared_out(
        self, pattern: Pattern | None, strategy: Strategy | None, rows: Sequence[Slot]
    ) -> Iterator[tuple[UsedOperator, list[Slot]]]:
        """Yield for each operator the rows that it writes; one that none of them can write is noted as left out."""
        usable = self._usable(pattern)
        asked = (
            {u.name: float(strategy.operators.get(u.name, 0)) for u in usable} if strategy else {}
        )
        if not any(asked.values()):
            asked = {u.name: u.weight for u in usable}
        counts = apportion(asked, len(rows), each=False)
        left = list(rows)
        # Those that can write the fewest rows choose first.
        able = {
            u.name: {
                slot
                for slot in set(rows)
                if self._can_write(u, slot) and (slot.near or u.operator.label != "change")
            }
            for u in usable
        }
        order = sorted(usable, key=lambda u: (len(able[u.name]), u.name))
        mine: dict[str, list[Slot]] = {u.name: [] for u in usable}
        for used in order:
            others: list[Slot] = []
            for slot in left:
                takes = slot in able[used.name] and len(mine[used.name]) < counts[used.name]
                (mine[used.name] if takes else others).append(slot)
            left = others
        for slot in left:
            able_here = [u for u in usable if slot in able[u.name] and asked[u.name]]
            # What a row is mistaken for may be no label: one may then be made from a row of any other label.
            able_here = able_here or [u for u in usable if self._can_write(u, slot)]
            if able_here:
                mine[max(able_here, key=lambda u: asked[u.name]).name].append(slot)
            else:
                self.left_out.append((COVERAGE if pattern is None else pattern.id, slot))
        for used in usable:
            if mine[used.name]:
                yield used, mine[used.name]

    def _can_write(self, used: UsedOperator, slot: Slot) -> bool:
        if slot.contrast and not used.tells_contrast:
            return False
        make = used.operator.make
        if make is not None and make.targets is not None and slot.target is not None:
            known = make.targets(used.operator.material)
            if known is not None and slot.target not in known:
                return False
        fits = self._fits(used.operator, slot)
        if slot.row is not None:
            row = self.seeds.named(slot.row)
            return row is not None and fits(row)
        return self.seeds.any_fits(fits)

    def _fits(self, operator: Operator, slot: Slot) -> Callable[[Example], bool]:
        """Return which training rows a row of a slot can be made from."""
        fits, every = self._fits_target(operator, slot), operator.definition.seeds == "any"
        return lambda row: (
            fits(row)
            and (every or row.id in self.failing)
            and (not operator.made_from or self.declined.allows(operator.name, row))
        )

    def _fits_target(self, operator: Operator, slot: Slot) -> Callable[[Example], bool]:
        if slot.row is not None:
            return lambda row: row.id == slot.row
        if operator.label == "change" and slot.near is None:
            return lambda row: row.target != slot.target
        wanted = slot.near if operator.label == "change" else slot.target
        return (lambda row: True) if wanted is None else WithTarget(wanted)

    def _varied(
        self,
        used: UsedOperator,
        strategy: Strategy | None,
        slots: Sequence[Slot],
        chance: random.Random,
    ) -> list[dict[str, str]]:
        """Return what is asked of each row besides its target."""
        brings = brings_target(used.operator, labelled=self.task.labelled)
        if used.operator.label == "change" or used.operator.make is not None:
            # All but the words on which the label hangs stays as it is; and a program takes no wishes.
            return [{} for _ in slots]
        own = used.operator.varied(used.settings)
        labels = self._labels if used.tells_kinds else None
        asked = wishes(
            strategy, self.vary.items() if brings else (), slots, chance, labels, without=own
        )
        for name, values in own.items():
            deal_apart(asked, [slot.target for slot in slots], name, values, chance)
        return asked

    def _labels(self, target: str) -> Sequence[str]:
        task = self.task
        return task.entry.labels_in(target, task.settings) if task.labelled else ()

    def _of_operator(
        self,
        used: UsedOperator,
        pattern: Pattern | None,
        strategy: Strategy | None,
        rows: Sequence[tuple[Slot, dict[str, str]]],
    ) -> Iterator[PlannedCall]:
        most = used.per_call(self.pack_rows)
        per_seed = rows_per_seed(used.operator, used.settings)
        call: list[Bundle] = []
        for bundle in _bundles(rows, per_seed):
            if call and (not used.itemised or sum(map(len, call)) + len(bundle) > most):
                yield self._call(used, pattern, strategy, call)
                call = []
            call.append(bundle)
        if call:
            yield self._call(used, pattern, strategy, call)

    def _call(
        self,
        used: UsedOperator,
        pattern: Pattern | None,
        strategy: Strategy | None,
        bundles: Sequence[Bundle],
    ) -> PlannedCall:
        """Return a call for bundles of rows; those of one bundle are made from one seed row."""
        operator, rule = used.operator, used.operator.definition.examples
        asked = COVERAGE if pattern is None else pattern.id
        slots = [bundle[0][0] for bundle in bundles]
        own_seed = operator.made_from or rule is None or rule.seed != "left out"
        seeds = self._starting_from(used, asked, bundles, own_seed=own_seed)
        kinds_shown = self._shown(operator, slots, seeds)
        count = used.most_shown(self.pack_seeds, len(kinds_shown))
        made_from = [seed for seed in seeds if seed is not None]
        without = {seed.id for seed in made_from}
        barred: frozenset[str] = frozenset()
        if operator.definition.writes == "target":
            # A row with the same inputs would tell the target that is asked for.
            barred = self.seeds.same.as_one_of(made_from)
        without |= barred | self.declined.suspect
        if used.sees("task"):
            without |= self.told(barred)
        examples = self.seeds.several(asked, kinds_shown, count, without)
        least = 0 if rule is None else rule.each
        for fits in kinds_shown:
            # Rows that the task block shows, too, where there are no others.
            lacking = least - sum(map(fits, examples))
            taken = {*(row.id for row in [*made_from, *examples]), *barred}
            examples += self.seeds.several(asked, [fits], max(0, lacking), taken)
        specs: list[RowSpec] = []
        for place, (slot, bundle) in enumerate(zip(slots, bundles, strict=True)):
            seed = seeds[place] or self._nearest(asked, operator, slot, examples, place)
            for _, vary in bundle:
                specs.append(self._spec(used, slot, seed, vary, f"r{len(specs) + 1}"))
        return PlannedCall(used, pattern, strategy, tuple(specs), tuple(examples), tuple(bundles))

    def _starting_from(
        self, used: UsedOperator, asked: str, bundles: Sequence[Bundle], *, own_seed: bool
    ) -> list[Example | None]:
        """Return the seed row of each bundle of a call; None where it has none.

        Each is another row; where there are not enough, one of which the call does not ask the same already. Where
        targets are written anew, each is one of which no call of the attempt asks that, while there are such.
        """
        rewrites = used.operator.definition.writes == "target"
        own = used.operator.varied(used.settings)
        seeds: list[Example | None] = []
        wanted_of: dict[str, list[tuple[str | None, Mapping[str, str]]]] = {}
        for bundle in bundles:
            slot = bundle[0][0]
            # By what the operator itself varies, such as a register; by the wishes where that is nothing.
            wanted = [
                (slot.target, {name: vary[name] for name in own if name in vary} or vary)
                for slot, vary in bundle
            ]
            seed: Example | None = None
            if slot.row is not None:
                row = self.seeds.named(slot.row)
                seed = None if row is None else self.seeds.use(row)
            elif own_seed:
                fits = self._fits(used.operator, slot)
                alike = {row for row, known in wanted_of.items() if any(w in known for w in wanted)}
                seed = (
                    self.seeds.take(
                        asked, fits, {*wanted_of, *(self.rewritten if rewrites else ())}
                    )
                    or self.seeds.take(asked, fits, wanted_of)
                    or self.seeds.take(asked, fits, alike)
                    or self.seeds.take(asked, fits)
                )
            seeds.append(seed)
            if seed is not None:
                wanted_of.setdefault(seed.id, []).extend(wanted)
                if rewrites:
                    self.rewritten.add(seed.id)
        return seeds

    def _shown(
        self, operator: Operator, slots: Sequence[Slot], seeds: Sequence[Example | None]
    ) -> list[Callable[[Example], bool]]:
        """Return which training rows a prompt shows, in turn."""
        rule = operator.definition.examples
        if rule is None or not self.task.labelled or rule.of == "any":
            return [lambda row: True]
        if operator.definition.writes == "target":
            # Whichever rows are chosen by the seed row's target would tell it.
            return [lambda row: True]
        if rule.of == "target":
            targets = [
                slot.target if seed is None or slot.row is None else seed.target
                for slot, seed in zip(slots, seeds, strict=True)
            ]
            return [WithTarget(target) for target in dict.fromkeys(targets)]
        shown = {seed.target for seed in seeds if seed is not None}
        return [lambda row: row.target not in shown]

    def _nearest(
        self, asked: str, operator: Operator, slot: Slot, examples: Sequence[Example], place: int
    ) -> Example:
        """Return the training row that a new row is stored with: one that its writer saw, if one fits."""
        fits = self._fits(operator, slot)
        seen = [row for row in examples if fits(row)]
        if seen:
            return seen[place % len(seen)]
        found = self.seeds.take(asked, fits)
        assert found is not None
        return found

    def _spec(
        self, used: UsedOperator, slot: Slot, seed: Example, vary: Mapping[str, str], name: str
    ) -> RowSpec:
        operator, task = used.operator, self.task
        target: str | None = slot.target
        if operator.label == "keep":
            target = seed.target
        elif brings_target(operator, labelled=task.labelled):
            target = None
        elif slot.row is not None:
            target = seed.target
        keep = task.entry.kept(seed.target, task.settings) if operator.label == "keep" else ""
        near = slot.near if target is not None else None
        wish = {key: value for key, value in vary.items() if key != KIND}
        return RowSpec(name, seed, target, near, keep, wish, vary.get(KIND, ""), slot.contrast)


def _pair(slot: Slot) -> tuple[str, str, str]:
    """Return a key by which both sides of a confusion stand together, and what is made from one row."""
    first, second = sorted((slot.target or "", slot.near or ""))
    return first, second, slot.target or slot.row or ""


def _bundles(
    rows: Sequence[tuple[Slot, dict[str, str]]], most: int
) -> Iterator[list[tuple[Slot, dict[str, str]]]]:
    """Yield rows of the same slot, at most so many together."""
    bundle: list[tuple[Slot, dict[str, str]]] = []
    for row in rows:
        if bundle and (len(bundle) == most or bundle[0][0] != row[0]):
            yield bundle
            bundle = []
        bundle.append(row)
    if bundle:
        yield bundle
