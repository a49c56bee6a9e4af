"""The program in docs/python.md does what the page says, with a scripted recipe in place of the quickstart."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from engine import Project, open_store
from engine.store.query import ReadableStore
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text("utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str], Path]:
    """Run the page's program; return its names, what it printed and its state folder."""
    folder = tmp_path_factory.mktemp("page")
    recipe, state = write_project(folder / "project"), folder / "state"
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for written, used, times in (('"quickstart"', recipe, 1), ('".pada"', state, 2)):
        assert program.count(written) == times
        program = program.replace(written, repr(str(used)))
    names: dict[str, Any] = {}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "docs/python.md", "exec"), names)
    return names, out.getvalue().splitlines(), state


def test_the_program_runs_and_prints_what_the_page_says(
    ran: tuple[dict[str, Any], list[str], Path],
) -> None:
    names, printed, state = ran
    assert f"{len(names['planned'].plan.nodes)} nodes" in printed
    assert "r0001 done" in printed
    stored = open_store(state).sql("SELECT name, size FROM failure_patterns").fetchall()
    assert stored
    for name, size in stored:
        assert any(line.startswith(f"{name}: {size} failures, ") for line in printed)
    assert printed[-1] == str(state / "reports" / "r0001.html")
    assert names["report"].html.exists()
    assert names["report"].markdown.exists()


def test_every_name_in_the_table_is_there() -> None:
    table = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)
    methods = re.findall(r"(open_store\(state\)|project|Project)\.(\w+)", "\n".join(table))
    assert len(methods) >= len(table) - 2
    for owner, name in methods:
        kind = ReadableStore if owner.startswith("open_store") else Project
        assert hasattr(kind, name), f"{owner}.{name}"
