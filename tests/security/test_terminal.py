"""Nothing that others wrote steers a terminal or a spreadsheet, or is there unseen; whoever prints goes one way."""

from __future__ import annotations

import ast
import io
import json
import logging
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text

from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.progress import ConsoleReporter
from engine.cli.terminal.streams import echo, print_records, write
from engine.system.plain_text import cell, clean, clean_json, is_plain, on_one_line
from tests.security.printing import PRINTING

ENGINE = Path(__file__).resolve().parents[2] / "engine"
HOSTILE = {
    "an escape code": "\x1b[2J",
    "a link": "\x1b]8;;http://x.example\x07name\x1b]8;;\x07",
    "a title": "\x1b]0;title\x1b\\",
    "an 8-bit escape": "\x9b31m",
    "a bell": "\x07",
    "a backspace": "key\x08\x08\x08",
    "a return": "harm\rless",
    "a null": "a\x00b",
    "delete": "a\x7fb",
    "a next line": "a\x85b",
    "words in another order": "\u202egpj.exe",
    "an isolate": "\u2066a\u2069",
    "a mark": "a\u200fb",
    "an Arabic mark": "a\u061cb",
    "a space of no width": "api.\u200bexample",
    "a byte order mark": "\ufeffname",
    "a soft hyphen": "na\u00adme",
    "a joiner between Latin letters": "na\u200dme",
    "a tag": "name\U000e0041",
    "a filler": "na\u3164me",
    "a line separator": "a\u2028b",
    "half a character": "a\ud800b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_steers_or_hides_is_shown_as_its_code(text: str) -> None:
    shown = clean(text)
    assert "[U+" in shown
    assert is_plain(shown)
    assert not is_plain(text)
    assert all(c in "\n\t" or unicodedata.category(c)[0] not in {"C"} for c in shown)
    quoted = json.dumps(text, ensure_ascii=False)
    assert json.loads(clean_json(quoted)) == text
    assert is_plain(clean_json(quoted))
    assert is_plain(cell(text))
    assert cell(text, raw=True) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two\nlines\tand a tab",
        "Müller — 12 €",
        "שלום",
        "👩‍💻 👨🏽‍🚀 ❤️‍🔥",
        "می‌خواهم",
        "क्‍ष",
        "العربية",
    ],
)
def test_what_is_only_text_stays(text: str) -> None:
    assert clean(text) == text
    assert cell(text) == text


def test_every_character_that_is_not_seen_is_known() -> None:
    seen = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    hidden = [
        f"U+{code:04X}"
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        and chr(code) not in "\n\t"
        and code not in seen
        and is_plain(chr(code))
    ]
    assert not hidden


def test_lines() -> None:
    assert clean("a\r\nb\rc") == "a\nb[U+000D]c"
    assert on_one_line("a\r\nb\tc\x1b") == "a b c[U+001B]"


def printed(what: Any, width: int = 120) -> str:
    out = io.StringIO()
    make_console(file=out, width=width).print(what)
    return out.getvalue()


def _table(text: str) -> Table:
    table = Table(title=text, caption=text)
    table.add_column(text)
    table.add_column(Text(text))
    table.add_row(text, Text(text, style="red"))
    return table


@pytest.mark.parametrize("kind", ["text", "string", "table", "group", "say"])
def test_a_console_prints_nothing_else(kind: str) -> None:
    text = "".join(HOSTILE.values()) + "[red]x[/] [link=http://x]y[/link] :smile:"
    if kind == "say":
        out = io.StringIO()
        say(make_console(file=out), text, style="bold")
        shown = out.getvalue()
    else:
        what = {"text": Text(text), "string": text, "table": _table(text), "group": Group(text)}
        shown = printed(what[kind], 2000)
    assert is_plain(shown)
    assert "[red]x[/] [link=http://x]y[/link] :smile:" in shown
    assert "[U+001B][2J" in shown
    assert "[U+202E]gpj.exe" in shown


def test_styles_and_progress_bars_keep_their_own_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    console = make_console(file=out, width=80)
    styled = Text("a")
    styled.append("\x1b[2J", style="red")
    console.print(styled)
    assert out.getvalue() == "a\x1b[31m[U+001B]\x1b[0m\x1b[31m[2J\x1b[0m\n"
    with ConsoleReporter(console).shown() as reporter:
        reporter.open("\x1b[2J[red]node\u202e", 2)(1)
        reporter.say("\x1b[2Jsaid")
    assert "[U+001B][2J[red]node[U+202E]" in out.getvalue()
    assert "[U+001B][2Jsaid" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()


def test_lines_without_a_console(capsys: pytest.CaptureFixture[str]) -> None:
    echo("\x1b[2Jout")
    echo("\u202eerror", error=True)
    write(sys.stdout, "\x07")
    print_records(sys.stdout, [{"name": "\x9b\u202e\x1b"}])
    out, error = capsys.readouterr()
    assert (error, out.splitlines()[0]) == ("[U+202E]error\n", "[U+001B][2Jout")
    assert is_plain(out)
    assert json.loads(out.splitlines()[1].removeprefix("[U+0007]")) == {"name": "\x9b\u202e\x1b"}


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x.example","y")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1",
        "＝1+1", "＋1+1", "－1+1", "＠A1", "-", "- a list's item", "=", "+49 170", "--1", "-1.5.2",
    ],
)  # fmt: skip
def test_no_spreadsheet_takes_a_text_for_a_formula(text: str) -> None:
    assert str(cell(text)).startswith("'")
    assert cell(text, raw=True) == text


@pytest.mark.parametrize(
    "value", [-5, 1.5, None, True, "-5", "+3.25", "-1e-9", "12", "a=b", "", "'=1", " =1"]
)
def test_numbers_and_other_texts_stay_as_they_are(value: object) -> None:
    assert cell(value) == value


QUERY = "SELECT '=1+1' AS \"=a\", 'a\x1b[2Jb' AS b, -5 AS c, ['\u202ex'] AS d, '-7' AS e"


@pytest.mark.parametrize("form", ["table", "plain", "csv", "raw", "json"])
def test_rows_of_a_query(form: str, tmp_path: Path) -> None:
    from engine.cli.sql import sql_command
    from engine.store import Store

    Store.open(tmp_path).close()
    out = io.StringIO()
    console = make_console(file=out, width=200)
    console._force_terminal = form == "table"
    sql_command(tmp_path, QUERY, csv=form in {"csv", "raw"}, raw=form == "raw", json=form == "json",
                console=console, errors=console)  # fmt: skip
    said = out.getvalue()
    assert is_plain(said) == (form != "raw")
    if form == "csv":
        assert said.splitlines() == [
            "'=a,b,c,d,e",
            '\'=1+1,a[U+001B][2Jb,-5,"[""\\u202ex""]",-7',
        ]
    if form == "raw":
        assert said.splitlines()[1].startswith("=1+1,a\x1b[2Jb,-5,")
    if form == "json":
        assert json.loads(said)["b"] == "a\x1b[2Jb"


def test_raw_is_for_csv_alone(tmp_path: Path) -> None:
    from engine.cli.sql import sql_command
    from engine.errors import StoreError

    with pytest.raises(StoreError, match="--raw is for --csv"):
        sql_command(tmp_path, "SELECT 1", raw=True)


def test_files_that_are_written_to_be_read(tmp_path: Path) -> None:
    from engine.report.files import write_files

    text = "\x1b[2J\u202e\u200b"
    names = ("a.md", "a.html", "a.json", "a.csv")
    write_files("report", {tmp_path / name: json.dumps(text, ensure_ascii=False) for name in names})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == text
    for name in names[:3]:
        assert is_plain((tmp_path / name).read_text("utf-8"))


def test_comparisons_and_files_for_review_have_no_formulas(tmp_path: Path) -> None:
    from engine.review.files import write_items
    from engine.review.items import Item

    item = Item("e", "candidate", {"text": "=1+1\x1b"}, "-x", "rejected", reason="judge")
    write_items(tmp_path / "rows.csv", [item], "label")
    assert "'=1+1[U+001B],'-x," in (tmp_path / "rows.csv").read_text("utf-8-sig")
    write_items(tmp_path / "rows.jsonl", [item], "label")
    line = (tmp_path / "rows.jsonl").read_text("utf-8")
    assert json.loads(line)["text"] == "=1+1\x1b"


def test_the_log_can_be_read_in_a_terminal(tmp_path: Path) -> None:
    from engine.system.log_writing import log_to

    said = "from a server: \x9b31m\u202e\x1b[2J"
    with log_to(tmp_path / "log", "info"):
        logging.getLogger("engine.test").info("%s", said, extra={"fields": {"detail": said}})
    text = (tmp_path / "log").read_text("utf-8")
    assert is_plain(text)
    assert json.loads(text)["detail"] == said


def test_an_error_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from engine import cli

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('recipe: 1\nname: "\\e[2J\\u202e"\n"\\e]0;x\\a[red]": 1\n', "utf-8")
    monkeypatch.setattr(sys, "argv", ["pada", "validate", str(recipe)])
    monkeypatch.setattr(cli, "print_anything", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    out, error = capsys.readouterr()
    assert is_plain(out + error)
    assert "[U+001B]" in error
    assert "[red]" in error


# Every place that prints.

STREAMS = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "console.file"}
ALONE = {"print", "input", "Console", "getpass"}
ELSEWHERE = {
    "typer.echo", "typer.secho", "click.echo", "click.secho", "typer.prompt", "typer.confirm", "click.prompt",
    "click.confirm", "rich.print", "traceback.print_exc", "warnings.warn",
}  # fmt: skip
WRITERS = {"write", "writelines", "writer", "DictWriter"}
"""Methods by which the command line writes to whatever it was handed."""
PASSED_ON = {"print_records", "write", "make_console", "write_csv", "write_json"}
"""Who is handed a stream and is in the list, or in this one, themselves."""
MARKUP = {"Text.from_markup", "Text.from_ansi", "render_markup", "print_json"}


def places(node: ast.AST, cli: bool, inside: str = "", handed: bool = False) -> Iterator[str]:
    """Yield the names of the functions that write to a stream themselves, or make what does."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        name = getattr(child, "name", "") if is_function else inside
        passes = handed
        if isinstance(child, ast.Call):
            called = ast.unparse(child.func)
            passes = called in PASSED_ON or (called == "for_programs" and handed)
            writes = cli and isinstance(child.func, ast.Attribute) and child.func.attr in WRITERS
            if called in ALONE | ELSEWHERE or called == "_CleanConsole" or writes:
                yield name
        elif isinstance(child, ast.Attribute) and ast.unparse(child) in STREAMS and not handed:
            if not (isinstance(node, ast.Attribute) and node.attr == "isatty"):
                yield name
        elif isinstance(child, ast.keyword) and handed:
            passes = True
        yield from places(child, cli, name, passes)


def test_every_place_that_prints_is_known() -> None:
    found = {
        f"{name}::{function}"
        for file in ENGINE.rglob("*.py")
        for name in [file.relative_to(ENGINE).as_posix()]
        for function in places(ast.parse(file.read_text("utf-8")), name.startswith("cli/"))
    }
    known = set(PRINTING)
    assert not sorted(found - known), "print by make_console, say, echo or write in cli/terminal"
    assert not sorted(known - found), "these print nothing themselves any more"


def test_a_new_place_would_be_found() -> None:
    code = (
        "def a(): print(1)\ndef b(): sys.stdout.write('x')\ndef c(): Console().print('x')\n"
        "def d(): console.file.write('x')\ndef e(): typer.echo('x')\ndef f(): input(name)\n"
        "def g(): write(sys.stdout, 'x')\ndef h(): make_console(file=console.file)\n"
        "def i(): print_records(sys.stdout, [])\ndef j(): sys.stderr.isatty()\n"
        "def k(): write(for_programs(console.file), 'x')\ndef m(): stream.write('x')"
    )
    assert list(places(ast.parse(code), True)) == ["a", "b", "b", "c", "d", "d", "e", "f", "m"]


def test_no_markup_is_read_anywhere() -> None:
    read = []
    for file in ENGINE.rglob("*.py"):
        text = file.read_text("utf-8")
        if "rich" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            keys = {key.arg: ast.unparse(key.value) for key in node.keywords}
            marked = keys.get("markup") == "True" or keys.get("emoji") == "True"
            bar = called == "TextColumn" and keys.get("markup") != "False"
            if called in MARKUP or marked or bar:
                read.append(f"{file.name}:{node.lineno}: {called}")
    assert not read
