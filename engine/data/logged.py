"""Logged traffic: the rows of a recipe's log, read and checked as the data's rows are.

A row has the task's inputs and `output`; the right answer, and whether a user rejected the output, may be missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.data.reading import NoColumnError, SettingError, read_source
from engine.data.records import Choice, Record, shown
from engine.data.redaction import Rule, redact, redact_texts
from engine.data.rules import RowRules
from engine.data.sources.hub import Hub
from engine.data.sources.origins import Origin, name_of, notes_of, resolve_source
from engine.errors import Problem, RecipeError
from engine.spec.loader import LoadedRecipe
from engine.sql.expressions import Fault
from engine.sql.patterns import check_pattern
from engine.sql.times import no_times

OUTPUT, THUMB_DOWN = "output", "thumb_down"
"""Columns of a log: what the student said, and whether a user rejected it."""
TIME = "time"
"""Column in which a log may have its times."""
_HINT = "docs/logged.md shows what a log has"


class Log:
    """The rows of a log, read at most once and handed on."""

    def __init__(self, loaded: LoadedRecipe, rules: RowRules) -> None:
        """Take the recipe, which has a log, and what its task makes of rows; nothing is read yet."""
        source = loaded.recipe.failures.log
        if source is None:
            raise ValueError("a recipe without a log")
        self._loaded, self._rules, self._source = loaded, rules, source
        self._records: list[Record] | None = None
        self._digest: str | None = None
        self.count = 0
        """Rows that can be used, also after `take`."""
        self.bad: list[str] = []
        """Place and fault of each row that was left out, as they are stored."""
        task = loaded.recipe.task
        self._target, self._inputs = task.target, task.input
        self._redactions = [
            Rule(rule.pattern, rule.replacement)
            for rule in loaded.recipe.privacy.redact
            if check_pattern(rule.pattern) is None
        ]

    def problems(self) -> list[Problem]:
        """Return what is wrong or odd; rows of the Hub that are not on this machine are not looked at."""
        try:
            origin = self._origin()
            if isinstance(origin, Hub) and not origin.cached():
                return []
            self._read()
        except RecipeError as error:
            return error.problems
        return [*notes_of(origin), *self._left_out(origin), *self._odd_times()]

    def _odd_times(self) -> list[Problem]:
        """Return a warning where the column TIME holds what is no time."""
        values = [record.values.get(TIME) for record in self._records or ()]
        odd = no_times(values)
        if not odd:
            return []
        (shown,) = redact_texts([str(odd[0])], self._redactions)
        message = f"{len(odd)} of {len(values)} values of the log's column '{TIME}' are not times, such as '{shown}'"
        hint = (
            'write 2026-03-01 or 2026-03-01T10:00, or make it so: `columns: {time: "strptime(…)"}`'
        )
        at = self._loaded.at("failures", self._key)
        return [Problem(at, message, hint, "warning", "log-time")]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of this machine that it is read from. Raises RecipeError."""
        return self._origin().files

    def digest(self) -> str:
        """Return what tells these rows from others. Raises RecipeError."""
        origin = self._origin()
        if origin.known_by_rows:
            self._read()
        if self._digest is None:
            self._digest = origin.digest()
        return self._digest

    def take(self) -> list[Record]:
        """Return the rows, which are not kept here; raises RecipeError with all that is wrong."""
        self._read()
        records, self._records = self._records or [], None
        return records

    def _origin(self) -> Origin:
        try:
            return resolve_source(self._source, self._loaded.base)
        except RecipeError as error:
            raise RecipeError(
                [
                    self._problem(self._key, f"{p.where}: {p.message}", p.hint)
                    for p in error.problems
                ]
            ) from None

    @property
    def _key(self) -> str:
        return "path" if self._source.path is not None else "sql"

    def _problem(self, key: str, message: str, hint: str, code: str = "log") -> Problem:
        return Problem(
            self._loaded.at("failures", key), f"failures.{key}: {message}", hint, code=code
        )

    def _read(self) -> None:
        if self._records is not None:
            return
        drop = self._loaded.recipe.data.on_bad_row == "drop"
        origin = self._origin()
        try:
            reading = read_source(
                origin, Choice.of(self._source), self._check, [*self._inputs, OUTPUT], drop=drop
            )
        except SettingError as error:
            (message,) = redact_texts([error.fault.message], self._redactions)
            at = self._loaded.at("failures", *error.key)
            text = f"failures.{'.'.join(error.key)}: {message}"
            raise RecipeError([Problem(at, text, error.fault.hint, code=error.code)]) from None
        except NoColumnError as error:
            raise RecipeError(
                [
                    self._problem(
                        self._key,
                        f"no row of {error.origin} has a column '{column}'",
                        hint or _HINT,
                    )
                    for column, hint in error.lacking.items()
                ]
            ) from None
        records = reading.records
        if not any(self._judged(record) for record in records):
            what = (
                "has no rows"
                if not records
                else (
                    f"has neither a right answer ('{self._target}') nor a thumb down ('{THUMB_DOWN}') in any row"
                )
            )
            message = f"the log {origin.name} {what}, so nothing in it is known to be a failure"
            raise RecipeError([self._problem(self._key, message, _HINT)])
        name = name_of(self._source)
        faults = redact_texts([bad.fault.message for bad in reading.bad], self._redactions)
        self.bad = [
            f"{bad.file or name}:{bad.line}:{bad.column}: {fault}"
            for bad, fault in zip(reading.bad, faults, strict=True)
        ]
        self._digest = reading.digest or self._digest
        self._records = self._redacted(records, origin, drop)
        self.count = len(self._records)

    def _check(self, values: dict[str, Any]) -> Fault | tuple[str, ...]:
        said = values.get(OUTPUT)
        if said is None:
            return Fault(f"the column '{OUTPUT}' has no value", "give it one, or delete the row")
        thumb = values.get(THUMB_DOWN)
        if thumb is not None and not isinstance(thumb, bool):
            hint = f'make it so in the recipe: `columns: {{{THUMB_DOWN}: "rating < 0"}}`'
            return Fault(f"the column '{THUMB_DOWN}' must be true or false", hint)
        right = values.get(self._target)
        if right is None or (isinstance(right, str) and not right.strip()):
            values[self._target] = None
            return self._rules.unanswered(values)
        return self._rules.check(values)

    def _judged(self, record: Record) -> bool:
        values = record.values
        return values.get(self._target) is not None or values.get(THUMB_DOWN) is True

    def _redacted(self, records: list[Record], origin: Origin, drop: bool) -> list[Record]:
        """Return the rows without what is redacted; one whose answer is gone with it is a bad one."""
        if not self._redactions:
            return records
        kept, wrong = [], []
        for record in redact(records, self._redactions, keep=(self._target,)).records:
            answered = record.values.get(self._target) is not None
            fault = self._rules.still(record) if record.redacted and answered else None
            if fault is None:
                kept.append(record)
                continue
            self.bad.append(
                f"{record.file or name_of(self._source)}:{record.line}:1: {fault.message}"
            )
            at = shown(origin.name, record.file, record.line, by_row=origin.by_row)
            wrong.append(Problem(at, fault.message, fault.hint, code="redact"))
        if wrong and not drop:
            raise RecipeError(wrong)
        return kept

    def _left_out(self, origin: Origin) -> list[Problem]:
        if not self.bad:
            return []
        message = f"{len(self.bad)} bad rows of {origin.name} are left out"
        at = self._loaded.at("failures", self._key)
        hint = "a run records each in the table drop"
        return [Problem(at, message, hint, "warning", "bad-row")]
