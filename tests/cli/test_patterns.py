"""Failure patterns as people see them: all of a run with bars, one whole, and as files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from engine.cli.app import app
from engine.cli.patterns.listing import Where, export_patterns, list_patterns, show_pattern
from engine.errors import EngineError
from engine.report.facts.dossiers import collect_dossiers
from engine.store import reader, rows
from tests.report import invented
from tests.report.invented import HOSTILE, ident

pytestmark = pytest.mark.runs

NEGATED = ident("pattern", "Negated wish")
KIND = {"name": "late", "description": "the not comes last", "share": 1.0, "labels": ["refund"]}
NAMES = {name: ident("pattern", name) for name, _, _ in invented.PATTERNS}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = invented.full(control=True)
    invented.again(store)
    shared = {"node": ident("node", "name.0", 0), "run": "r0001", "seed": 0, "round": 0}
    store.add(
        "pattern_test", **shared, pattern=NEGATED, verdict="confirmed", funded=True, detail="it fails twice as often",
        asked=40, failed=20, failed_under=12, passed=20, passed_under=3, diagnosed=0, failing=0.3, lift=2.4,
        lift_low=1.2, lift_high=4.1, precision=0.63, precision_low=0.4, precision_high=0.8, recall=0.6,
        recall_low=0.39, recall_high=0.78, p=0.01,
    )  # fmt: skip
    verify = store.node("verify.0.1", "verify", 0, 1)
    (row,) = store.query(
        "SELECT id FROM candidate WHERE pattern = ? AND round = 0 ORDER BY id LIMIT 1", [NEGATED]
    )
    store.add(
        "verification", **verify, candidate=row["id"], sample=1, answer="refund", second=None, agrees=1.0, how="blind",
        detail="", call=store.call(verify, "verify", "judge"),
    )  # fmt: skip
    store.db.execute(
        "INSERT INTO run_node SELECT 'r0002', node, name, position, 'cached' FROM run_node WHERE name = 'verify.0.1'"
    )
    store.db.execute(
        "UPDATE pattern SET includes = ['not X but Y'], excludes = ['two wishes'] WHERE id = ?",
        [NEGATED],
    )
    store.db.execute(
        "UPDATE strategy SET contrast = 'a wish without a not', contrast_share = 0.2, kinds = ? WHERE pattern = ?",
        [
            json.dumps(
                [
                    {
                        "name": "late",
                        "description": "the not comes last",
                        "share": 1.0,
                        "labels": ["refund"],
                    }
                ]
            ),
            NEGATED,
        ],
    )
    folder = tmp_path_factory.mktemp("patterns") / "state"
    store.save(folder)
    return folder


def text_of(width: int | None = None) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    if width is None:
        return Console(file=out), out
    return Console(file=out, width=width, force_terminal=True, color_system=None), out


def test_the_table_has_every_pattern_with_what_it_has_left_and_fits_80_columns(state: Path) -> None:
    console, out = text_of(80)
    list_patterns(Where(state, None, None), console)
    lines = out.getvalue().splitlines()
    assert lines[0] == "invented · run r0002"
    table = [line for line in lines if not line.startswith("`pada")]
    assert max(map(len, table)) <= 80
    for name, pattern in NAMES.items():
        (line,) = [line for line in lines if line.strip().startswith(f"{pattern[:10]} ")]
        assert name.split()[0] in line
    (largest,) = [line for line in lines if "11/15" in line]
    assert "██████░░" in largest
    assert "shrinking" in largest


def test_in_files_the_table_is_wide_and_latin_consoles_get_plain_bars(state: Path) -> None:
    console, out = text_of()
    list_patterns(Where(state, "r0001", None), console)
    (line,) = [line for line in out.getvalue().splitlines() if NEGATED in line]
    assert "confirmed: 2.4 (1.2" in line
    raw = io.BytesIO()
    latin = io.TextIOWrapper(raw, encoding="latin-1", errors="replace")
    list_patterns(Where(state, "r0001", None), Console(file=latin))
    latin.flush()
    assert b"############----" in raw.getvalue()


def test_one_pattern_is_shown_whole(state: Path) -> None:
    console, out = text_of()
    show_pattern(Where(state, None, "invented"), NEGATED, 3, console)
    text = " ".join(out.getvalue().split())
    for part in (
        "The message says what is not wanted",
        "- not X but Y",
        "- two wishes",
        "Real? confirmed: it fails twice as often; under its description fall 12 of 20 failed rows and 3 of 20 passed",
        "recall 60.0% (39.0 to 78.0)",
        "the decisive word comes last. The other side (20% of the rows): a wish without a not. Kinds of rows: late"
        " (100%, of refund), the not comes last",
        "Its life",
        "Members (3 of 10)",
        "32 rows generated, 20 accepted, 18 added to training; left out:",
        "trained on",
        "verifying 1 190",
        "in all",
    ):
        assert part in text, part


@pytest.mark.parametrize("word", [NEGATED, NEGATED[:5], "negated WISH"])
def test_a_pattern_is_found_by_its_id_its_beginning_and_its_name(state: Path, word: str) -> None:
    console, out = text_of()
    show_pattern(Where(state, None, None), word, 1, console)
    assert out.getvalue().startswith("Negated wish\n")


def test_an_unknown_pattern_run_or_recipe_is_refused_with_what_was_meant(state: Path) -> None:
    with pytest.raises(EngineError, match=r"did you mean 'Negated wish'") as unknown:
        show_pattern(Where(state, None, None), "Negated wich", 1)
    assert unknown.value.exit_code == 2
    with pytest.raises(EngineError, match=rf"did you mean '{NEGATED}'"):
        show_pattern(Where(state, None, None), NEGATED[:-2] + "zz", 1)
    with pytest.raises(EngineError, match=r"no run 'r0003'\n.*did you mean 'r000[12]'"):
        list_patterns(Where(state, "r0003", None))
    with pytest.raises(EngineError, match="did you mean 'invented'"):
        list_patterns(Where(state, None, "invnted"))
    with pytest.raises(EngineError, match="exclude each other"):
        list_patterns(Where(state, "r0001", "invented"))


def test_what_a_run_without_patterns_says(tmp_path: Path) -> None:
    invented.empty().save(tmp_path)
    console, out = text_of()
    list_patterns(Where(tmp_path, None, None), console)
    assert "no failure patterns in this run" in out.getvalue()
    with pytest.raises(EngineError, match="run r0001 has no failure patterns"):
        show_pattern(Where(tmp_path, None, None), "p-1", 1)
    export_patterns(Where(tmp_path, None, None), tmp_path / "none.md", 1, as_csv=False)
    assert "There are none." in (tmp_path / "none.md").read_text("utf-8")


def test_shares_of_calls_add_up_to_what_the_calls_took(state: Path) -> None:
    with reader(state) as query:
        dossiers = collect_dossiers(query, "r0002", 1)
    stages = "('diagnose', 'name', 'generate', 'verify', 'judge')"
    (taken,) = rows(
        state,
        "SELECT sum(prompt_tokens + completion_tokens)::BIGINT AS tokens FROM llm_call k JOIN node n ON n.id = k.node"
        f" WHERE n.stage IN {stages} AND k.error IS NULL",
    )
    assert sum(d.tally.price.tokens for d in dossiers) == pytest.approx(taken["tokens"])
    assert sum(d.written_total for d in dossiers) == 160


def test_csv_has_a_line_for_each_pattern_and_markdown_no_markup_of_the_rows(
    state: Path, tmp_path: Path
) -> None:
    where = Where(state, None, None)
    for name in ("p.csv", "p.md"):
        console, _ = text_of()
        export_patterns(where, tmp_path / "new" / name, 40, as_csv=False, console=console)
    lines = list(csv.DictReader(io.StringIO((tmp_path / "new" / "p.csv").read_text("utf-8"))))
    assert {line["name"]: line["pattern"] for line in lines} == NAMES
    (negated,) = [line for line in lines if line["pattern"] == NEGATED]
    assert (negated["verdict"], negated["lift"], negated["life"]) == ("confirmed", "2.4", "unclear")
    assert negated["selected"] == "18"
    markdown = (tmp_path / "new" / "p.md").read_text("utf-8")
    assert markdown.count("\n## ") == 5
    assert HOSTILE not in markdown
    assert "<script>" not in markdown
    printed, out = text_of()
    export_patterns(where, None, 40, as_csv=True, console=printed)
    assert out.getvalue() == (tmp_path / "new" / "p.csv").read_text("utf-8")


def test_a_file_that_cannot_be_written_leaves_what_was_there(state: Path, tmp_path: Path) -> None:
    where = Where(state, None, None)
    with pytest.raises(EngineError, match=r"p\.pdf: patterns are written as Markdown or CSV"):
        export_patterns(where, tmp_path / "p.pdf", 1, as_csv=False)
    with pytest.raises(EngineError, match="not the name of a CSV file"):
        export_patterns(where, tmp_path / "p.md", 1, as_csv=True)
    (tmp_path / "p.md").mkdir()
    (tmp_path / "p.md" / "kept").touch()
    with pytest.raises(EngineError, match="cannot be written"):
        export_patterns(where, tmp_path / "p.md", 1, as_csv=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["p.md", "kept"]


def test_options_may_stand_before_and_after_a_subcommand(state: Path) -> None:
    run = CliRunner().invoke
    listed = run(app, ["patterns", "--state", str(state), "--run", "r0001"])
    assert listed.exit_code == 0
    assert "run r0001" in listed.stdout
    before = run(app, ["patterns", "--state", str(state), "export", "--csv", "--run", "r0001"])
    after = run(app, ["patterns", "--run", "r0001", "export", "--csv", "--state", str(state)])
    assert before.exit_code == after.exit_code == 0
    assert before.stdout == after.stdout
    assert before.stdout.startswith("run,seed,pattern,")
