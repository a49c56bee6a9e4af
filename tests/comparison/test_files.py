"""A comparison in the terminal and in files: the same numbers, each place by itself."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from engine.cli.compare import compare_command
from engine.comparison import Asked
from engine.comparison.console import summary
from engine.comparison.figures import score_figure
from engine.comparison.files import (
    check_out,
    csv_text,
    html_text,
    json_text,
    markdown_text,
    write_comparison,
)
from engine.errors import EngineError
from tests.comparison.invented import LOWER, compared, measured, right

COMPARISON = compared(
    measured("vanilla", [right(0.60, seed) for seed in (0, 1)], budget=50, cost=1.5),
    measured("<pada>", [right(0.80, seed) for seed in (2, 3)], budget=50),
    measured("vanilla", [right(0.60, seed) for seed in (0, 1)], budget=100),
    measured("<pada>", [right(0.85, seed) for seed in (4, 5)], budget=100),
    random="waiting: 12 requests",
)


def test_the_terminal_needs_no_more_than_80_columns() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(summary(COMPARISON, Path("reports/compare.html")))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert re.search(r"<pada> 50 +80\.0% +\d\d\.\d to \d\d\.\d +\+20\.0 +\+\d", text)
    assert re.search(r"vanilla 50 +\+10\.0 +100 +50 +1,500 +1\.50 +1\.5", text)
    assert re.search(r"<pada> +80\.0% +85\.0%", text), "by budget of rows"
    flowing = " ".join(text.split())
    assert "Not finished: random: waiting: 12 requests." in flowing
    assert "<pada>, 100 rows beats vanilla by 25.0 points of accuracy" in flowing
    assert (
        "Runs (pada report RUN): r-vanilla vanilla, 50 rows; r-<pada> <pada>, 50 rows; " in flowing
    )


def test_markdown_and_page_say_the_same_and_user_text_brings_no_markup() -> None:
    markdown, page = markdown_text(COMPARISON), html_text(COMPARISON)
    assert "| &lt;pada&gt; | 50 | 80.0% |" in markdown
    assert "- &lt;pada&gt;, 50 rows beats vanilla by 20.0 points of accuracy" in markdown
    assert "<pada>" not in page.replace("&lt;pada&gt;", "")
    assert page.count("<svg") == 6, "three charts, wide and narrow"
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)\s*=|https?://", page), "nothing from elsewhere"
    for text in (markdown, page):
        assert "Not finished: random" in text
        assert "corrected for 2 comparisons (Holm)" in text


def test_numbers_for_programs_are_whole() -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text(COMPARISON))))
    assert [(line["arm"], line["budget"]) for line in lines] == [
        ("vanilla", "50"), ("<pada>", "50"), ("vanilla", "100"), ("<pada>", "100"),
    ]  # fmt: skip
    assert float(lines[1]["difference"]) == pytest.approx(0.2)
    assert (lines[0]["difference"], lines[0]["verdict"], lines[1]["verdict"]) == ("", "", "better")
    assert float(lines[1]["seed_0"]) == pytest.approx(0.8)
    whole = json.loads(json_text(COMPARISON))
    assert (whole["baseline"], whole["n"], whole["seeds"]) == ("vanilla", 200, [0, 1])
    assert whole["arms"][1]["students"][0] == {"seed": 0, "round": 1, "value": pytest.approx(0.8)}
    assert whole["arms"][1]["against"]["seeds"] == pytest.approx([0.2, 0.2])
    assert whole["unfinished"] == {"random": "waiting: 12 requests"}


def test_four_files_of_one_name(tmp_path: Path) -> None:
    files = write_comparison(COMPARISON, tmp_path, tmp_path / "out" / "mine.csv")
    assert [path.name for path in files] == ["mine.html", "mine.md", "mine.csv", "mine.json"]
    assert all(path.read_text("utf-8") for path in files)
    assert write_comparison(COMPARISON, tmp_path).html.parent == tmp_path / "reports"
    with pytest.raises(EngineError, match=r"--out x\.txt: a comparison is HTML"):
        write_comparison(COMPARISON, tmp_path, Path("x.txt"))


def test_where_nothing_can_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    check_out(tmp_path / "new" / "mine.html")
    (tmp_path / "file").write_text("x", "utf-8")
    (tmp_path / "folder.html").mkdir()
    for out, says in (
        ("file/mine.html", "nothing can be written in"),
        ("folder.html", "is a folder"),
    ):
        with pytest.raises(EngineError, match=says):
            compare_command(Asked(recipes=["none"]), "last", tmp_path / out, quiet=True)


def test_hovering_shows_the_decimals_of_the_tables() -> None:
    found = compared(
        measured("vanilla", [right(0.60, seed) for seed in (0, 1)], metric=LOWER),
        measured("pada", [right(0.61, seed) for seed in (0, 1)], metric=LOWER),
    )
    (low, high) = (found.arms[1].low, found.arms[1].high)
    assert f"({low:.3f} to {high:.3f})" in score_figure(found).wide
