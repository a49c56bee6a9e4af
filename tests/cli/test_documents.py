"""What the documents tell people to type and to open is there: commands, queries, modules, files, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.store import Store, rows

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# What these two tell is of the commits that they name.
OF_TODAY = [page for page in PAGES if page.name not in {"results.md", "CHANGELOG.md"}]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def typed(page: Path) -> Iterator[str]:
    """Yield the commands of a page: those in running text, and lines of blocks, with lines that are continued."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    text = re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`(pada [^`]+)`", text)
    for block in blocks:
        yield from re.findall(r'^(pada (?:[^"\n]|"[^"]*")+)', block, re.MULTILINE)


def mistake(command: str) -> str:
    """Return what `pada` says of a command's words; empty where it takes them. What is left out is no mistake."""
    words = shlex.split(re.sub(r"[\[\]]|\\\||( [>|] .*)$", " ", command))[1:]
    said = CliRunner().invoke(app, [*words, "--help"])
    return said.output if said.exit_code else ""


def test_a_mistyped_command_is_found() -> None:
    assert mistake("pada run quickstart --limit 5 > out.txt") == ""
    assert mistake("pada calls show ID") == ""
    assert mistake("pada sql") == ""
    assert "No such command" in mistake("pada calls shaw ID")
    assert "No such option" in mistake("pada run quickstart --fast")


@pytest.mark.parametrize("page", OF_TODAY, ids=named)
def test_pada_takes_every_command(page: Path) -> None:
    told = {command: mistake(command) for command in typed(page)}
    assert {command: why for command, why in told.items() if why} == {}


@pytest.mark.runs
def test_every_query_fits_the_store(tmp_path: Path) -> None:
    Store.open(tmp_path)
    queries = [
        query
        for page in OF_TODAY
        for command in typed(page)
        for query in re.findall(r'^pada sql "([^"]+)"', command)
        if "…" not in query
    ]
    for page in OF_TODAY:
        for block in re.findall(
            r"^```sql\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
        ):
            queries += [query for query in block.split(";") if query.strip()]
    assert len(queries) > 5
    for query in queries:
        assert rows(tmp_path, query) == [], query


@pytest.mark.parametrize("page", OF_TODAY, ids=named)
def test_every_module_and_file_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    modules = [
        m.replace(".", "/") for m in re.findall(r"python -m ((?:engine|tests)[\w.]+\w)", text)
    ]
    files = re.findall(r"`((?:engine|tests|docs|schemas)/[\w./-]+\w/?)`", text)
    missing = [
        m
        for m in modules
        if not any((ROOT / end).exists() for end in (f"{m}.py", f"{m}/__main__.py"))
    ]
    missing += [f for f in files if not (ROOT / f).exists() and not (ROOT / f"{f}.py").exists()]
    assert missing == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith("http"):
            continue
        path, _, heading = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (heading and heading not in anchors(there)):
            lost.append(link)
    assert lost == []
