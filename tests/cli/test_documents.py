"""What the documents tell people to type and to open is there: commands, queries, modules, files, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from engine.cli.app import app
from engine.review.items import Item
from engine.store import Store, reader, rows
from tests.store.small import make, start

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


def words_of(command: str) -> list[str]:
    """Return what is typed after `pada`: without comment, redirection and the brackets of what may be left out."""
    return shlex.split(re.sub(r"[\[\]]|\\\||( [>|] .*)$|\s# .*$", " ", command))[1:]


def mistake(command: str) -> str:
    """Return what `pada` says of a command's words; empty where it takes them. What is left out is no mistake."""
    said = CliRunner().invoke(app, [*words_of(command), "--help"])
    return said.output if said.exit_code else ""


def lacking(line: str) -> str:
    """Return the option that a command needs and is told without; empty for a bare name, which only speaks of it."""
    command, words = get_command(app), words_of(line)
    while words and isinstance(command, TyperGroup) and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    needed = [option.opts for option in command.params if option.required and words]
    lacked = [names[0] for names in needed if names[0].startswith("-") and not {*names} & {*words}]
    return " ".join(lacked)


def test_a_mistyped_command_is_found() -> None:
    assert mistake("pada run quickstart --limit 5 > out.txt") == ""
    assert mistake("pada calls show ID") == ""
    assert mistake("pada sql") == ""
    assert "No such command" in mistake("pada calls shaw ID")
    assert "No such option" in mistake("pada run quickstart --fast")
    assert mistake("pada runs  # lists (them)") == ""
    assert lacking("pada calls replay") == ""
    assert lacking("pada calls replay ID") == "--recipe"
    assert lacking("pada calls replay ID --recipe RECIPE") == ""


@pytest.mark.parametrize("page", OF_TODAY, ids=named)
def test_pada_takes_every_command(page: Path) -> None:
    told = {command: mistake(command) or lacking(command) for command in typed(page)}
    assert {command: why for command, why in told.items() if why} == {}


def queries() -> list[str]:
    """Return what the pages tell people to ask the store."""
    asked = [
        query
        for page in OF_TODAY
        for command in typed(page)
        for query in re.findall(r'^pada sql "([^"]+)"', command)
        if "…" not in query
    ]
    for page in OF_TODAY:
        text = page.read_text("utf-8")
        for block in re.findall(r"^```sql\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            asked += [query for query in block.split(";") if query.strip()]
        asked += re.findall(r"`(SELECT [^`…]+)`", text)
    assert len(asked) > 25
    return asked


def answers(state: Path) -> dict[str, list[str]]:
    """Return what each query is answered, but for which run it is, and which run asked a model."""
    with reader(state) as ask:
        return {
            query: sorted(
                re.sub(r"'(r000\d|new|cached)'", "it", repr(row)) for row in ask(query, [])
            )
            for query in queries()
        }


@pytest.mark.runs
def test_every_query_fits_the_store_and_counts_each_result_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    nothing = answers(tmp_path)
    assert set(map(tuple, nothing.values())) == {()}
    make(tmp_path)
    once = answers(tmp_path)
    assert sum(map(bool, once.values())) > 12
    nodes = rows(tmp_path, "SELECT node, name, position FROM run_node ORDER BY position")
    with store.lock_run():
        run = start(store)
        for row in nodes:
            store.link_node(run, row["node"], row["name"], row["position"], "cached")
        store.end_run(run, "done")
    again = answers(tmp_path)
    named = {query for query in once if re.search(r"\ball_\w+", query)}
    # These ask over all runs, on purpose.
    assert {query: again[query] for query in again.keys() - named} == {
        query: once[query] for query in once.keys() - named
    }
    with store.lock_run():
        store.end_run(start(store), "failed")
    latest = answers(tmp_path)
    assert [query for query in latest.keys() - named if latest[query]] == []


def printing_json(command: Any, words: str = "pada") -> Iterator[str]:
    """Yield the commands that take `--json`, in words."""
    if any("--json" in option.opts for option in command.params):
        yield words
    for name, inner in command.commands.items() if isinstance(command, TyperGroup) else ():
        yield from printing_json(inner, f"{words} {name}")


def test_every_command_that_prints_json_has_its_keys_written_down() -> None:
    table = dict(
        re.findall(
            r"^\| `(pada [a-z ]+?)(?: [A-Z]+)? --json` \| (.*) \|$",
            (ROOT / "docs" / "commands.md").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    assert sorted(table) == sorted(printing_json(get_command(app)))
    said = re.sub(r"\([^)]*\)", "", table["pada review"])
    assert re.findall(r"`(\w+)`", said) == [field.name for field in fields(Item)]


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
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return set(re.findall(r'<a id="([\w-]+)">', text)) | {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
    }


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


@pytest.mark.parametrize("page", [*PAGES, ROOT / "Dockerfile"], ids=named)
def test_installing_works_as_written_while_nothing_is_released(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.search(r"<PyTorch's[^>]*>", text)
    if re.search(r"^pip install pada-engine", text, re.MULTILINE):
        pytest.fail("no index has pada-engine: say how it is installed from a checkout")
    if "pip install pada-engine" in text and page.name in {"authoring.md", "install.md"}:
        assert re.search(
            r"pip install torch==\S+ --index-url https://download.pytorch.org/whl/cpu\b", text
        )
        assert "pip install --constraint constraints.txt ." in text
        assert "`.venv/bin/pada`" in text
