"""What a run's comparisons are made of: chosen students, patterns beside the control, what was switched off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Choice:
    """The student that the stop rule chose for one seed, beside that seed's round 0 and control, on test."""

    seed: int
    round: int
    value: float | None
    first: float | None
    """The same metric in round 0."""
    control: float | None
    """With the control; None without one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Later students against earlier ones on test, seed by seed, in the primary metric's own unit."""

    before: int
    """The round of the earlier students."""
    after: tuple[int, ...]
    """The round of the later student of each seed."""
    difference: float
    """Mean over the seeds."""
    low: float | None
    """95 % interval over seeds and examples, the same examples for all; None where examples cannot be paired."""
    high: float | None
    n: int
    better: int
    """Test examples with a higher score than before (averaged over the seeds)."""
    worse: int
    seeds: tuple[float, ...]
    """Each seed's difference."""
    overlap: bool
    """Whether the interval includes zero; without one: whether the two rounds' own intervals overlap."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The run's outcome in one sentence, and how to colour it."""

    sentence: str
    tone: Literal["good", "bad", "unclear"]
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A pattern after a later fine-tune."""

    round: int
    status: str
    """Its life: open, shrinking, fixed, regressed, split, merged or unclear."""
    before: int
    """Failures ever diagnosed and counted to it."""
    after: int
    """Of these, how many still fail."""
    rows: int
    """Validation rows that fall under it."""
    effect: float | None
    """Share of these that fail with the control minus the share that fails now; None where that cannot be told."""
    low: float | None
    high: float | None
    held_out: int = 0
    """Of the rows, failed when it was found and never diagnosed; `held_out_mended`: of these, right now."""
    held_out_mended: int = 0
    control_held_out_mended: int | None = None


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """Where a pattern was first seen, over all runs of recipes of that name."""

    run: str
    date: str
    """Day, UTC."""
    version: str
    """What that run's recipe said of its version; empty where nothing."""

    @property
    def words(self) -> str:
        """In words, for tables."""
        return f"{self.date}, run {self.run}" + (
            f", version {self.version}" if self.version else ""
        )


@dataclass(frozen=True, slots=True)
class Suite:
    """The regression suite of one seed after its last round: what round 0 had right."""

    seed: int
    round: int
    n: int
    broken: int
    control_broken: int | None
    regressed: bool
    detail: str
    """In words."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The preference tuning of one seed's last round that has one."""

    seed: int
    round: int
    tuned: bool
    reason: str
    """Why it was not tuned; empty where it was."""
    pairs: int
    steps: int
    """Optimizer steps on pairs; `supervised_steps`: on rows."""
    supervised_steps: int
    accuracy: float | None
    """Share of pairs whose right answer had gained on the wrong one, in the last pass."""
    kinds: Mapping[str, int]
    """Pairs that were found, by kind."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Failures of round 0 that nobody diagnosed, after the last fine-tune; summed over the seeds."""

    n: int
    mended: int
    control_mended: int | None
    """None without a control."""
    better: int
    """Right now, and failing with the control."""
    worse: int
    """Failing now, and right with the control."""


@dataclass(frozen=True, slots=True)
class GuardedTexts:
    """What the guard of texts did with names, descriptions, strategies and rules of annotation; over all seeds."""

    texts: int
    """Patterns and strategies that were written."""
    replaced: int
    """Those that quoted an evaluation row, twice where they could be asked for again: a neutral text stands in."""
    reworded: int
    """Those that the teacher said otherwise when it was asked once more."""
    shortened: int
    """Those of whose lists entries were left out; they may be among the reworded ones."""
    conventions: int
    """Rules of annotation that are told to nobody."""


@dataclass(frozen=True, slots=True)
class Safeguards:
    """What keeps the numbers honest, and whether there were rows enough for it."""

    validation: int
    """Validation rows."""
    deciding: int
    """Those of them that have the metric by which the loop stops."""
    selection: int
    """Those of them that stop and choose; 0 where validation is not divided."""
    divide: bool | Literal["auto"]
    """What the recipe says of it."""
    hold_out: float
    """Share of failures that the recipe holds out."""
    failures: tuple[int, ...]
    """Failures that could be analysed in the first round, by seed."""
    held_out: HeldOut | None
    """None where nothing was held out, or no fine-tune followed."""
    holds_out: bool
    """Whether any failure was held out."""
    control: Literal["done", "off", "missing"]
    """missing: wanted, but there is none, or not yet."""
    guarded: GuardedTexts


@dataclass(frozen=True, slots=True)
class PatternTested:
    """Whether a pattern is real, by the latest test of its description."""

    verdict: str
    """confirmed, weak, refuted or untested."""
    funded: bool
    """Whether rows are written against it."""
    detail: str
    lift: float | None = None
    """Failure rate of rows that fall under it over that of the others; None where it is untested."""
    lift_low: float | None = None
    lift_high: float | None = None
    diagnosed: int = 0
    """Rows of the test that had been diagnosed, for want of others."""


@dataclass(frozen=True, slots=True)
class PatternFacts:
    """One pattern of one seed: where found, its size, its fate, what was written against it."""

    seed: int
    id: str
    name: str
    description: str
    category: str | None
    found: int
    """The round whose failures showed it first."""
    size: int
    """Failures in it when it was found."""
    standings: tuple[Standing, ...]
    """In order of rounds."""
    strategies: tuple[str, ...]
    """Each with the other side of the pattern and its kinds of rows, where it names them."""
    generated: int
    accepted: int
    selected: int
    guarded: bool
    """Whether a text of it was replaced because it quoted an evaluation row."""
    first_seen: FirstSeen | None = None
    """In an earlier run; None for a pattern that is new, or of a run that goes on."""
    test: PatternTested | None = None
    """None where patterns are not tested."""

    @property
    def status(self) -> str:
        """Its life in one word: `new` where no later student was evaluated."""
        return self.standings[-1].status if self.standings else "new"

    @property
    def before(self) -> int:
        """Failures counted to it as of the latest evaluation: a pattern found again gains members."""
        return self.standings[-1].before if self.standings else self.size

    @property
    def after(self) -> int | None:
        """Members that still fail at the latest evaluation; None when there was none."""
        return self.standings[-1].after if self.standings else None
