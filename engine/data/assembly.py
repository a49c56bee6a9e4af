"""From what was read to splits as a run sees them: rows given to the splits that take them, labels checked, redacted.

What is wrong is collected, at the place in the recipe that causes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from engine.data.labels import (
    accent_problems,
    nearest_spelling,
    one_spelling,
    respelled,
    spelling_problems,
    spellings,
    visible,
)
from engine.data.overlap import text_in, wording
from engine.data.reading import NoColumnError, SettingError
from engine.data.records import Reading, Record, references_of, told_once
from engine.data.redaction import Rule, count_hits, redact, redact_texts
from engine.data.rules import RowRules
from engine.data.sampling import fill_splits
from engine.data.sources.origins import Origin, name_of
from engine.data.split_rows import SplitRows
from engine.errors import Location, Problem, RecipeError
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe, dotted
from engine.spec.recipe import SplitFrom
from engine.sql.expressions import Fault
from engine.sql.patterns import check_pattern

_MOST_SHOWN = 10
_NOT_READ = "a student that says what it is trained to say is not right here"
_READ_HINT = (
    "docs/tasks.md says how answers are read: write the target differently, or leave such rows out: "
    "`on_bad_row: drop`"
)


class Assembly:
    """Puts what was read together to splits as a run sees them; changes nothing of what was read."""

    def __init__(self, loaded: LoadedRecipe, rules: RowRules) -> None:
        self.loaded, self.rules = loaded, rules
        self.drop = loaded.recipe.data.on_bad_row == "drop"
        self.rows: dict[str, SplitRows] = {}
        self.problems: list[Problem] = []
        self.left_out: dict[str, int] = {}
        self.redacted = 0
        self._read_back: dict[str, str | None] = {}
        """Target that is a label -> why it is not read back."""
        self.patterns: dict[int, Rule] = {}
        """The usable ones of `privacy.redact`, by their place in it."""
        for index, rule in enumerate(loaded.recipe.privacy.redact):
            if fault := check_pattern(rule.pattern):
                self._setting(("privacy", "redact", index, "pattern"), fault, "redact")
            else:
                self.patterns[index] = Rule(rule.pattern, rule.replacement)

    def run(
        self, origins: Mapping[str, Origin], readings: Mapping[str, Reading | RecipeError]
    ) -> None:
        """Go from readings to splits."""
        self._add(origins, readings)
        if self.rules.labels:
            self._settle_spellings(self.rules.labels)
        self._fill()
        if self.rules.labels:
            self._check_labels(self.rules.labels)
        self._check_read_back()
        if self.patterns:
            self._redact()
        self.left_out = {split: len(r.bad) for split, r in self.rows.items() if r.bad}
        for split in [split for split, rows in self.rows.items() if not rows.records]:
            self._refuse_empty(self.rows.pop(split))

    def _setting(self, path: tuple[str | int, ...], fault: Fault, code: str) -> None:
        """Note what is wrong with a setting, where the recipe has it."""
        message = f"{dotted(path)}: {fault.message}"
        self.problems.append(Problem(self.loaded.at(*path), message, fault.hint, code=code))

    def _without_secrets(self, messages: Sequence[str]) -> list[str]:
        """Return what is said of rows without what is redacted: it may quote them, and is stored."""
        return redact_texts(messages, list(self.patterns.values()))

    def _add(
        self, origins: Mapping[str, Origin], readings: Mapping[str, Reading | RecipeError]
    ) -> None:
        """Take what was read, and note what could not be."""
        lacking: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for split in (split for split in SPLITS if split in readings):
            reading, origin = readings[split], origins[split]
            if isinstance(reading, Reading):
                self._add_rows(split, origin, reading)
            elif isinstance(reading, SettingError):
                (message,) = self._without_secrets([reading.fault.message])
                fault = Fault(message, reading.fault.hint)
                self._setting(("data", split, *reading.key), fault, reading.code)
            elif isinstance(reading, NoColumnError):
                self._add_errors(reading.others)
                for column, hint in reading.lacking.items():
                    lacking[column].append((reading.origin, hint))
            else:
                self._add_errors(reading.problems)
        task = self.loaded.recipe.task
        for column, places in lacking.items():
            is_input = column in task.input
            path = ("input", task.input.index(column)) if is_input else ("target",)
            names = ", ".join(dict.fromkeys(name for name, _ in places))
            message = f"task.{path[0]}: no row has a column '{column}' in {names}"
            at = self.loaded.at("task", *path)
            self.problems.append(Problem(at, message, places[0][1], code="no-column"))

    def _add_errors(self, problems: Sequence[Problem]) -> None:
        messages = self._without_secrets([problem.message for problem in problems])
        pairs = zip(problems, messages, strict=True)
        self.problems += [replace(problem, message=message) for problem, message in pairs]

    def _add_rows(self, split: str, origin: Origin, reading: Reading) -> None:
        """Take the rows of a source; of those that are left out the first are warned of, of the others how many."""
        source = name_of(self.loaded.recipe.data.of(split))
        messages = self._without_secrets([bad.fault.message for bad in reading.bad])
        details = [
            f"{bad.file or source}:{bad.line}:{bad.column}: {message}"
            for bad, message in zip(reading.bad, messages, strict=True)
        ]
        self.rows[split] = SplitRows(
            split, origin.name, source, reading.records, reading.types, origin.by_row, details
        )
        bad = [
            bad._replace(fault=Fault(f"left out: {message}", bad.fault.hint))
            for bad, message in zip(reading.bad, messages, strict=True)
        ]
        told = told_once(bad, origin.name, by_row=origin.by_row)
        self.problems += [
            replace(problem, level="warning", code="bad-row") for problem in told[:_MOST_SHOWN]
        ]
        if len(told) > _MOST_SHOWN:
            last = told[_MOST_SHOWN - 1].where
            at = Location(last.file, last.line, last.column + 1)
            message = f"left out: {len(told) - _MOST_SHOWN} more kinds of bad rows of {split}, {len(bad):,} rows in all"
            hint = "a run records each in the table drop"
            self.problems.append(Problem(at, message, hint, "warning", "bad-row"))

    def _fill(self) -> None:
        """Give rows to the splits that take them from others."""
        data, task = self.loaded.recipe.data, self.loaded.recipe.task
        takers: dict[str, SplitFrom] = {
            split: source.split_from
            for split in SPLITS
            if (source := data.of(split)).split_from is not None
        }
        records = {split: rows.records for split, rows in self.rows.items()}
        text = text_in(task)
        filled = fill_splits(
            records,
            takers,
            task.input,
            task.target if self.rules.labels else None,
            lambda record: wording(text(record)),
        )
        for split, fault in filled.faults.items():
            self._setting(("data", split, "split_from"), fault, "data")
        for split, taken in filled.splits.items():
            giver = self.rows[takers[split].split if split in takers else split]
            bad = [] if split in takers else giver.bad
            self.rows[split] = SplitRows(
                split, giver.file, giver.source, taken, giver.types, giver.by_row, bad
            )

    def _settle_spellings(self, labels: Callable[[str], Sequence[str]]) -> None:
        """Give labels that the recipe counts as one their one spelling, and warn of those that it does not."""
        task = self.loaded.recipe.task
        found = spellings(self.rows, task.target, labels)
        if task.fold_labels:
            names = one_spelling(found, task.label_names, task.fold_labels)
            for rows in self.rows.values() if names else ():
                rows.records = respelled(rows.records, task.target, names, self.rules.relabel)
            found = spellings(self.rows, task.target, labels)
        self.problems += spelling_problems(self.loaded, found)
        self.problems += accent_problems(self.loaded, found)

    def _check_labels(self, labels: Callable[[str], Sequence[str]]) -> None:
        """Refuse rows whose label is not declared, or is in no training row where none are declared."""
        task, train = self.loaded.recipe.task, self.rows.get("train")
        if train is None or not train.records:
            return
        if task.labels is None:
            known = {label for r in train.records for label in labels(str(r.values[task.target]))}
            message = "the label '{}' is in no training row"
            hint = "add training rows with it, or take it out of {}"
        else:
            known, message = set(task.labels), "the target '{}' is not one of task.labels"
            hint = "add it to task.labels, or correct the row"
        for split, rows in self.rows.items():
            faults: list[tuple[Record, Fault]] = []
            for record in rows.records:
                named = labels(str(record.values[task.target]))
                strange = next((label for label in named if label not in known), None)
                if strange is not None:
                    near = nearest_spelling(strange, known)
                    told = (
                        hint.format(split)
                        if near is None
                        else f"'{visible(near)}' is: write it so, or see `fold_labels` in docs/data.md"
                    )
                    fault = Fault(message.format(visible(strange)), told)
                    faults.append((record, fault))
            self._refuse(rows, faults, "labels")

    def _check_read_back(self) -> None:
        """Refuse rows for which a student that says what it is trained to say would not be right."""
        known = self._known_labels()
        for rows in self.rows.values():
            wrong = [(r, why) for r in rows.records if (why := self._misread(r, known))]
            # One problem for all of them: the first row says what it is.
            faults = [(r, Fault(f"{_NOT_READ}: {wrong[0][1]}", _READ_HINT)) for r, _ in wrong]
            self._refuse(rows, faults, "read-back")

    def _known_labels(self) -> dict[str, None]:
        """Return the task's labels, or those of the training rows; none where targets are no labels."""
        task, labels, train = self.loaded.recipe.task, self.rules.labels, self.rows.get("train")
        if labels is None:
            return {}
        records = train.records if train else []
        trained = {label for r in records for label in labels(str(r.values[task.target]))}
        return dict.fromkeys(task.label_names or sorted(trained))

    def _misread(self, record: Record, known: Mapping[str, None]) -> str | None:
        target, labels = str(record.values[self.loaded.recipe.task.target]), self.rules.labels
        if labels is None:
            return self.rules.misread(record, ())
        # That a label is unknown has been said; else it does not depend on the row.
        if target not in self._read_back:
            unknown = any(label not in known for label in labels(target))
            self._read_back[target] = None if unknown else self.rules.misread(record, tuple(known))
        return self._read_back[target]

    def _redact(self) -> None:
        """Replace what the patterns match; a row that no longer holds its answer is a bad one."""
        target, rules = self.loaded.recipe.task.target, list(self.patterns.values())
        records = [record for rows in self.rows.values() for record in rows.records]
        answers = {
            answer
            for record in records
            for answer in (str(record.values[target]), *references_of(record, target))
        }
        in_answers = dict(zip(self.patterns, count_hits(answers, rules), strict=True))
        done = redact(records, rules, keep=(target,))
        hits = dict(zip(self.patterns, done.hits, strict=True))
        following = iter(done.records)
        for rows in self.rows.values():
            rows.records = list(islice(following, len(rows.records)))
            changed = [record for record in rows.records if record.redacted]
            faults = [(r, fault) for r in changed if (fault := self.rules.still(r))]
            self.redacted += len(changed) - (len(faults) if self.drop else 0)
            self._refuse(rows, faults, "redact")
        whole = len(self.rows) == len(SPLITS)
        for index in self.patterns:
            self._note_odd_pattern(index, whole and not hits[index], in_answers[index] > 0)

    def _note_odd_pattern(self, index: int, is_idle: bool, in_targets: bool) -> None:
        at = self.loaded.at("privacy", "redact", index, "pattern")
        if is_idle:
            message = f"privacy.redact[{index}] matches in no row: it redacts nothing"
            hint = "check the pattern; `(?i)` in front of it ignores case"
            self.problems.append(Problem(at, message, hint, "warning", "redact"))
        if in_targets:
            target = self.loaded.recipe.task.target
            message = (
                f"privacy.redact[{index}] matches in the target '{target}', which stays as it is"
            )
            hint = "the target is the answer: rename such answers in the data"
            self.problems.append(Problem(at, message, hint, "warning", "redact"))

    def _refuse(self, rows: SplitRows, faults: Sequence[tuple[Record, Fault]], code: str) -> None:
        """Refuse rows, or leave them out where the recipe says so: one problem per fault."""
        same: dict[Fault, list[Record]] = defaultdict(list)
        messages = self._without_secrets([fault.message for _, fault in faults])
        for (record, fault), message in zip(faults, messages, strict=True):
            same[Fault(message, fault.hint)].append(record)
            if self.drop:
                rows.bad.append(f"{record.file or rows.source}:{record.line}:1: {message}")
        for fault, records in same.items():
            if self.drop:
                left_out = fault._replace(message=f"left out: {fault.message}")
                self.problems.append(rows.problem(records, left_out, "warning", "bad-row"))
            else:
                self.problems.append(rows.problem(records, fault, "error", code))
        if self.drop and faults:
            bad = {id(record) for record, _ in faults}
            rows.records = [record for record in rows.records if id(record) not in bad]

    def _refuse_empty(self, rows: SplitRows) -> None:
        split = rows.split
        if rows.bad:
            hint = f"all {len(rows.bad)} rows of {rows.file} are bad and left out"
        elif self.loaded.recipe.data.of(split).where is not None:
            hint = f"no row of {rows.file} is kept by `where`"
        else:
            hint = f"{rows.file} is empty: name a file with rows"
        at = self.loaded.at("data", split, place_key(self.loaded, split))
        self.problems.append(Problem(at, f"data.{split} has no rows", hint, code="empty-split"))


def place_key(loaded: LoadedRecipe, split: str) -> str:
    """Return the key under which a split says where its rows are."""
    source = loaded.recipe.data.of(split)
    keys = ("path", "sql", "split_from")
    return next(key for key in keys if getattr(source, key) is not None)
