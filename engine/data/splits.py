"""The rows of a recipe's three splits: read once and handed on, for everybody.

`read_splits` reads each source once and gives a `Splits`, which is handed on: to the checks before a run, the plan
(digests), the estimate (counts), and the stage `load`, which takes the rows out of it. What is wrong is collected;
whoever needs the rows asks `take` and gets it as one error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.backends import BACKENDS
from engine.data.assembly import Assembly, place_key
from engine.data.logged import Log
from engine.data.overlap import Shared, shared_rows, text_in
from engine.data.pool import Pool
from engine.data.reading import read_together
from engine.data.records import Choice, Reading
from engine.data.rules import rules_for
from engine.data.sources.files import NO_DATA, problem
from engine.data.sources.hub import Hub
from engine.data.sources.origins import Origin, notes_of, resolve_source
from engine.data.split_rows import SplitRows
from engine.errors import Location, Problem, RecipeError
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe
from engine.sql import check_expression
from engine.sql.expressions import Kind


def read_splits(loaded: LoadedRecipe, *, network: bool = False) -> Splits:
    """Return the rows of a recipe; see `Splits.read`."""
    splits = Splits(loaded)
    splits.read(network=network)
    return splits


class Splits:
    """The rows of a recipe, read at most once and handed on."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        """Find the sources of a recipe; nothing is read yet."""
        student = BACKENDS.get(loaded.recipe.models.student.backend)
        writes = student is not None and student.train is None
        self.rules = rules_for(loaded.recipe.task, writes=writes)
        """What the task makes of rows."""
        self.rows: dict[str, SplitRows] = {}
        """The splits that were read and have rows; none after `take`."""
        self.counts: dict[str, int] = {}
        """Split -> rows, also after `take`."""
        self.left_out: dict[str, int] = {}
        """Split -> bad rows that were left out, where there are any."""
        self.redacted = 0
        """Rows that `privacy.redact` changed, without those left out."""
        self.problems: list[Problem] = []
        """What is wrong or odd, warnings included."""
        self.log = Log(loaded, self.rules) if loaded.recipe.failures.log else None
        """The log of the recipe, None without one."""
        self.pool = Pool(loaded, self.rules) if loaded.recipe.data.pool else None
        """The pool of the recipe, None without one."""
        self._loaded = loaded
        self._origins: dict[str, Origin] = {}
        """Split -> where its rows are; a split that takes rows from another has none of its own."""
        self._unresolved: list[Problem] = []
        for split in SPLITS:
            source = loaded.recipe.data.of(split)
            if source.split_from is None:
                try:
                    self._origins[split] = resolve_source(source, loaded.base)
                except RecipeError as error:
                    self._unresolved += _unresolved(loaded, split, error)
        self._remote: frozenset[str] | None = None
        """Splits that are not on this machine; None where nobody asked."""
        self._read: set[str] = set()
        """Splits whose rows were read, and not given away since."""
        self._readings: dict[str, Reading | RecipeError] = {}
        """What reading gave, while other splits are still to be read."""
        self._digests: dict[Origin, str] = {}
        self._stamps: dict[Origin, object] = {}
        self._shared: dict[tuple[str, str], Shared] = {}
        """Split, earlier split -> the rows that both have; asked for by the check and the table."""
        self._notes: dict[Origin, list[Problem]] = {}
        """What was detected of how each source's files are written."""

    def read(self, *, network: bool = False) -> None:
        """Read what was not read yet, or was given away since: what is on this machine; with `network` all."""
        if self._remote is None:
            self._remote = frozenset(
                split
                for split, origin in self._origins.items()
                if isinstance(origin, Hub) and not network and not origin.cached()
            )
        reachable = [s for s in self._origins if network or s not in self._remote]
        self._read_sources([split for split in reachable if split not in self._read])

    @property
    def was_read(self) -> bool:
        """Whether a source was there and is read, whatever is wrong with its rows."""
        return bool(self._read)

    def problems_unread(self) -> list[Problem]:
        """Return what is wrong whatever the rows are: with their places, unless they are not there, and with SQL."""
        wrong = [problem for problem in self._unresolved if problem.code != NO_DATA]
        for split in self._origins:
            wrong += _wrong_expressions(self._loaded, split)
        return wrong

    def take(self) -> dict[str, SplitRows]:
        """Return the rows of all three splits, which are not kept here: who takes them may use them up.

        Raises:
            RecipeError: with all errors, where there are any.
        """
        self.read(network=True)
        # Splits may share a file: what is wrong there is said once.
        if errors := dict.fromkeys(p for p in self.problems if p.level == "error"):
            raise RecipeError(list(errors))
        rows = self.rows
        self.forget()
        return rows

    def forget(self) -> None:
        """Release the rows, which are no longer needed; if they are after all, they are read again."""
        self.rows, self._readings, self._read = {}, {}, set()

    def shared(self, split: str, earlier: str) -> Shared:
        """Return which rows of a split that was read are in another one too; found once."""
        if (split, earlier) not in self._shared:
            recipe = self._loaded.recipe
            text = text_in(recipe.task)
            rows = [text(record) for record in self.rows[split].records]
            others = [text(record) for record in self.rows[earlier].records]
            ngram = recipe.quality.leak_guard.ngram
            self._shared[split, earlier] = shared_rows(rows, others, ngram)
        return self._shared[split, earlier]

    def digests(self) -> dict[str, str]:
        """Return what tells the rows of each split with a source from others.

        Raises:
            RecipeError: a source is not there, cannot be read, or changed since its rows were read.
        """
        if self._unresolved:
            raise RecipeError(self._unresolved)
        # These are known by their rows alone, so they are read for good.
        self._read_sources(
            [
                split
                for split, origin in self._origins.items()
                if split not in self._read and origin.known_by_rows and origin not in self._digests
            ]
        )
        return {split: self._digest(origin) for split, origin in self._origins.items()}

    @property
    def known_by_rows(self) -> bool:
        """Whether some source has no files by which its rows could be told from others."""
        return any(origin.known_by_rows for origin in self._origins.values())

    def files(self) -> dict[str, tuple[Path, ...]]:
        """Return the files of this machine that are read for each source, for those of log and pool too.

        Raises:
            RecipeError: a source is not there.
        """
        files = {split: origin.files for split, origin in self._origins.items()}
        for name, more in (("log", self.log), ("pool", self.pool)):
            if more is not None:
                files[name] = more.files
        return files

    def _digest(self, origin: Origin) -> str:
        if origin not in self._digests:
            try:
                self._digests[origin] = origin.digest()
                self._refuse_change(origin)
            except OSError as error:
                reason = error.strerror or str(error)
                message = f"this file cannot be read: {reason}"
                raise problem(origin.files[0], message, "check it") from None
        return self._digests[origin]

    def _refuse_change(self, origin: Origin) -> None:
        """Raise RecipeError where files are not those that were read: their rows would pass for others."""
        if origin.known_by_rows:
            return
        stamp = [_stamp(file) for file in origin.files]
        if self._stamps.setdefault(origin, stamp) != stamp:
            raise _changed(origin)

    @property
    def _needed(self) -> list[str]:
        """The columns of the task that some row must have."""
        task = self._loaded.recipe.task
        return [c for c in (*task.input, task.target) if c not in self.rules.found]

    def _read_sources(self, splits: Sequence[str]) -> None:
        """Read sources, each place once, and put the splits together from all that was read so far."""
        recipe = self._loaded.recipe
        together: dict[Origin, list[str]] = defaultdict(list)
        for split in splits:
            together[self._origins[split]].append(split)
        for origin, members in together.items():
            self._refuse_change(origin)
            readings = read_together(
                origin,
                {split: Choice.of(recipe.data.of(split)) for split in members},
                self.rules.check,
                self._needed,
                drop=recipe.data.on_bad_row == "drop",
            )
            for reading in readings.values():
                digest = reading.digest if isinstance(reading, Reading) else None
                if digest and self._digests.setdefault(origin, digest) != digest:
                    raise _changed(origin)
            self._readings |= readings
            self._read.update(members)
        if splits or not self._read:
            self._put_together()

    def _put_together(self) -> None:
        assembly = Assembly(self._loaded, self.rules)
        assembly.problems += self._unresolved
        for split, origin in self._origins.items():
            if split not in self._read and isinstance(origin, Hub):
                assembly.problems += _unfetched(self._loaded, split, origin)
        for origin in dict.fromkeys(
            self._origins[split] for split in SPLITS if split in self._read
        ):
            if origin not in self._notes:
                self._notes[origin] = notes_of(origin)
            assembly.problems += self._notes[origin]
        assembly.run(self._origins, self._readings)
        self.rows, self.problems, self._shared = assembly.rows, assembly.problems, {}
        self.counts = {split: len(rows.records) for split, rows in assembly.rows.items()}
        self.left_out, self.redacted = assembly.left_out, assembly.redacted
        if len(self._read) == len(self._origins):
            self._readings = {}


def _stamp(file: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written; None where there is no file."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _changed(origin: Origin) -> RecipeError:
    message = "this was changed while its rows were read and checked"
    hint = "start again when it is whole"
    return RecipeError([Problem(Location(origin.name), message, hint, code="data")])


def _unresolved(loaded: LoadedRecipe, split: str, error: RecipeError) -> Iterator[Problem]:
    """Yield what is wrong with the place of a split's rows, and with its SQL."""
    key = place_key(loaded, split)
    for cause in error.problems:
        message = f"data.{split}.{key}: {cause.where}: {cause.message}"
        hint = cause.hint + _other_place(loaded, split, key)
        code = cause.code if cause.code in ("outside", NO_DATA) else "data"
        yield Problem(loaded.at("data", split, key), message, hint, code=code)
    yield from _wrong_expressions(loaded, split)


def _other_place(loaded: LoadedRecipe, split: str, key: str) -> str:
    """Return how to name another place from the command line, where the recipe leaves it open; else nothing."""
    written = str(loaded.document.data["data"][split][key])
    names = [name for name, value in loaded.vars.items() if f"{value}/" in f"{written}/"]
    return f"; another place is named by --var {names[0]}=…" if names else ""


def _unfetched(loaded: LoadedRecipe, split: str, origin: Hub) -> Iterator[Problem]:
    """Say that a data set is not on this machine; an error where it cannot be had from the Hub either."""
    where = loaded.at("data", split, "path")
    if not_there := origin.reachable():
        message = f"data.{split}: {origin.name}: {not_there.message}"
        yield Problem(where, message, not_there.hint, code="hub")
    else:
        message = (
            f"data.{split}: the rows of {origin.name} are checked when the run reads them, not here"
        )
        pin = "pin a revision (name@revision), so that the rows stay the same"
        yield Problem(where, message, "" if "@" in origin.name else pin, "warning", "hub")
    yield from _wrong_expressions(loaded, split)


def _wrong_expressions(loaded: LoadedRecipe, split: str) -> Iterator[Problem]:
    """Check the SQL of a source without its rows: what is no expression is wrong whatever they are."""
    source = loaded.recipe.data.of(split)
    parts: list[tuple[tuple[str, ...], str, Kind]] = [
        (("columns", name), sql, "value") for name, sql in source.columns.items()
    ]
    if source.where is not None:
        parts.append((("where",), source.where, "condition"))
    for key, sql, kind in parts:
        if fault := check_expression(sql, None, kind):
            at = loaded.at("data", split, *key)
            message = f"data.{split}.{'.'.join(key)}: {fault.message}"
            yield Problem(at, message, fault.hint, code="sql")
