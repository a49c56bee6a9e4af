"""Where a report is written: two files of one name, each whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.report.files import write_report
from engine.spec.loader import load
from engine.store import Store
from tests.plan.test_validate import write_good

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    loaded = load(write_good(folder))
    store = Store.open(folder / "state")
    with store.lock_run():
        run = store.start_run(
            recipe="x", name="good", path=str(loaded.path), source=loaded.source,
            effective=loaded.effective, versions={},
        )  # fmt: skip
        store.end_run(run, "done")
    return folder / "state"


@pytest.mark.parametrize("name", ["said.html", "said.md"])
def test_either_name_gives_both_files(state: Path, tmp_path: Path, name: str) -> None:
    write_report(state, None, tmp_path / "reports" / name)
    html, markdown = (tmp_path / "reports" / f"said.{kind}" for kind in ("html", "md"))
    assert html.read_text("utf-8").startswith("<!doctype html>")
    assert markdown.read_text("utf-8").startswith("# ")
    assert len(list((tmp_path / "reports").iterdir())) == 2


def test_another_ending_is_refused_and_what_cannot_be_written_leaves_nothing(
    state: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=r"said\.pdf: the report is HTML and Markdown"):
        write_report(state, None, tmp_path / "said.pdf")
    (tmp_path / "taken.html").mkdir()
    with pytest.raises(EngineError, match="Is a directory"):
        write_report(state, None, tmp_path / "taken.html")
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob("said*"))
