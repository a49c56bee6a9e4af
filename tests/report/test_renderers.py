from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from engine.report.charts.figures import score_figure
from engine.report.console import summary
from engine.report.facts import collect
from engine.report.html import render_html, safe_json
from engine.report.markdown import escaped, render_markdown
from engine.report.records import Report
from engine.report.tables import (
    calibration_table,
    funnel_table,
    matrix_table,
    pattern_table,
    quota_table,
    score_table,
    spend_table,
    unread_sentences,
)
from tests.report import invented
from tests.report.warned import warn

pytestmark = pytest.mark.runs

GOLDEN = Path(__file__).parent / "golden_console.txt"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects elements, visible text and cells; checks that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def full() -> Report:
    return collect(invented.full(control=True).query, "r0001")


@pytest.fixture(scope="module")
def page(full: Report) -> str:
    return render_html(full)


def test_the_page_loads_nothing_from_anywhere(page: str) -> None:
    assert not re.search(r"(?i)https?:|@import|url\(", page)
    for tag, attributes in Page(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        assert "srcset" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]


def test_rows_cannot_bring_scripts(page: str, full: Report) -> None:
    assert any(invented.HOSTILE in c.inputs.values() for c in full.candidates)
    parsed = Page(page)
    assert [tag for tag, _ in parsed.elements].count("script") == 2
    assert "alert('x')</script>" not in page


def test_hostile_text_everywhere_is_only_text() -> None:
    store = invented.full()
    bad = "<img src=x onerror=alert(1)></script>|`*"
    store.db.execute("UPDATE pattern SET name = ?, description = ?, category = ?", [bad, bad, bad])
    store.db.execute("UPDATE pattern SET includes = [?], excludes = [?]", [bad, bad])
    store.db.execute("UPDATE strategy SET text = ?", [bad])
    store.db.execute("UPDATE diagnosis SET root_cause = ? || root_cause", [bad])
    store.db.execute("UPDATE example SET target = ? WHERE target = 'refund'", [bad])
    store.db.execute("UPDATE candidate SET operator = ?", [bad])
    store.db.execute("UPDATE verdict SET reason = ? WHERE NOT accepted", [bad])
    store.db.execute('UPDATE "drop" SET reason = ?, detail = ?', [bad, bad])
    store.db.execute("UPDATE run SET note = ?, status = 'failed'", [bad])
    store.db.execute("UPDATE recipe SET name = ?", [bad])
    report = collect(store.query, "r0001")
    tags = {tag for tag, _ in Page(render_html(report)).elements}
    assert "img" not in tags
    markdown = render_markdown(report)
    assert "<img" not in markdown
    assert report.matrix is not None
    width, confused = len(pattern_table(report).columns), len(matrix_table(report.matrix).columns)
    hostile = [line for line in markdown.splitlines() if line.startswith("| &lt;img src=x")]
    assert hostile
    for line in hostile:
        assert len(re.findall(r"(?<!\\)\|", line)) - 1 in {width, confused, 4}


def test_embedded_json_survives_the_round_trip() -> None:
    rows = [invented.HOSTILE, "\u2028", "<!--", "é"]
    text = safe_json(rows)
    assert json.loads(text) == rows
    assert not set("<>&\u2028") & set(text)


def test_the_page_carries_all_its_rows(page: str, full: Report) -> None:
    found = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data = json.loads(found.group(1))
    assert len(data["failures"]) == len(full.failures) == full.failures_total
    assert len(data["candidates"]) == len(full.candidates) == full.candidates_total


def test_html_and_markdown_show_the_same_cells(page: str, full: Report) -> None:
    shown = Page(page).text
    written = render_markdown(full)
    tables = [score_table(full, m) for m in full.scores.metrics]
    shown_tables = [pattern_table(full), funnel_table(full), quota_table(full), spend_table(full)]
    for table in [*tables, *shown_tables]:
        for row in table.rows:
            assert "| " + " | ".join(escaped(cell) for cell in row) + " |" in written
            for cell in row:
                assert cell in shown
    assert full.headline.sentence in shown
    assert escaped(full.headline.sentence) in written


def test_charts_speak_to_screen_readers(page: str) -> None:
    parsed = Page(page)
    tags = [tag for tag, _ in parsed.elements]
    assert tags.count("svg") == tags.count("desc") == 12
    assert all(a.get("role") == "img" for tag, a in parsed.elements if tag == "svg")
    assert [a.get("lang") for tag, a in parsed.elements if tag == "html"] == ["en"]


def test_the_page_stays_small_when_the_store_grows() -> None:
    store = invented.full()
    store.db.execute(
        "INSERT INTO failure SELECT f.* REPLACE (f.example || i AS example)"
        " FROM failure f, range(200) t(i)"
    )
    report = collect(store.query, "r0001")
    assert report.failures_total > 20_000
    page = render_html(report)
    assert len(page.encode()) < 1_000_000
    assert f"A sample of 300 of {report.failures_total:,}" in page


SECTIONS = ("Scores", "Failure patterns", "Generated rows", "Judge", "Spend", "Ask further")


@pytest.mark.parametrize(
    ("store", "html", "markdown"),
    [
        (invented.empty, "No scores: the run ended before", "No scores: the run ended before"),
        (invented.empty, "This run ended early (stopped: the budget of 1 call is used up)", "early"),
        (lambda: invented.only_round_0(False), "No failures were found on train or validation", "No failures"),
        (lambda: invented.only_round_0(True), "One round only", "only student scored"),
        (lambda: invented.full((0, 1), 1), "round 1, mean", "round 1, seed 1"),
    ],
    ids=["nothing done", "stopped", "no failures", "one round", "two seeds"],
)  # fmt: skip
def test_every_section_is_there_for_every_run(store: object, html: str, markdown: str) -> None:
    assert callable(store)
    report = collect(store().query, "r0001")
    shown, written = Page(render_html(report)).text, render_markdown(report)
    assert html in shown
    assert markdown in written
    for section in SECTIONS:
        assert section in shown
        assert section in written


def test_no_candidate_accepted_is_said_everywhere() -> None:
    store = invented.full()
    store.db.execute("UPDATE verdict SET accepted = false, reason = 'leak'")
    store.db.execute("DELETE FROM selected")
    report = collect(store.query, "r0001")
    assert "No candidate was accepted" in Page(render_html(report)).text
    assert "No candidate was accepted" in render_markdown(report)
    assert "the previous model is kept" in " ".join(printed(report).split())


def test_a_student_whose_answers_cannot_be_read_is_told_with_the_first_of_them() -> None:
    store = invented.full(rounds=1)
    assert collect(store.query, "r0001").unread == ()
    store.db.execute(
        "UPDATE prediction SET status = 'unparsable', answer = NULL, text = 'sure: ' || split WHERE round = 0"
    )
    store.db.execute(
        "UPDATE prediction SET status = 'backend_failed' WHERE round = 0 AND example IN"
        " (SELECT min(example) FROM prediction)"
    )
    report = collect(store.query, "r0001")
    answers = store.value(
        "SELECT count(*) FROM prediction WHERE round = 0 AND status = 'unparsable'"
    )
    (none,) = report.unread
    assert (none.round, none.answers, none.unread) == (0, answers, answers)
    (said,) = unread_sentences(report)
    assert said.startswith(f"None of {answers:,} answers of round 0 could be read")
    assert "sure: test" not in said
    for shown in (render_markdown(report), Page(render_html(report)).text, words(report)):
        assert f"None of {answers:,} answers" in shown


def test_what_the_check_had_warned_of_is_told_of_many_the_first() -> None:
    store = invented.full(rounds=1)
    assert collect(store.query, "r0001").header.warnings == ()
    warn(store.db, [("train.csv", f"the row {n} is in French") for n in range(7)])
    report = collect(store.query, "r0001")
    assert len(report.header.warnings) == 7
    for shown in (render_markdown(report), Page(render_html(report)).text, words(report)):
        assert "train.csv:3:1: the row 0 is in French" in shown
        assert "the row 4 is in French" in shown
        assert "the row 5 is in French" not in shown
        assert "2 more" in shown


def test_rows_without_a_verdict_are_not_decided_yet() -> None:
    store = invented.full(rounds=1)
    store.db.execute("DELETE FROM selected")
    store.db.execute("DELETE FROM verdict WHERE accepted")
    report = collect(store.query, "r0001")
    said = " of the generated rows are not decided yet"
    for shown in (Page(render_html(report)).text, render_markdown(report), words(report)):
        assert said in shown
        assert "previous model is kept" not in shown
    store.db.execute("DELETE FROM verdict")
    store.db.execute("UPDATE run SET status = 'waiting'")
    report = collect(store.query, "r0001")
    for shown in (Page(render_html(report)).text, render_markdown(report), words(report)):
        assert "Nothing was decided yet" in shown
        assert "0 rejected (" not in shown
        assert "No candidate was accepted" not in shown
    assert "0 accepted" not in words(report)


def test_a_run_that_waits_for_a_next_try_has_not_kept_the_previous_model() -> None:
    store = invented.full(rounds=1)
    store.db.execute("DELETE FROM selected")
    store.db.execute("UPDATE verdict SET accepted = false, reason = 'leak'")
    store.db.execute("UPDATE run SET status = 'waiting'")
    report = collect(store.query, "r0001")
    assert "None was accepted so far" in words(report)
    assert "previous model is kept" not in words(report)


def words(report: Report) -> str:
    return " ".join(printed(report).split())


def printed(report: Report, width: int = 100, page: str | None = None) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(summary(report, page))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def test_console_summary_reads_as_agreed(full: Report) -> None:
    found = printed(full, page=".pada/reports/r0001.html")
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_commands_to_ask_further_name_the_store_and_there_are_none_where_it_is_gone() -> None:
    store = invented.full(rounds=1)
    report = collect(store.query, "r0001", state=Path("my state"))
    for shown in (words(report), render_markdown(report)):
        assert shown.count("pada sql --state 'my state' \"select") == 3
    assert Page(render_html(report)).text.count("pada sql --state 'my state' \"select") == 3
    gone = collect(store.query, "r0001", state=None)
    for shown in (words(gone), render_markdown(gone), render_html(gone)):
        assert "Ask further" not in shown
        assert "pada sql" not in shown.replace("<code>pada sql</code> has them all", "")


@pytest.mark.parametrize(
    ("mode", "words"),
    [("advises", "only recorded"), ("decides", "verdicts decided"), ("off", "judge was off")],
)
def test_console_says_who_decided(mode: str, words: str) -> None:
    assert words in printed(collect(invented.full(judge=mode, rounds=1).query, "r0001"))


def test_the_report_says_how_far_the_judge_is_to_be_trusted() -> None:
    store = invented.full(judge="decides", rounds=1)
    store.db.execute("DELETE FROM judge_calibration")
    invented.calibrate(store, decides=False)
    store.db.execute("UPDATE verdict SET agreement = 0.5")
    report = collect(store.query, "r0001")
    (row,) = calibration_table(report).rows
    assert row == ("0", "round 0", "19 of 20", "0 of 19", "0.47", "0.40 to 0.50", "advises")
    for found in (render_html(report), render_markdown(report)):
        assert "The judge on training rows" in found
        assert "It only advises: 19 of 20 passed." in found
        assert "50% of the answers came to the target." in found
    assert "did not pass its calibration" in printed(report)


def test_what_a_run_has_not_come_to_yet_is_not_told_as_its_outcome() -> None:
    store = invented.only_round_0(failures=True)
    store.db.execute("UPDATE run SET status = 'waiting'")
    said = printed(collect(store.query, "r0001"))
    assert "No failure patterns yet." in said
    assert "No rows were generated yet." in said
    assert "judge" not in said


def test_console_is_not_steered_by_rows() -> None:
    store = invented.full(rounds=1)
    store.db.execute("UPDATE pattern SET name = ?", ["[red]x[/] \x1b[2Jwiped \x07bell"])
    found = printed(collect(store.query, "r0001"))
    assert "\x1b" not in found
    assert "\x07" not in found
    assert "[red]x[/]" in found


def test_console_fits_a_narrow_terminal(full: Report) -> None:
    assert max(len(line) for line in printed(full, width=80).splitlines()) <= 80


def test_a_chart_has_no_line_without_points() -> None:
    figure = score_figure(collect(invented.full(rounds=1).query, "r0001"))
    assert figure is not None
    assert ("validation" in figure.wide, "logged" in figure.wide) == (True, False)
