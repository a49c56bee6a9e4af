"""AGENTS.md, llms.txt and the container's files name what is there, and all of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer

from engine.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
LLMS = (ROOT / "llms.txt").read_text("utf-8")
AGENTS = (ROOT / "AGENTS.md").read_text("utf-8")
LINK = re.compile(r"- \[([^\]]+)\]\(([^)]+)\): (.+)")


def test_llms_txt_has_its_form() -> None:
    """A title, a summary in a quote, and sections of links with a line each (llmstxt.org)."""
    title, summary, _ = LLMS.split("\n\n", 2)
    assert title == "# PaDA Engine"
    assert re.fullmatch(r"> .+", summary)
    _, *sections = re.split(r"^## (?:.+)\n\n", LLMS, flags=re.MULTILINE)
    assert len(sections) > 3
    lines = [line for section in sections for line in section.splitlines() if line]
    assert [line for line in lines if not LINK.fullmatch(line)] == []


def test_every_link_of_llms_txt_exists_and_every_page_is_listed() -> None:
    linked = [target for _, target, _ in LINK.findall(LLMS)]
    assert [target for target in linked if not (ROOT / target).is_file()] == []
    assert len(linked) == len(set(linked))
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages - set(linked) == set(), "write a line for each of these in llms.txt"


def verbs(group: typer.Typer, before: str = "pada") -> set[str]:
    """Return the commands that can be typed."""
    found = {
        f"{before} {one.name or (one.callback.__name__ if one.callback else '')}"
        for one in group.registered_commands
    }
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        found |= {f"{before} {inner.name}", *verbs(inner.typer_instance, f"{before} {inner.name}")}
    return found


def test_agents_md_names_commands_targets_and_files_that_are_there() -> None:
    known = verbs(app)
    typed = set(re.findall(r"\bpada [a-z]+(?: (?:prompt|list|show))?", AGENTS))
    assert len(typed) > 6
    assert {command for command in typed if command not in known} == set()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", AGENTS, re.MULTILINE))
    assert named
    assert named <= targets
    files = re.findall(
        r"`((?:docs|tests|schemas|engine)/[\w./-]+|[A-Z]+\.md|llms\.txt|pyproject\.toml)`", AGENTS
    )
    assert len(files) > 8
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("command", ["validate", "sql"])
def test_commands_that_agents_md_says_print_json_do(command: str) -> None:
    (function,) = [
        c.callback for c in app.registered_commands if c.callback and c.callback.__name__ == command
    ]
    assert re.search(rf"pada {command} .*--json", AGENTS)
    assert "json" in function.__annotations__


def test_a_container_is_built_from_what_the_wheel_is_built_from() -> None:
    """No engine for containers is there to try it: at least nothing that is needed is left out."""
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {"pyproject.toml", "constraints.txt", project["project"]["readme"], "LICENSE"}
    needed |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    assert allowed == needed
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ") and line != "USER root"], (
        "not as root"
    )
    assert any("--constraint constraints.txt ." in line for line in lines)
