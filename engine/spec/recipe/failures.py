"""The failures block of a recipe: which failures are diagnosed, and where logged traffic lies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from engine.bounds import Count
from engine.spec.parts import Spec
from engine.spec.recipe.data import Format, Source

FailureSource = Literal["validation", "train", "logged"]


class Failures(Spec):
    """Where the failures come from that rows are written against.

    A log has the task's input columns and `output`, what the student said. Optional are the target's column, the right
    answer; `thumb_down`, true where a user rejected the output; and any others, such as `time` and `version`.
    """

    source: FailureSource | list[FailureSource] | None = None
    """Which failures rows are written against: one of these or a list of them; the method's when left out."""
    path: str | None = None
    """The log: JSONL, JSON, CSV, TSV, Parquet or XLSX, as in `data`."""
    format: Format = Format()
    """How the files of `path` are written, as in `data`."""
    sql: str | None = None
    """One SELECT that gives the log, over data files or over the tables of `database`."""
    database: str | None = None
    """DuckDB or SQLite file that `sql` reads."""
    rename: dict[str, str] = Field(default_factory=dict)
    """New name of a column: its name in the log."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Derived columns: name: SQL expression over the columns of the log, as renamed."""
    where: str | None = None
    """SQL condition on the columns, derived ones too; other rows are left out."""
    limit: Count | None = Field(default=None, ge=1)
    """At most this many rows of the log, the first ones."""

    @property
    def sources(self) -> tuple[FailureSource, ...] | None:
        """The sources, None for those of the method."""
        if self.source is None:
            return None
        return (self.source,) if isinstance(self.source, str) else tuple(self.source)

    @property
    def log(self) -> Source | None:
        """Where the log is, as the data's readers take it; None without one."""
        if "logged" not in (self.sources or ()):
            return None
        return Source(**self.model_dump(exclude={"source", "format"}), format=self.format)

    @model_validator(mode="after")
    def _log_is_named_where_it_is_read(self) -> Failures:
        if self.sources is not None and (
            not self.sources or len(self.sources) > len(set(self.sources))
        ):
            raise ValueError("source names one or more of validation, train, logged, each once")
        if "logged" not in (self.sources or ()):
            if extra := sorted(self.model_fields_set - {"source"}):
                raise ValueError(
                    f"{', '.join(extra)} describes a log, which is read with `source: logged`"
                )
        elif (self.path is None) == (self.sql is None):
            raise ValueError("logged failures need a log: either path or sql")
        else:
            _ = self.log
        return self
