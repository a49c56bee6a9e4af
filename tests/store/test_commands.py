from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from engine.cli.clean import clean_command
from engine.cli.runs import runs_command
from engine.cli.sql import sql_command
from engine.cli.sql.completion import candidates
from engine.cli.sql.console import split
from engine.cli.terminal.tables import fitted
from engine.errors import RunError, StoreError
from engine.report.runs import list_runs
from engine.store import FILE, Store, open_store, rows
from tests.store.small import call, example, info, make, start, write_training

pytestmark = pytest.mark.runs


class Said:
    """Consoles that keep what is printed: `out` for results, `errors` for what is said beside them."""

    def __init__(self, *, terminal: bool = False, width: int = 100) -> None:
        self._out, self._errors = io.StringIO(), io.StringIO()
        self.console = Console(
            file=self._out, width=width, force_terminal=terminal, color_system=None
        )
        self.stderr = Console(file=self._errors, width=width)

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def errors(self) -> str:
        return self._errors.getvalue()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make(folder)
    return folder


def test_sql_prints_plain_columns_without_a_terminal(state: Path) -> None:
    said = Said()
    sql_command(
        state,
        "SELECT id, name, size FROM pattern ORDER BY id",
        console=said.console,
        errors=said.stderr,
    )
    assert said.out == "id  name      size\np1  negation     2\np2  slang        1\n2 rows\n"
    assert said.errors == ""


def test_sql_prints_a_table_on_a_terminal_and_cuts_long_cells(state: Path) -> None:
    said = Said(terminal=True)
    query = "SELECT repeat('x', 200) AS long, NULL AS nothing, chr(27) || '[31m' AS red"
    sql_command(state, query, console=said.console, errors=said.stderr)
    assert "nothing" in said.out
    assert "NULL" in said.out
    assert "…" in said.out
    assert "\x1b[31m" not in said.out
    assert said.out.endswith("1 row\n")


def test_sql_shows_the_first_rows_and_counts_all(state: Path) -> None:
    said = Said()
    sql_command(
        state, "SELECT range AS n FROM range(250000)", console=said.console, errors=said.stderr
    )
    assert said.out.splitlines()[-1].startswith("250,000 rows, the first 200 shown")
    assert len(said.out.splitlines()) == 202


def test_sql_exports(state: Path, tmp_path: Path) -> None:
    query = "SELECT id, inputs, target, [1, 2] AS l, sum(line) AS s FROM example WHERE id = 'e1' GROUP BY ALL"
    said = Said()
    sql_command(state, query, csv=True, console=said.console, errors=said.stderr)
    assert said.out == 'id,inputs,target,l,s\ne1,"{""text"":""text 1""}",card,"[1,2]",1\n'
    said = Said()
    sql_command(state, query, json=True, console=said.console, errors=said.stderr)
    assert json.loads(said.out) == {
        "id": "e1",
        "inputs": {"text": "text 1"},
        "target": "card",
        "l": [1, 2],
        "s": 1,
    }
    said = Said()
    sql_command(
        state, query, parquet=tmp_path / "x.parquet", console=said.console, errors=said.stderr
    )
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "x.parquet").column("id").to_pylist() == ["e1"]
    assert "1 row written to" in said.errors
    with pytest.raises(StoreError, match="cannot be written"):
        sql_command(
            state,
            query,
            parquet=tmp_path / "no" / "x.parquet",
            console=said.console,
            errors=said.stderr,
        )
    with pytest.raises(StoreError, match="exclude each other"):
        sql_command(state, query, csv=True, json=True)


def test_a_column_name_twice_is_two_columns_everywhere(state: Path, tmp_path: Path) -> None:
    query = "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a, [5] AS b"
    names, values = ["a", "a_2", "a_1", "a_3", "b"], [1, 2, 3, 4, [5]]
    said = Said()
    sql_command(state, query, csv=True, console=said.console, errors=said.stderr)
    assert said.out == "a,a_2,a_1,a_3,b\n1,2,3,4,[5]\n"
    for terminal in (False, True):
        said = Said(terminal=terminal)
        sql_command(state, query, console=said.console, errors=said.stderr)
        assert [name for name in said.out.split() if name in names] == names
    said = Said()
    sql_command(state, query, json=True, console=said.console, errors=said.stderr)
    assert json.loads(said.out) == dict(zip(names, values, strict=True))
    sql_command(state, query, parquet=tmp_path / "x.parquet", errors=said.stderr)
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "x.parquet").column_names == names
    assert rows(state, query) == [dict(zip(names, values, strict=True))]
    assert open_store(state).sql(query).columns == names


def test_whole_numbers_of_any_size_stay_whole_in_json(state: Path) -> None:
    said = Said()
    query = f"SELECT {2**64 + 1}::HUGEINT AS h, {2**63}::UBIGINT AS u, 0.5::DECIMAL(3, 1) AS d"
    sql_command(state, query, json=True, console=said.console, errors=said.stderr)
    assert json.loads(said.out) == {"h": 2**64 + 1, "u": 2**63, "d": 0.5}


def test_sql_says_what_is_not_visible_yet(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.record_calls([call(1, run)])
        said = Said()
        sql_command(
            tmp_path, "SELECT count(*) FROM llm_call", console=said.console, errors=said.stderr
        )
        runs_command(tmp_path, said.console, said.stderr)
    assert said.errors.count(f"3 rows are not visible yet: the run {run}") == 2


def conversed(state: Path, typed: str) -> subprocess.CompletedProcess[str]:
    """Return what `pada sql` says to an input that nobody types."""
    code = (
        "import sys; from pathlib import Path; from engine.cli import main\n"
        "sys.argv = ['pada', 'sql', '--state', sys.argv[1]]; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(state)],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def test_statements_take_several_lines_and_an_error_is_in_the_exit_code(state: Path) -> None:
    typed = (
        "SELECT count(*) AS n\nFROM pattern;\nSELECT name -- not yet; here\nFROM pattern\nWHERE name <> ';'\n"
        "ORDER BY name\n;\nSELECT 1 AS one; SELECT 2 AS two;\nselec 1;\nDELETE FROM run;\n"
        "help\n.schema pattern\n.tables\n.nothing\nSELECT 'the last' AS without_end\n"
    )
    found = conversed(state, typed)
    assert found.returncode == 2
    assert "n\n2\n1 row\n" in found.stdout
    assert "name\nnegation\nslang\n2 rows\n" in found.stdout
    assert "one\n  1\n1 row\ntwo\n  2\n1 row\n" in found.stdout
    assert "centroid" in found.stdout
    assert "leaderboard" in found.stdout
    assert "A statement ends with `;`" in found.stdout
    assert "the last" in found.stdout
    assert 'error: syntax error at or near "selec"' in found.stderr
    assert "error: DELETE is not possible" in found.stderr
    assert "error: no command .nothing" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("leave", ["exit", "quit;", ".quit", "\\q"])
def test_what_is_right_ends_with_0_and_is_left_by_a_word(state: Path, leave: str) -> None:
    found = conversed(state, f"SELECT 1 AS one;\n{leave}\nSELECT 'never';\n")
    assert (found.returncode, found.stderr) == (0, "")
    assert "one" in found.stdout
    assert "never" not in found.stdout


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("a;;b ; c", ["a", "b"], " c"),
        ("SELECT ';' AS x, \";\" -- ;\n;", ["SELECT ';' AS x, \";\" -- ;"], ""),
        ("SELECT 'it''s;'; x", ["SELECT 'it''s;'"], " x"),
        ("SELECT /* ; */ 1; SELECT 'open;", ["SELECT /* ; */ 1"], " SELECT 'open;"),
        ("SELECT $$a;b$$;", ["SELECT $$a;b$$"], ""),
        ("SELECT 1 -- a 'quote\n;", ["SELECT 1 -- a 'quote"], ""),
    ],
)
def test_statements_are_split_where_they_end(text: str, whole: list[str], rest: str) -> None:
    assert split(text) == (whole, rest)


def test_names_are_completed_by_what_stands_before() -> None:
    known = {
        "failures": ["run", "example", "answer"],
        "funnel": ["run", "step"],
        "all_failures": ["run"],
    }
    assert candidates(known, "select * from f", "f") == ["failures", "funnel"]
    assert candidates(known, "DESCRIBE all", "all") == ["all_failures"]
    assert candidates(known, "from failures where ans", "ans") == ["answer"]
    assert candidates(known, "from funnel where s", "s")[0] == "step"
    assert "answer" not in candidates(known, "from funnel where a", "a")
    assert candidates(known, "he", "he") == ["help"]
    assert candidates(known, "SEL", "SEL") == ["SELECT"]
    assert candidates(known, ".schema fu", "fu") == ["funnel"]


def test_the_console_completes_the_store_s_names_where_somebody_types(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    make(tmp_path)
    code = (
        "import sys; from pathlib import Path; from engine.cli.sql import sql_command\n"
        "sql_command(Path(sys.argv[1]), None)"
    )
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=child, stdout=child, stderr=child
    )
    os.close(child)
    os.write(parent, b"select count(*) as n from failure_pat\t;\nselec;\nexit\n")
    said = b""
    with contextlib.suppress(OSError):
        while part := os.read(parent, 65536):
            said += part
    assert process.wait() == 0, "an error that somebody saw is none of the exit code"
    os.close(parent)
    assert b"from failure_patterns" in said
    assert b"error: syntax error" in said
    assert (tmp_path / "sql_history").exists()


@pytest.mark.parametrize("width", [40, 60, 80])
def test_on_a_narrow_terminal_nothing_is_cut_that_must_stay_whole(width: int) -> None:
    rows = [
        ["a-long-identifier-0123456789", "negation", "A wish is turned down in many words", "12"]
    ]
    titles = ["id", "name", "description", "size"]
    said = Said(terminal=True, width=width)
    said.console.print(fitted(said.console, titles, rows, [False] * 3 + [True], lined=True))
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= width
    assert "a-long-identifier-0123456789" in said.out
    assert "negation" in said.out
    assert ("row 1" in said.out) == (width < 80)
    assert ("…" in said.out) == (width == 80), "prose may be cut in a table"
    wide = Said(terminal=True, width=200)
    wide.console.print(fitted(wide.console, titles, rows, [False] * 4, lined=True))
    assert "A wish is turned down in many words" in wide.out


def test_a_wide_result_has_one_field_per_line(state: Path) -> None:
    said = Said(terminal=True, width=60)
    sql_command(
        state, "SELECT * FROM failures ORDER BY example", console=said.console, errors=said.stderr
    )
    assert said.out.startswith("row 1\nrun ")
    assert "r0001" in said.out
    assert said.out.endswith("rows\n")
    said = Said(terminal=True, width=40)
    runs_command(state, said.console)
    assert "r0001" in said.out
    assert "best on validation" in said.out


def test_a_query_that_names_an_earlier_run_is_told_where_it_is(tmp_path: Path) -> None:
    make(tmp_path)
    store = Store.open(tmp_path)
    with store.lock_run():
        store.end_run(start(store), "done")

    def said(query: str) -> str:
        heard = Said()
        sql_command(tmp_path, query, console=heard.console, errors=heard.stderr)
        return heard.errors

    note = "r0001 is not the latest run of its recipe: all_failures has every run, failures the latest\n"
    assert said("SELECT * FROM failures WHERE run = 'r0001'") == note
    assert said("SELECT * FROM failures WHERE run = 'r0002'") == ""
    assert said("SELECT * FROM all_failures WHERE run = 'r0001' AND round = 99") == ""
    assert said("SELECT * FROM all_failures WHERE run = 'r0001'") == ""


def test_the_best_on_validation_is_the_student_that_the_stop_rule_chose(tmp_path: Path) -> None:
    make(tmp_path)
    with contextlib.closing(duckdb.connect(str(tmp_path / FILE))) as db:
        node = "SELECT node, run, seed, round FROM metric WHERE split = 'validation' AND round = 0 LIMIT 1"
        db.execute(
            "INSERT INTO node BY NAME SELECT * REPLACE ('decided' AS id, 'decide' AS stage) FROM node"
            f" WHERE id = (SELECT node FROM ({node}))"
        )
        db.execute(
            "INSERT INTO run_node BY NAME SELECT * REPLACE ('decided' AS node, 'decide' AS name) FROM run_node"
            f" WHERE node = (SELECT node FROM ({node}))"
        )
        db.execute(
            "INSERT INTO decision BY NAME SELECT 'decided' AS node, run, seed, round, 0 AS position, true AS go_on,"
            f" '' AS reason, 'accuracy' AS metric, 0.5 AS value, 0 AS best_round FROM ({node})"
        )
    (line,) = list_runs(tmp_path)
    assert (line.best, line.rounds) == (0.5, [0])
    said = Said(terminal=True, width=200)
    runs_command(tmp_path, said.console)
    assert "accuracy 0.500 (round 0)" in said.out


def test_runs_are_listed_with_what_people_ask_for(tmp_path: Path) -> None:
    make(tmp_path)
    write_training(tmp_path, "train0")
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.link_node(run, "load", "load", 0, "cached")
        store.ingest(force=True)
        live = list_runs(tmp_path)
    first, second = live
    assert (first.id, first.recipe, first.status, first.done, first.cached) == (
        "r0001",
        "small",
        "done",
        15,
        0,
    )
    assert (first.calls, first.metric, first.best, first.size) == (5, "accuracy", 0.75, 2000)
    assert (second.status, second.done, second.cached) == ("running", 0, 1)
    assert first.rounds == []
    assert second.minutes is not None
    assert [line.status for line in list_runs(tmp_path)] == ["done", "killed"]
    said = Said()
    runs_command(tmp_path, said.console)
    assert "r0001" in said.out
    assert "accuracy 0.750" in said.out
    assert "2.0 kB" in said.out


def _with_leftovers(state: Path) -> None:
    make(state)
    for name in ("train0", "train1"):
        write_training(state, name)
    (state / "models" / "train0" / "4711.job.json").write_text("{}", "utf-8")
    write_training(state, "orphan", finished=False)
    for folder in ("benchmark/model", "batch/.r0001.unfinished", "batch/r0001"):
        (state / folder).mkdir(parents=True)
    (state / "asked.sqlite").write_bytes(b"what a killed run was asking")
    store = Store.open(state)
    with store.lock_run():
        run = start(store)
        store.link_node(run, "load", "load", 0, "cached")
        store.link_node(run, "train0", "train", 1, "cached")
        store.write_node(run, info("mine", "score"), [example(77)], "c")
        store.link_node(run, "mine", "mine", 2, "done")
        store.end_run(run, "done")


def test_clean_removes_what_no_kept_run_needs(tmp_path: Path) -> None:
    _with_leftovers(tmp_path)
    said = Said()
    assert clean_command(tmp_path, keep=1, yes=True, models=False, console=said.console)
    assert "1 run: r0001" in said.out
    assert "of 13 nodes that only they used" in said.out
    assert "5 replies of language models stay" in said.out
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["train0"]
    assert sorted(p.name for p in (tmp_path / "models" / "train0").iterdir()) == [
        "adapter",
        "training.json",
        "training.lock",
        "training.log",
    ]
    assert not (tmp_path / "benchmark").exists()
    assert not (tmp_path / "asked.sqlite").exists()
    assert [p.name for p in (tmp_path / "batch").iterdir()] == ["r0001"]
    found = rows(
        tmp_path,
        "SELECT (SELECT list(id) FROM run) AS run, (SELECT list(id ORDER BY id) FROM node) AS node",
    )
    assert found == [{"run": ["r0002"], "node": ["load", "mine", "train0"]}]
    assert rows(tmp_path, "SELECT count(*) AS n FROM llm_call") == [{"n": 5}]
    assert Store.open(tmp_path).load_output("mine") == [example(77)]
    assert rows(tmp_path, "FROM candidate") == []
    assert not clean_command(tmp_path, keep=1, yes=True, models=False, console=said.console)


def test_clean_asks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_leftovers(tmp_path)
    said = Said()
    for answer in ("", "n\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        assert not clean_command(tmp_path, keep=1, yes=False, models=False, console=said.console)
    assert "nothing was removed" in said.out
    assert (tmp_path / "models" / "orphan").is_dir()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert clean_command(tmp_path, keep=1, yes=False, models=False, console=said.console)


def test_clean_removes_nothing_that_a_run_took_over_while_it_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_leftovers(tmp_path)

    def run_meanwhile(_: Console) -> bool:
        store = Store.open(tmp_path)
        with store.lock_run():
            run = start(store)
            store.link_node(run, "train1", "train", 0, "cached")
            store.end_run(run, "done")
        return True

    monkeypatch.setattr("engine.cli.clean._agreed", run_meanwhile)
    with pytest.raises(StoreError, match="has changed since it was looked at"):
        clean_command(tmp_path, keep=1, yes=False, models=False, console=Said().console)
    assert (tmp_path / "models" / "train1" / "adapter").is_dir()
    assert rows(tmp_path, "SELECT count(*) AS n FROM run") == [{"n": 3}]


def test_numbers_of_removed_runs_are_not_used_again_while_their_replies_stay(
    tmp_path: Path,
) -> None:
    make(tmp_path)
    clean_command(tmp_path, keep=0, yes=True, models=False, console=Said().console)
    store = Store.open(tmp_path)
    with store.lock_run():
        assert start(store) == "r0002"
    assert [line.calls for line in list_runs(tmp_path)] == [0]


def test_clean_keeps_what_an_unfinished_run_goes_on_from(tmp_path: Path) -> None:
    _with_leftovers(tmp_path)
    store = Store.open(tmp_path)
    with store.lock_run():
        start(store)
    said = Said()
    clean_command(tmp_path, keep=1, yes=True, models=False, console=said.console)
    assert "r0003 is not finished" in said.out
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["orphan", "train0", "train1"]
    assert rows(tmp_path, "SELECT count(*) AS n FROM node") == [{"n": 16}]


def test_clean_refuses_while_a_run_is_live(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        start(store)
        with pytest.raises(RunError, match="is going on"):
            clean_command(tmp_path, keep=0, yes=True, models=False, console=Said().console)


def test_clean_takes_the_model_cache_only_when_asked(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "weights").write_bytes(b"x" * 10)
    Store.open(tmp_path / "state")
    said = Said()
    assert not clean_command(
        tmp_path / "state", keep=1, yes=True, models=False, console=said.console, cache=cache
    )
    assert clean_command(
        tmp_path / "state", keep=1, yes=True, models=True, console=said.console, cache=cache
    )
    assert not cache.exists()
