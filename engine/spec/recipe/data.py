"""The data block of a recipe: where the rows of each split come from, and what is chosen of them."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from engine.bounds import Count
from engine.spec.parts import Spec


class Sample(Spec):
    """Draw rows at random, by a seed of its own, so that the data does not change with the loop's seed."""

    n: Count | None = Field(default=None, ge=1)
    """How many rows are drawn: in all, or per value of `per`."""
    per: str | None = None
    """With a column name, `n` rows are drawn for each of its values."""
    seed: Count = Field(default=0, ge=0)
    """Seed of the draw."""


class SplitFrom(Spec):
    """Rows that are taken out of another split, for data that has no split of its own for this."""

    split: Literal["train", "validation", "test"] = "train"
    """The split that gives the rows and keeps the others."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Share of the other split's rows that are taken."""
    rows: Count | None = Field(default=None, ge=1)
    """How many rows are taken, instead of a share."""
    seed: Count = Field(default=0, ge=0)
    """Seed of the draw, which depends on the rows' inputs and not on their order."""
    group: str | None = None
    """Column whose values stay on one side, such as a paragraph with several questions; labels keep no shares then."""

    @model_validator(mode="after")
    def _share_or_rows(self) -> SplitFrom:
        if (self.share is None) == (self.rows is None):
            raise ValueError("split_from needs either share or rows")
        return self


class Format(Spec):
    """How a file is written, where that is not what its ending says; what is left out is detected, and said."""

    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What stands between the fields of CSV and TSV: one character, such as `;`."""
    encoding: str | None = None
    """Encoding of a text file, as Python names it: `cp1252`, `utf-16`, `shift_jis`."""
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of a number. With `,`, a CSV field that is a number and nothing else (`1.234,5`)
    is read as `1234.5`."""
    sheet: str | Count | None = None
    """Sheet of an Excel file: its name, or its number from 1; the first when left out."""
    header: bool | Count = True
    """Whether the first line names the columns, or the number of the line that does, such as `3` below a title; with
    `false` they are `column0`, `column1`, …"""

    @field_validator("delimiter")
    @classmethod
    def _delimiter_parts_fields(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and delimiter in '"\r\n':
            raise ValueError("a quote or a line's end cannot stand between fields")
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str | None) -> str | None:
        if encoding is not None and not is_text_encoding(encoding):
            raise ValueError(
                f"'{encoding}' is not an encoding that Python knows: write cp1252, utf-16 or another one"
            )
        return encoding

    @field_validator("header")
    @classmethod
    def _lines_count_from_one(cls, header: bool | int) -> bool | int:
        if not isinstance(header, bool) and header < 1:
            raise ValueError("lines count from 1")
        return header

    @field_validator("sheet")
    @classmethod
    def _sheets_count_from_one(cls, sheet: str | int | None) -> str | int | None:
        if isinstance(sheet, int) and sheet < 1:
            raise ValueError("sheets count from 1")
        return sheet


def is_text_encoding(name: str) -> bool:
    """Tell whether Python knows an encoding of text by this name."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


class Source(Spec):
    """Where the rows of one split come from: `path`, `sql` or `split_from`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [name]} for name in ("path", "sql", "split_from")]
        }
    )

    path: str | None = None
    """The rows' file or files: JSONL, JSON, CSV, TSV, Parquet or Excel's XLSX (the ending may be left out; `.gz` and
    `.zst` are read), a pattern such as `data/*.jsonl`, a folder of `save_to_disk`, or
    `hf://owner/name@revision/config/split`."""
    format: Format = Format()
    """How the files of `path` are written."""
    streaming: bool = False
    """Read a Hugging Face data set over the network as far as `limit` goes, and store none of it."""
    sql: str | None = None
    """One SELECT over data files (`SELECT … FROM 'data/x.parquet'`), or over the tables of `database`."""
    database: str | None = None
    """DuckDB or SQLite file that `sql` reads."""
    split_from: SplitFrom | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    """New name of a column: its name in the data."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Derived columns: name: SQL expression over the columns of the row, as renamed."""
    where: str | None = None
    """SQL condition on the columns, derived ones too; other rows are left out."""
    sample: Sample | None = None
    limit: Count | None = Field(default=None, ge=1)
    """At most this many rows, the first ones; without `sample` the rows after them are not read."""

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        origins = [
            name for name in ("path", "sql", "split_from") if getattr(self, name) is not None
        ]
        if len(origins) != 1:
            listed = " and ".join(origins) if origins else "none of them"
            raise ValueError(f"a split has one of path, sql or split_from, here: {listed}")
        if self.split_from is not None and (extra := self.model_fields_set - {"split_from"}):
            raise ValueError(
                f"split_from takes rows as the other split has them: {', '.join(sorted(extra))} belongs there"
            )
        twice = [old for old, times in Counter(self.rename.values()).items() if times > 1]
        if twice:
            raise ValueError(
                f"rename gives '{twice[0]}' two names: make the other one by `columns: {{NAME: {twice[0]}}}`"
            )
        if self.database is not None and self.sql is None:
            raise ValueError("a database is read by sql: write the query")
        if self.format != Format() and (self.path is None or self.path.startswith("hf://")):
            raise ValueError("format is for the files of a path")
        if self.streaming and not (self.path or "").startswith("hf://"):
            raise ValueError("streaming is for hf:// data sets")
        return self


class Data(Spec):
    """The three splits, and a pool. Test rows are scored, and never seen by models that diagnose, generate or judge."""

    train: Source
    validation: Source
    test: Source
    pool: Source | None = None
    """Further rows, labelled or not, from which `augment.mine` takes; it may be larger than memory."""
    on_bad_row: Literal["stop", "drop"] = "stop"
    """What becomes of rows that cannot be used. stop: a bad row is an error; drop: it is left out, and recorded with
    its file, line and fault."""

    def of(self, split: str) -> Source:
        """Return where the rows of train, validation or test come from."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    @model_validator(mode="after")
    def _rows_come_from_somewhere(self) -> Data:
        for name in ("train", "validation", "test"):
            taken = self.of(name).split_from
            if taken is not None and self.of(taken.split).split_from is not None:
                raise ValueError(f"{name} takes rows from {taken.split}, which has none of its own")
        if self.pool is not None and self.pool.split_from is not None:
            raise ValueError("a pool has rows of its own: path or sql")
        return self
