"""pair: right and wrong answers to the same inputs, for the preference tuning of one round.

Wrong are: what this round's student says, after its supervised part, to the rows that it trains on; what the student of
the round before says to its training rows and to the rows that were selected since, which it has not seen; a target
that was found wrong, of a training row that was replaced or of a rejected row with the same inputs as a training row;
the target of a rejected row that all who answered it blind answered otherwise. Pairs of the round before are taken
over. Reads no validation row and no test row. Writes a `PreferencePair` per pair, and a `Drop` for each that is not
used, or not any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.backends.protocol import Student
from engine.fingerprint import canonical, short
from engine.rows import Candidate, Drop, Example, PairKind, PreferencePair, Verdict
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.outputs import REPLACES, Attempt, Predicted, Trained
from engine.stages.preference.honest import outvoted, wrong_turn
from engine.stages.preference.outputs import Paired, VerifiedAttempt
from engine.stages.protocol import Account, Context, Stage
from engine.stages.task_view import PromptedTask, StudentPrompts
from engine.stages.train import (
    TrainInputs,
    TrainParams,
    added_rows,
    kept_out,
    preference_steps,
    steps_of,
    training_set,
)
from engine.tasks import answers


@dataclass(frozen=True, kw_only=True)
class PairParams(TrainParams):
    """The task, how many pairs there is time for, and how answers are compared."""

    metric: UsedMetric
    """By which an answer agrees with a target."""
    answering: PromptedTask
    """How the student is asked, where it is not as it is trained."""


@dataclass(frozen=True, kw_only=True)
class PairInputs(TrainInputs):
    """What the round trains on, its student before the tuning, and what the round before it found."""

    train: Trained
    before: Trained
    """The student of the round before."""
    predict: Predicted
    """Its answers."""
    attempts: tuple[Attempt, ...] = ()
    verified: tuple[VerifiedAttempt, ...] = ()
    taken: Paired | None = None
    """Pairs of the round before."""


def pairs_per_step(batch_size: int) -> int:
    """Return how many pairs a step looks at: as many answers as a step on rows has rows."""
    return max(1, batch_size // 2)


def pair(params: PairParams, inputs: PairInputs, ctx: Context) -> Paired:
    """Return the pairs, as many as there is time to look at once."""
    finding = _Finding(params, inputs, ctx)
    found: dict[str, PreferencePair] = {}
    for one in (*finding.mistakes(), *finding.corrected(), *finding.outvoted()):
        if not finding.contradicts(one):
            found.setdefault(one.id, one)
    rows: list[PreferencePair | Drop] = []
    for one in inputs.taken.pairs if inputs.taken else ():
        if one.id in found:
            continue  # found afresh, so it stays whatever has become of where it was found first
        if why := finding.gone(one):
            rows.append(Drop("pair", one.id, "gone", why))
        else:
            found[one.id] = one
    kept = _drawn(found.values(), ctx.seed)
    most = _most(params, inputs)
    rows += [Drop("pair", one.id, "over_limit", f"at most {most} pairs") for one in kept[most:]]
    return Paired((*kept[:most], *rows))


def _drawn(pairs: Iterable[PreferencePair], seed: int) -> list[PreferencePair]:
    """Return pairs kind by kind, as they were found; those of a kind as the seed draws them, not as in the file."""
    kinds: dict[tuple[PairKind, int | None, int], list[PreferencePair]] = {}
    for one in pairs:
        kinds.setdefault((one.kind, one.answered_in, one.found_in), []).append(one)
    return [
        one
        for alike in kinds.values()
        for one in sorted(alike, key=lambda one: short([seed, one.id]))
    ]


def _most(params: PairParams, inputs: PairInputs) -> int:
    settings = params.train
    total = steps_of(settings, len(inputs.load.train), len(added_rows(inputs)))
    visits = preference_steps(settings, total) * pairs_per_step(settings.batch_size)
    most = settings.preference.max_pairs
    return visits if most is None else min(visits, most)


class _Finding:
    """Looks for wrong answers to rows whose right answer is known."""

    def __init__(self, params: PairParams, inputs: PairInputs, ctx: Context) -> None:
        self._params, self._inputs, self._ctx = params, inputs, ctx
        self._rows = training_set(inputs)
        examples = inputs.load.examples
        self._prompts = StudentPrompts(params, ctx.prompt(params.prompt), examples)
        asked = params.answering
        self._asking = StudentPrompts(asked, ctx.prompt(asked.prompt), examples)
        self._by_id = {row.id: row for row in self._rows}
        self._by_inputs: dict[str, list[Example]] = {}
        for row in self._rows:
            self._by_inputs.setdefault(canonical(row.inputs), []).append(row)

    def mistakes(self) -> Iterator[PreferencePair]:
        """Yield what students said wrong to training rows: this round's, then those of the round before."""
        inputs, now = self._inputs, self._ctx.round
        yield from self._said_wrong(inputs.train, self._rows, now)
        newest = {row.id for row in inputs.earlier[-1].examples} if inputs.earlier else set()
        yield from self._said_wrong(
            inputs.before, [row for row in self._rows if row.id in newest], now - 1
        )
        for said in inputs.predict.answered:
            row = self._by_id.get(said.example) if said.split == "train" else None
            if row is not None:
                yield from self._mistake(row, said.text, said.answer, now - 1)

    def _said_wrong(
        self, trained: Trained, rows: Sequence[Example], round: int
    ) -> Iterator[PreferencePair]:
        student: Student = self._ctx.student().with_adapter(self._ctx.state / trained.model.path)
        asked = self._asking.asked(rows)
        bar = self._ctx.progress("pair", len(rows))
        told = answers(self._asking.kind, student, asked, self._asking.task, bar)
        for row, answer in zip(rows, told, strict=True):
            if answer.status != "backend_failed":
                yield from self._mistake(row, answer.text, answer.answer, round)

    def _mistake(
        self, row: Example, said: str, answer: str | None, round: int
    ) -> Iterator[PreferencePair]:
        wrong = wrong_turn(self._prompts, self._params.metric, row, said, answer)
        if wrong is not None:
            yield self._pair("student_error", row, wrong, row.id, None, round)

    def corrected(self) -> Iterator[PreferencePair]:
        """Yield targets that were found wrong of inputs whose right one is trained on."""
        originals = {row.id: row for row in self._inputs.load.train}
        for row in self._rows:
            old = originals.get(row.columns.get(REPLACES, ""))
            if old is not None and old.inputs == row.inputs:
                yield from self._other(row, old.target, None)
        for candidate, verdict in self._rejected():
            if verdict.label_correct == "no":
                for same in self._by_inputs.get(canonical(candidate.inputs), ()):
                    yield from self._other(same, candidate.target, candidate.id)

    def _other(self, row: Example, target: str, candidate: str | None) -> Iterator[PreferencePair]:
        if target not in row.references:
            said = self._said(row.inputs, target)
            yield self._pair("corrected", row, said, row.id, candidate, None)

    def outvoted(self) -> Iterator[PreferencePair]:
        """Yield rejected rows that were answered blind with another answer than their target, by all who did."""
        if not self._prompts.kind.chosen(self._prompts.task.params):
            return  # an answer alone is not what the student is taught to say
        blind: dict[str, list[str | None]] = {}
        for attempt in self._inputs.verified:
            for verified, known in attempt.verify.by_candidate.items():
                blind[verified] = [one.answer for one in known if one.how == "blind"]
        for candidate, _ in self._rejected():
            right = outvoted(candidate.target, blind.get(candidate.id, ()))
            if right is not None:
                row = Example("", "train", candidate.inputs, right, {}, "generated", 1)
                said = self._said(candidate.inputs, candidate.target)
                yield self._pair("blind_answer", row, said, None, candidate.id, None)

    def _rejected(self) -> Iterator[tuple[Candidate, Verdict]]:
        if self._ctx.round - 1 in kept_out(self._inputs):
            return
        for attempt in self._inputs.attempts:
            yield from (pair for pair in attempt.judged if not pair[1].accepted)

    def _said(self, inputs: Mapping[str, str], target: str) -> str:
        return self._prompts.kind.completion(inputs, target, self._prompts.task.params)

    def _pair(
        self,
        kind: PairKind,
        row: Example,
        rejected: str,
        example: str | None,
        candidate: str | None,
        answered_in: int | None,
    ) -> PreferencePair:
        return PreferencePair(
            id=short([dict(row.inputs), row.target, rejected]),
            kind=kind,
            inputs=row.inputs,
            target=row.target,
            chosen=self._prompts.completion(row),
            rejected=rejected,
            example=example,
            candidate=candidate,
            answered_in=answered_in,
            found_in=self._ctx.round,
        )

    def contradicts(self, one: PreferencePair) -> bool:
        """Return whether a training row with these inputs teaches what the pair says is wrong."""
        return any(
            row.target != one.target or self._prompts.completion(row).strip() == one.rejected
            for row in self._by_inputs.get(canonical(one.inputs), ())
        )

    def gone(self, one: PreferencePair) -> str:
        """Return why a pair of the round before is not used any more; empty where it is."""
        if one.example is not None and one.example not in self._by_id:
            return "its row is not trained on any more"
        if one.found_in - 1 in kept_out(self._inputs) and one.candidate is not None:
            return f"round {one.found_in - 1} was rolled back"
        return "a training row says otherwise" if self.contradicts(one) else ""


def _sends(params: PairParams) -> Mapping[str, str]:
    return {"row": "train rows and accepted generated rows ({inputs})", "labels": "the labels"}


def _accounts(params: PairParams, inputs: PairInputs, output: Paired) -> Iterable[Account]:
    taken = {one.id for one in inputs.taken.pairs} if inputs.taken else set()
    kept = taken & {one.id for one in output.pairs}
    dropped = taken & {drop.item for drop in output.drops}
    yield Account("pairs taken over", len(taken), len(kept), len(dropped))


PAIR = Stage(
    "pair", 4, PairParams, PairInputs, Paired, pair,
    description="Looks for right and wrong answers to the same rows, to prefer the right ones.",
    asks=("student",), sends=_sends, accounts=_accounts,
)  # fmt: skip
