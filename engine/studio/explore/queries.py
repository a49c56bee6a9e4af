"""Questions in SQL: the views and columns that there are, the questions that the manual answers, and asking one's own.

Read-only for everybody: `engine.store.ask` takes one SELECT and opens the store so that it reaches no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO, StringIO
from typing import Any

import orjson

from engine.errors import EngineError
from engine.report.query_files import parquet_to, rows_of, write_csv, write_json
from engine.spec.package_data import shipped
from engine.store import FILE, QueryResult, Stop, ask, reader
from engine.studio.answers import EXACT, plain
from engine.studio.application import Download
from engine.studio.asked import Asked
from engine.studio.settings import Settings

SHOWN = 1_000
"""Rows that a page shows at most; an export has all."""
CELL = 2_000
"""Characters of a cell that a page shows at most."""
BYTES = 500_000_000
"""The most that an export weighs: a browser holds it in memory."""
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_QUESTION = re.compile(r"^### (.+?)\n(.*?)```sql\n(.*?)```", re.DOTALL | re.MULTILINE)
_PART = re.compile(r"^## (.+)$", re.MULTILINE)

_CATALOGUE = """
SELECT table_name AS name, any_value(is_view) AS is_view, any_value(said) AS comment,
  list({name: column_name, type: data_type, comment: coalesce(comment, '')} ORDER BY column_index) AS columns
FROM duckdb_columns() c JOIN (
  SELECT view_name AS table_name, true AS is_view, comment AS said FROM duckdb_views() WHERE NOT internal
  UNION ALL SELECT table_name, false, comment FROM duckdb_tables() WHERE NOT internal
) r USING (table_name) WHERE NOT internal
GROUP BY table_name ORDER BY NOT any_value(is_view), starts_with(table_name, 'all_'), table_name
"""


def catalogue(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return every view and table with its columns, and what the store itself says of them."""
    if not (settings.state / FILE).exists():
        return {"relations": []}
    with reader(settings.state, stop=stop) as query:
        return {"relations": query(_CATALOGUE, [])}


def questions(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the questions of docs/sql.md, part by part."""
    return {"parts": _questions()}


@cache
def _questions() -> list[dict[str, Any]]:
    text = (shipped("docs") / "sql.md").read_text("utf-8")
    begins = [(found.end(), found[1]) for found in _PART.finditer(text)]
    ends = [*(found.start() for found in _PART.finditer(text)), len(text)][1:]
    return [
        {
            "title": title,
            "questions": [
                {"question": found[1], "note": " ".join(found[2].split()), "sql": found[3].strip()}
                for found in _QUESTION.finditer(text[begin:end])
            ],
        }
        for (begin, title), end in zip(begins, ends, strict=True)
    ]


def run_query(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the first rows of a query, each cell as text or as a number that a browser holds."""
    with ask(settings.state, asked.text("query"), batch=SHOWN + 1, stop=stop) as answer:
        rows = list(_first(answer, SHOWN + 1))
        return {
            "columns": [
                {"name": name, "type": kind, "number": _is_number(kind)}
                for name, kind in answer.types.items()
            ],
            "rows": [[_cell(value) for value in row] for row in rows[:SHOWN]],
            "more": len(rows) > SHOWN,
            "shown": SHOWN,
            "not_visible_yet": answer.unseen.rows,
        }


def _first(answer: QueryResult, count: int) -> Iterator[tuple[Any, ...]]:
    for batch in answer.reader:
        for row in rows_of(batch):
            yield row
            count -= 1
            if not count:
                return


def _is_number(kind: str) -> bool:
    return (
        kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or kind.endswith("INT") or kind == "INTEGER"
    )


def _cell(value: Any) -> Any:
    value = plain(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < EXACT else str(value)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= CELL else f"{text[:CELL]}… ({len(text):,} characters)"


def export(settings: Settings, asked: Asked, stop: Stop) -> Download:
    """Return all rows of a query as a file: CSV as `pada sql --csv` writes it, JSON lines, or Parquet."""
    form = asked.one_of("format", tuple(FORMATS), "csv")
    out = BytesIO()
    with ask(settings.state, asked.text("query"), stop=stop) as answer:
        if form == "parquet":
            parquet_to(answer, _Bounded(out))
        else:
            text = _Text(out)
            (write_csv if form == "csv" else write_json)(answer, text)
    return Download(f"query.{'jsonl' if form == 'json' else form}", FORMATS[form], out.getvalue())


class _Bounded(BytesIO):
    """Bytes for a browser, up to what it holds."""

    def __init__(self, out: BytesIO) -> None:
        super().__init__()
        self.out = out

    def write(self, data: Any) -> int:
        _require_room(self.out.tell() + len(data))
        return self.out.write(data)

    def tell(self) -> int:
        return self.out.tell()


class _Text(StringIO):
    """Text for a browser, up to what it holds."""

    def __init__(self, out: BytesIO) -> None:
        super().__init__()
        self.out = out

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "replace")
        _require_room(self.out.tell() + len(data))
        self.out.write(data)
        return len(text)


def _require_room(size: int) -> None:
    if size > BYTES:
        raise EngineError(
            f"this is more than {BYTES // 1_000_000:,} MB, which a browser does not hold",
            "write it from a terminal: pada sql QUERY --parquet FILE",
        )
