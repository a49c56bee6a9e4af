"""The pool: rows, labelled or not, from which a recipe mines, read in batches as the data's rows are.

It may be larger than memory: nothing of it is kept here. Labels are read only for those that take them for right:
several recipes may share a pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.data.reading import NoColumnError, SettingError, stream_source
from engine.data.records import BadRow, Choice, Record
from engine.data.redaction import Rule, redact, redact_texts
from engine.data.rules import RowRules
from engine.data.sources.hub import Hub
from engine.data.sources.origins import Origin, name_of, notes_of, resolve_source
from engine.errors import Problem, RecipeError
from engine.spec.loader import LoadedRecipe
from engine.sql.expressions import Fault
from engine.sql.patterns import check_pattern

_HINT = "docs/mining.md shows what a pool has"


class PoolBatch(NamedTuple):
    """Some rows of a pool, one after the other."""

    records: list[Record]
    bad: list[str]
    """Place and fault of each row that is left out."""


class Pool:
    """The rows of a pool, read anew by whoever wants them."""

    def __init__(self, loaded: LoadedRecipe, rules: RowRules) -> None:
        """Take the recipe, which has a pool, and what its task makes of rows; nothing is read yet."""
        source = loaded.recipe.data.pool
        if source is None:
            raise ValueError("a recipe without a pool")
        self._loaded, self._rules, self._source = loaded, rules, source
        task = loaded.recipe.task
        self._target, self._inputs = task.target, task.input
        self._digest: str | None = None
        self._redactions = [
            Rule(rule.pattern, rule.replacement)
            for rule in loaded.recipe.privacy.redact
            if check_pattern(rule.pattern) is None
        ]

    @property
    def name(self) -> str:
        """What its rows are said to come from where they are stored."""
        return name_of(self._source)

    def problems(self, *, labelled: bool) -> list[Problem]:
        """Return what is wrong with its place, its columns and its first rows; the others are read by the run.

        Rows of the Hub that are not on this machine are not looked at. `labelled`: as of `batches`.
        """
        try:
            origin = self._origin()
            if isinstance(origin, Hub) and not origin.cached():
                return []
            first = replace(Choice.of(self._source), sample=None)
            next(self._batches(origin, first, labelled))
        except StopIteration:
            return [self._problem("the pool has no rows", "name a pool with rows, or leave it out")]
        except RecipeError as error:
            return error.problems
        return notes_of(origin)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of this machine that it is read from. Raises RecipeError."""
        return self._origin().files

    def digest(self) -> str:
        """Return what tells these rows from others. Raises RecipeError."""
        if self._digest is None:
            self._digest = self._origin().digest()
        return self._digest

    def batches(self, *, labelled: bool) -> Iterator[PoolBatch]:
        """Yield all rows in their order, some at a time; raises RecipeError with what is wrong with them.

        Args:
            labelled: Whether the target's column is taken for right; else no row has a label.
        """
        yield from self._batches(self._origin(), Choice.of(self._source), labelled)

    def _batches(self, origin: Origin, choice: Choice, labelled: bool) -> Iterator[PoolBatch]:
        drop = self._loaded.recipe.data.on_bad_row == "drop"
        columns = [*self._inputs, *([self._target] if labelled else [])]
        check = self._labelled if labelled else self._unlabelled
        try:
            for records, bad in stream_source(origin, choice, check, columns, drop=drop):
                if records or bad:
                    yield PoolBatch(
                        redact(records, self._redactions, keep=(self._target,)).records
                        if self._redactions
                        else records,
                        self._told(bad),
                    )
        except SettingError as error:
            (message,) = redact_texts([error.fault.message], self._redactions)
            at = self._loaded.at("data", "pool", *error.key)
            text = f"data.pool.{'.'.join(error.key)}: {message}"
            raise RecipeError([Problem(at, text, error.fault.hint, code=error.code)]) from None
        except NoColumnError as error:
            raise RecipeError(
                [
                    self._problem(
                        f"no row of {error.origin} has a column '{column}'", hint or _HINT
                    )
                    for column, hint in error.lacking.items()
                ]
            ) from None

    def _told(self, bad: list[BadRow]) -> list[str]:
        faults = redact_texts([row.fault.message for row in bad], self._redactions)
        return [
            f"{row.file or self.name}:{row.line}:{row.column}: {fault}"
            for row, fault in zip(bad, faults, strict=True)
        ]

    def _labelled(self, values: dict[str, Any]) -> Fault | tuple[str, ...]:
        right = values.get(self._target)
        if right is not None and str(right).strip():
            return self._rules.check(values)
        return self._unlabelled(values)

    def _unlabelled(self, values: dict[str, Any]) -> Fault | tuple[str, ...]:
        # A label that nobody asked for must not be seen by anything.
        values[self._target] = None
        return self._rules.unanswered(values)

    def _origin(self) -> Origin:
        try:
            return resolve_source(self._source, self._loaded.base)
        except RecipeError as error:
            raise RecipeError(
                [self._problem(f"{p.where}: {p.message}", p.hint) for p in error.problems]
            ) from None

    def _problem(self, message: str, hint: str) -> Problem:
        key = "path" if self._source.path is not None else "sql"
        at = self._loaded.at("data", "pool", key)
        return Problem(at, f"data.pool.{key}: {message}", hint, code="pool")
