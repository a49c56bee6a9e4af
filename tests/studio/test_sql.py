"""SQL of the studio: read-only for everybody, stopped when it is no longer waited for, in pages and as files."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from starlette.requests import Request

from engine.errors import EngineError, StoreError
from engine.store import Stop, ask, reader, rows
from engine.studio.explore import queries
from engine.studio.threads import in_thread
from tests.report.questions import DOCUMENT, answered
from tests.studio.conftest import Studio

ENDLESS = "SELECT count(*) FROM range(100000000000) a, range(1000000) b WHERE a.range % 7 = b.range"


def test_a_query_is_answered_with_types(studio: Studio) -> None:
    found = studio.post(
        "sql",
        {"query": "SELECT 1 AS n, 'x' AS t, NULL AS none, [1, 2] AS l, 2::HUGEINT ** 100 AS big"},
    )
    assert found.status_code == 200, found.text
    assert [column["name"] for column in found.json()["columns"]] == ["n", "t", "none", "l", "big"]
    assert found.json()["rows"][0][:4] == [1, "x", None, "[1,2]"]


def test_rows_beyond_the_first_are_said_to_be_there(studio: Studio) -> None:
    found = studio.post("sql", {"query": "FROM range(5000)"}).json()
    assert len(found["rows"]) == queries.SHOWN
    assert found["more"] is True
    few = studio.post("sql", {"query": f"FROM range({queries.SHOWN})"}).json()
    assert (len(few["rows"]), few["more"]) == (queries.SHOWN, False)


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE run", "DELETE FROM run", "INSERT INTO run SELECT * FROM run", "CREATE TABLE x (a INT)",
        "COPY run TO '/tmp/out.csv'", "ATTACH '/tmp/other.duckdb'", "INSTALL httpfs", "SET memory_limit = '1TB'",
        "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT 1; SELECT 2", "", "SELEC",
        "SELECT error('no')", "SELECT 'x'::INTEGER FROM range(3)",
    ],
)  # fmt: skip
def test_nothing_but_a_select_is_asked(studio: Studio, query: str) -> None:
    for path in ("sql", "sql/export"):
        answer = studio.post(path, {"query": query, "format": "csv"})
        assert answer.status_code == 400, (path, answer.text[:200])
        assert answer.json()["error"]
    assert studio.bugs == []
    assert studio.get("runs")["runs"]


def test_a_result_is_kept_as_a_file(studio: Studio) -> None:
    query = "SELECT '=1+1' AS formula, n FROM range(3) t(n)"
    csv, lines, parquet = (
        studio.post("sql/export", {"query": query, "format": f}) for f in ("csv", "json", "parquet")
    )
    assert csv.text == "formula,n\n'=1+1,0\n'=1+1,1\n'=1+1,2\n"
    assert csv.headers["content-disposition"] == 'attachment; filename="query.csv"'
    assert [json.loads(line)["n"] for line in lines.text.splitlines()] == [0, 1, 2]
    assert pq.read_table(io.BytesIO(parquet.content)).column("n").to_pylist() == [0, 1, 2]
    assert studio.post("sql/export", {"query": query, "format": "xlsx"}).status_code == 400


def test_a_file_that_no_browser_holds_is_refused(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "BYTES", 1000)
    for form in queries.FORMATS:
        answer = studio.post(
            "sql/export", {"query": "SELECT hash(range) FROM range(9999)", "format": form}
        )
        assert answer.status_code == 400, form
        assert "pada sql" in answer.json()["hint"]
    assert studio.bugs == []


def test_the_questions_are_those_of_the_manual(studio: Studio) -> None:
    asked = [one for part in studio.get("sql/questions")["parts"] for one in part["questions"]]
    assert [one["sql"] for one in asked] == [
        sql.strip() for sql, _ in answered(DOCUMENT.read_text("utf-8"))
    ]
    assert asked[0]["question"] == "Which patterns are real, and how do they stand?"
    assert studio.post("sql", {"query": asked[0]["sql"]}).json()["rows"]


def test_the_catalogue_is_the_store_s_own(studio: Studio) -> None:
    relations = {one["name"]: one for one in studio.get("sql/catalogue")["relations"]}
    assert relations["failures"]["comment"].startswith("Every failure")
    columns = {one["name"]: one for one in relations["failures"]["columns"]}
    assert columns["answer"]["comment"] == "what was read from it; NULL when nothing could be"
    assert relations["llm_call"]["is_view"] is False


def test_a_query_is_stopped_from_another_thread(studio: Studio, tmp_path: Path) -> None:
    state = Path(studio.get("about")["state"])
    stop = Stop()
    began = threading.Event()
    ended: list[Exception] = []

    def ask() -> None:
        try:
            with reader(state, stop=stop) as query:
                began.set()
                query(ENDLESS, [])
        except StoreError as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert began.wait(30)
    # What was asked before it began, and what is asked while it goes on: both end it.
    while asking.is_alive():
        stop()
        asking.join(0.05)
    assert [str(error) for error in ended] == ["the query was stopped"]


def test_a_result_that_an_error_holds_does_not_hold_the_file(studio: Studio) -> None:
    state = Path(studio.get("about")["state"])

    def stop_half_way() -> None:
        with ask(state, "FROM range(9999)", batch=10) as answer:
            raise ValueError(next(iter(answer.reader)).num_rows)

    with pytest.raises(ValueError, match="10") as held:
        stop_half_way()
    assert rows(state, "SELECT 1 AS one") == [{"one": 1}]
    assert held.tb


def left_at_once() -> Request:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "headers": []}, receive)


def test_what_nobody_waits_for_ends(studio: Studio) -> None:
    state = Path(studio.get("about")["state"])

    def work(stop: Stop) -> None:
        while True:
            with reader(state, stop=stop) as query:
                query(ENDLESS, [])

    with pytest.raises(EngineError, match="the page was left"):
        asyncio.run(in_thread(left_at_once(), work))


def test_readers_do_not_wait_for_each_other(studio: Studio) -> None:
    state = Path(studio.get("about")["state"])
    with reader(state) as query:
        found: list[int] = []
        other = threading.Thread(target=lambda: found.append(len(studio.get("runs")["runs"])))
        other.start()
        other.join(60)
        assert found == [2]
        assert query("SELECT 1 AS one", []) == [{"one": 1}]
