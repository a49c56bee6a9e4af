"""What `pada preview` prints: that it is a preview, a few lines of each row, and the truth where it is stopped."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from engine.cli import running
from engine.errors import EngineError, Interrupted
from engine.store import FILE

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"x": "y" * 500}}}
    for name in ("find", "now")
]
ROW: dict[str, Any] = {
    "reason": "accepted", "operator": "paraphrase", "target": "b" * 300 + "\nsecond",
    "inputs": json.dumps(
        {"messages": f"[system] Be kind.\n[tools] {json.dumps(TOOLS)}\n[user] {'a ' * 300}\n[assistant] one\n[user] 2",
         "odd": "[tools] no JSON"}
    ),
}  # fmt: skip


def test_a_row_takes_a_few_lines_and_tools_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "stored", lambda state, sql: [ROW])
    stream = io.StringIO()
    running._show_rows(Console(file=stream, width=80), Path())
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("  accepted     paraphrase      bbb")
    assert lines[1:3] == ["    messages: [system] Be kind.", "      [tools] find, now"]
    assert lines[3].startswith("      [user] a a")
    assert lines[3].endswith("…")
    assert lines[4] == "      …"
    assert lines[5] == "    odd: [tools] no JSON"


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt(), Interrupted("stopped; everything finished is kept")]
)
def test_that_it_is_a_preview_is_said_first_and_one_that_is_stopped_keeps_nothing(
    stop: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def run(**_: Any) -> None:
        said.append(capsys.readouterr().out)
        raise stop

    small = SimpleNamespace(run=run)
    project = SimpleNamespace(loaded=None, keys=(), small=lambda *_: small)
    monkeypatch.setattr(running, "checked", lambda *_, **__: project)
    monkeypatch.setattr(running, "refuse_waiting", lambda _: None)
    monkeypatch.setattr(running, "ask_for_keys", lambda *_: None)
    with pytest.raises(Interrupted, match="nothing of a preview is kept") as ended:
        running.preview_recipe("recipe.yaml", (), 5, 2)
    assert "begins anew" in ended.value.hint
    assert "everything finished" not in str(ended.value)
    assert said[0].startswith("preview only: ")


def test_a_preview_is_kept_where_no_store_is_yet(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with (
        pytest.raises(EngineError, match="holds a store already") as wrong,
        running._room(tmp_path),
    ):
        pass
    assert "--keep" in wrong.value.hint
    with running._room(tmp_path / "new") as state:
        assert state == tmp_path / "new"
    with running._room(None) as state:
        assert state.is_dir()
    assert not state.exists()
