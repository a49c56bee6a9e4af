"""A reviewer's desk: verdicts are checked, and written down one by one. Knows no terminal and no file.

What a person says is stored at once; whatever then happens to the program, it is there. A verdict that could not be
followed is refused with its reason, and nothing is stored.
"""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import unicodedata
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from engine.errors import EngineError
from engine.plan.tasks import task_view
from engine.registry import did_you_mean
from engine.report.facts.json_columns import text_values
from engine.review.items import Item, Judging, Reviewable, judging, of_run, reviewable, with_answers
from engine.review.listing import Entry, listed
from engine.review.queues import QUEUES, Queue, changes, found, sample, settles, waiting
from engine.rows import Example, Review, Said
from engine.spec.recipe import Recipe
from engine.stages.load import example_id
from engine.stages.outputs import Loaded
from engine.stages.quality.form import unclean
from engine.stages.quality.leak_guard import LeakGuard
from engine.stages.reviewing.verdicts import leaks, read_again
from engine.store import Store, add_reviews, now, reader

Reason = Literal["wrong", "unclear", "unnatural", "off_task", "repeats", "other"]
REASONS: Mapping[Reason, str] = {
    "wrong": "its answer is wrong",
    "unclear": "it can be read in two ways, or the task does not settle it",
    "unnatural": "nobody would write it like that",
    "off_task": "it is no row of this task",
    "repeats": "it says the same as another row",
    "other": "another reason: say it in a note",
}
"""Why a row is rejected. Only `wrong` says that its answer is wrong."""

LONGEST_NAME = 64
"""Characters of a reviewer's name."""
_NAME = re.compile("[0-9a-f]{24}")
_REVIEWERS = "SELECT DISTINCT reviewer FROM review WHERE recipe = ? ORDER BY reviewer"
_LAST = (
    "SELECT id, queue, subject, example, candidate, verdict, inputs, target, run FROM all_reviews"
    " WHERE recipe = ? AND reviewer = ? AND verdict <> 'undo' AND id = coalesce(?, id)"
    " AND id NOT IN (SELECT undoes FROM review WHERE undoes IS NOT NULL) ORDER BY made DESC, id DESC LIMIT 1"
)
_SAID = (
    "SELECT reviewer, verdict, reason, note, new_inputs, new_target FROM all_reviews"
    " WHERE recipe = ? AND subject = ? AND example = ? AND stands ORDER BY made"
)
_MINE = (
    "SELECT subject, example, verdict, reason, new_example, places, changes, resolves FROM all_reviews"
    " WHERE recipe = ? AND reviewer = ? AND stands"
)
_LATEST = "SELECT max(made) AS made FROM review WHERE recipe = ?"
_KNOWN = "SELECT id FROM review WHERE id = ?"


class RefusedError(EngineError):
    """A verdict that cannot be followed; nothing was stored."""


def reason_words(reason: str) -> str:
    """Return a reason of a rejection as a sentence says it; one of another engine as it is."""
    return next((words for one, words in REASONS.items() if one == reason), reason)


def reviewer_name(name: str | None) -> str:
    """Return who reviews: as named, or git's user name, or that of the account.

    Raises:
        EngineError: it is empty, too long, or has characters that cannot be seen.
    """
    chosen = _own_name() if name is None else name
    chosen = unicodedata.normalize("NFC", " ".join(chosen.split()))
    if not chosen or len(chosen) > LONGEST_NAME or not chosen.isprintable():
        raise EngineError(
            f"'{ascii(chosen)[1:-1][:80]}' is no name for a reviewer",
            f"--reviewer NAME, of at most {LONGEST_NAME} characters",
        )
    return chosen


def _own_name() -> str:
    git = shutil.which("git")
    if git:
        asked = subprocess.run(
            [git, "config", "user.name"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _name(given: str | None) -> str:
    """Return a verdict's id: the given one, or a new one; raises RefusedError where it has another form."""
    if given is None:
        return uuid.uuid4().hex[:24]
    if not _NAME.fullmatch(given):
        raise RefusedError("a verdict's id is 24 digits of base 16")
    return given


def _told(row: Mapping[str, Any]) -> str:
    parts = [f"{row['reviewer']}: {row['verdict']}"]
    if row["reason"]:
        parts.append(reason_words(row["reason"]))
    if row["new_target"] is not None:
        texts = " | ".join(text_values(row["new_inputs"]).values())
        parts.append(
            f"{texts} → {row['new_target']}" if row["verdict"] == "edit" else row["new_target"]
        )
    return "; ".join([*parts, *([row["note"]] if row["note"] else [])])


class Desk:
    """One reviewer's work on the rows of one recipe."""

    def __init__(
        self,
        state: Path,
        recipe: Recipe,
        reviewer: str,
        *,
        resolves: bool = False,
        run: str | None = None,
        looks: bool = False,
    ) -> None:
        """Take the rows of the recipe's latest run, or of the one that a sitting began with.

        Args:
            state: Folder of the store.
            recipe: The recipe.
            reviewer: Who reviews; see `reviewer_name`.
            resolves: Whether what is said ends disagreements.
            run: The run whose rows were shown; the latest when left out.
            looks: Only look: nothing is written, not even what a killed run left.

        Raises:
            EngineError: there is no run of the recipe.
        """
        self.state, self.reviewer, self._recipe, self._resolves = state, reviewer, recipe, resolves
        # A store of an earlier engine is brought up to date; what a killed run left is taken in.
        if not looks:
            Store.open(state, create_missing=False)
        with reader(state) as query:
            self.place: Reviewable = (
                reviewable(query, recipe.name) if run is None else of_run(query, recipe.name, run)
            )
            self.reviewers = [row["reviewer"] for row in query(_REVIEWERS, [recipe.name])]
            ((last,),) = [list(row.values()) for row in query(_LATEST, [recipe.name])]
        self._last = last

    @property
    def is_new(self) -> bool:
        """Whether this reviewer has said nothing of the recipe's rows yet."""
        return self.reviewer not in self.reviewers

    # What is to be looked at.

    def items(self, queue: Queue, n: int, pattern: str | None = None) -> tuple[list[Item], int]:
        """Return the first rows of a queue that wait for this reviewer, and how many wait; raises EngineError."""
        with reader(self.state) as query:
            # Whoever ends a disagreement may be one of those who disagree.
            who = "" if self._resolves else self.reviewer
            every = waiting(query, self.place, queue, who, pattern)
            return sample(query, self.place, every, n), len(every)

    def listed(self, queue: Queue) -> list[Entry]:
        """Return all rows of a queue, with what was said of them as far as this reviewer may know it."""
        with reader(self.state) as query:
            return listed(query, self.place, queue, self.reviewer, tells=self._resolves)

    def waiting(self) -> dict[Queue, int]:
        """Return how many rows of each queue wait for this reviewer."""
        with reader(self.state) as query:
            return {
                queue: len(waiting(query, self.place, queue, self.reviewer)) for queue in QUEUES
            }

    def others(self, item: Item) -> list[str]:
        """Return what the reviewers said who differ on a row, in words; only whoever ends that is told."""
        if not self._resolves:
            return []
        with reader(self.state) as query:
            rows = query(_SAID, [self.place.recipe, *item.key])
        return [_told(row) for row in rows]

    def said(self, items: Iterable[Item]) -> dict[tuple[str, str], tuple[str, str, str | None]]:
        """Return this reviewer's last word on rows, by subject and id: verdict, reason, and the row it becomes.

        One that would have to be said again is left out: of other places, or where this desk ends disagreements.
        """
        asked = {item.key: item for item in items}
        with reader(self.state) as query:
            rows = query(_MINE, [self.place.recipe, self.reviewer])
        return {
            (r["subject"], r["example"]): (r["verdict"], r["reason"], r["new_example"])
            for r in rows
            if (item := asked.get((r["subject"], r["example"]))) is not None
            and settles(r, item)
            and (r["resolves"] or not self._resolves)
        }

    def find(self, examples: Sequence[str], queue: Queue = "candidates") -> dict[str, Item]:
        """Return rows by their ids; ids of rows that cannot be reviewed are left out.

        A row of the data and a candidate may be the same: then it is the one that is in this queue.
        """
        with reader(self.state) as query:
            known = found(query, self.place, examples, queue)
            whole = with_answers(query, self.place.run, list(known.values()))
        return {item.example: item for item in whole}

    # What can be said.

    # `name` is the verdict's id where whoever sends it says one: sent again, it is the same verdict.

    def accept(self, item: Item, queue: Queue, note: str = "", name: str | None = None) -> Review:
        """Say that a row is right as it is; raises RefusedError where it may not be trained on."""
        self.checked_as_it_is(item)
        return self._record(self.review(item, queue, "accept", note=note, name=name))

    def reject(
        self, item: Item, queue: Queue, reason: Reason, note: str = "", name: str | None = None
    ) -> Review:
        """Say that a row is not to be trained on; raises RefusedError for an unknown reason."""
        if reason not in REASONS:
            raise RefusedError(
                f"'{reason}' is no reason", did_you_mean(reason, REASONS) or ", ".join(REASONS)
            )
        review = self.review(item, queue, "reject", reason=reason, note=note, name=name)
        return self._record(review)

    def change(
        self,
        item: Item,
        queue: Queue,
        inputs: Mapping[str, str],
        target: str,
        note: str = "",
        name: str | None = None,
    ) -> Review:
        """Say what a row should be: another target (`relabel`), or other texts (`edit`).

        Raises:
            RefusedError: nothing is changed, it is no row of the task, or it gives away an evaluation row.
        """
        inputs, target = self.checked(item, inputs, target)
        review = self.review(item, queue, inputs=inputs, target=target, note=note, name=name)
        return self._record(review)

    def checked_as_it_is(self, item: Item) -> None:
        """Check a row that is to be accepted, where nobody let it pass yet; raises RefusedError."""
        if item.state == "rejected":
            self._check(item, item.inputs, item.target)

    def checked(
        self, item: Item, inputs: Mapping[str, str], target: str
    ) -> tuple[dict[str, str], str]:
        """Return a row as it would be trained on; raises RefusedError as `change` does."""
        if unknown := sorted(set(inputs) - set(item.inputs)):
            raise RefusedError(f"the row has no column '{unknown[0]}'", ", ".join(item.inputs))
        whole = {**item.inputs, **inputs}
        target = self._check(item, whole, target)
        if example_id(whole, target) == item.example:
            raise RefusedError("nothing is changed", "accept the row if it is right as it is")
        return whole, target

    def undo(self, of: str | None = None, name: str | None = None) -> Review | None:
        """Take back a verdict of this reviewer, which stays in the store; return that, None where there is none.

        Args:
            of: The verdict's id; the last one when left out.
            name: As in `accept`.
        """
        with reader(self.state) as query:
            rows = query(_LAST, [self.place.recipe, self.reviewer, of])
        if not rows:
            return None
        row = rows[0]
        return self._record(
            Review(
                id=_name(name), recipe=self.place.recipe, run=row["run"], made=self._time(),
                reviewer=self.reviewer, queue=row["queue"], subject=row["subject"], example=row["example"],
                candidate=row["candidate"], verdict="undo", reason="", note=row["verdict"],
                inputs=text_values(row["inputs"]), target=row["target"], new_example=None, new_inputs=None,
                new_target=None, places=[], changes=False, undoes=row["id"],
            )
        )  # fmt: skip

    def review(
        self,
        item: Item,
        queue: Queue,
        verdict: Said | None = None,
        *,
        reason: str = "",
        note: str = "",
        inputs: Mapping[str, str] | None = None,
        target: str | None = None,
        name: str | None = None,
    ) -> Review:
        """Return a verdict as it is stored; of a change, `checked` says what inputs and target are."""
        changed = inputs is not None and target is not None
        if verdict is None:
            verdict = "relabel" if inputs == item.inputs else "edit"
        return Review(
            id=_name(name),
            recipe=self.place.recipe,
            run=self.place.run,
            made=self._time(),
            reviewer=self.reviewer,
            queue=queue,
            subject=item.subject,
            example=item.example,
            candidate=item.candidate,
            verdict=verdict,
            reason=reason,
            note=" ".join(note.split()),
            inputs=item.inputs,
            target=item.target,
            new_example=example_id(inputs, target) if changed and inputs and target else None,
            new_inputs=inputs if changed else None,
            new_target=target if changed else None,
            places=[list(place) for place in item.places],
            changes=changes(item, verdict),
            resolves=self._resolves,
            judge=self._judging.marks.get(item.judged_in),
            judge_passes=item.judge_passes,
            judge_share=self._judging.passes,
        )

    @cached_property
    def _judging(self) -> Judging:
        with reader(self.state) as query:
            return judging(query, self.place.run)

    def record_all(self, reviews: Sequence[Review]) -> None:
        """Store verdicts that were checked before, all or none; raises StoreError."""
        if reviews:
            add_reviews(self.state, reviews)

    # What a row may be.

    @cached_property
    def labels(self) -> Sequence[str]:
        """The task's labels; empty where targets are no labels."""
        labels: Sequence[str] = self._task.labels
        return labels

    def _check(self, item: Item, inputs: Mapping[str, str], target: str) -> str:
        """Return a target in its kind's own form; raises RefusedError where the row may not be trained on."""
        target, why = read_again(task_view(self._recipe.task), self._task, inputs, target)
        if why:
            known = self.labels
            hint = did_you_mean(target, known) if known and target not in known else ""
            raise RefusedError(f"this is no row of the task: {why}", hint)
        for text in (*inputs.values(), target):
            if broken := unclean(text, None):
                raise RefusedError(f"this is no row of the task: {broken}")
        is_clean = dict(inputs) == dict(item.inputs) and item.state != "rejected"
        checked = (None if is_clean else inputs, target)
        if item.subject != "validation" and (leak := leaks(self._guard, [checked])[0]):
            raise RefusedError(
                f"the row may not be trained on: it {leak}",
                "scores would be better than the student is; write it another way, or reject it",
            )
        return target

    @cached_property
    def _examples(self) -> Sequence[Example]:
        """The rows of the run's data."""
        store = Store.open(self.state, create_missing=False)
        with reader(self.state) as query:
            ((node,),) = [
                list(row.values())
                for row in query(
                    "SELECT any_value(node) AS node FROM all_run_rows WHERE run = ? AND stage = 'load'",
                    [self.place.run],
                )
            ]
        if node is None:
            raise EngineError(
                f"run {self.place.run} has not read its data yet", "let it go on first"
            )
        return Loaded(tuple(store.load_output(node))).examples

    @cached_property
    def _task(self) -> Any:
        return task_view(self._recipe.task).task(self._examples)

    @cached_property
    def _guard(self) -> LeakGuard:
        """The leak guard by wording alone, which loads no model: the next run also compares by meaning."""
        import numpy as np

        limits = self._recipe.quality.leak_guard
        return LeakGuard(
            task_view(self._recipe.task).entry,
            self._examples,
            lambda texts: np.zeros((len(texts), 1), dtype=np.float32),
            limits.ngram,
            limits.quantile,
        )

    # What is stored.

    def _time(self) -> Any:
        """Return the time, later than any verdict that this desk knows: the last word is the one said last."""
        made = now()
        if self._last is not None and made <= self._last:
            made = self._last + timedelta(microseconds=1)
        self._last = made
        return made

    def knows(self, name: str) -> bool:
        """Return whether the store has a verdict of this id already: it was sent twice."""
        with reader(self.state) as query:
            return bool(query(_KNOWN, [name]))

    def _record(self, review: Review) -> Review:
        add_reviews(self.state, [review])
        return review
