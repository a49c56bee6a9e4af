"""`--log-file`: what stands in it, what never does, and what the terminal is spared."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from engine.cli import main
from engine.cli.app import app
from engine.cli.terminal.logged import add_log_options
from engine.errors import EngineError
from engine.metrics import rouge
from engine.system import log_writing
from engine.system.log_file import about, hide
from engine.system.log_writing import log_to

_log = logging.getLogger("engine.tests")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def pada(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    patch.setattr(sys, "argv", ["pada", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def broken(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command with a bug in it."""
    inner = typer.Typer()

    @inner.command()
    def divide(by: int) -> None:
        print(1 // by)

    add_log_options(inner)
    patch.setattr(sys, "argv", ["pada", *arguments])
    with pytest.raises(SystemExit) as ended:
        inner(list(arguments))
    return int(ended.value.code or 0)


def verbs(group: typer.Typer, before: str = "pada") -> list[tuple[str, Any]]:
    """Return each verb's name and function."""
    found = [(f"{before} {c.name or c.callback}", c.callback) for c in group.registered_commands]
    for one in group.registered_groups:
        assert one.typer_instance is not None
        found += verbs(one.typer_instance, f"{before} {one.name}")
    return found


def test_every_verb_can_be_logged() -> None:
    found = verbs(app)
    assert len(found) > 25
    assert [n for n, f in found if not {"log_file", "log_level"} <= set(f.__annotations__)] == []


def test_a_log_says_what_was_typed_and_how_it_ended_and_is_appended_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pada.log"
    monkeypatch.setenv("PADA_LOG_FILE", str(file))
    assert pada(monkeypatch, "list", "tasks") == 0
    assert "classification" in capsys.readouterr().out
    assert pada(monkeypatch, "list", "taks", "--log-file", str(file)) == 2
    began, ended, _, error, last = lines(file)
    assert (began["level"], began["arguments"]) == ("info", ["list", "tasks"])
    assert (ended["what"], ended["exit_code"]) == ("pada ends", 0)
    assert error["level"] == "error"
    assert "there is no list of 'taks'" in error["what"]
    assert error["traceback"].splitlines()[-2].startswith("engine.errors.EngineError")
    assert last["exit_code"] == 2
    assert {line["pid"] for line in lines(file)} == {os.getpid()}
    assert all(line["time"].endswith("+00:00") for line in lines(file))
    # The terminal has the message as ever, and no traceback.
    shown = capsys.readouterr().err
    assert "there is no list of 'taks'" in shown
    assert "Traceback" not in shown
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert logging.getLogger("engine").level == logging.NOTSET, "the next command is not logged"


def test_what_commands_print_is_not_printed_again_by_handlers_that_libraries_set_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger("engine"), "propagate", True)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert pada(monkeypatch, "list", "tasks") == 0
    # A library's first line, as absl's, that of rouge-score.
    logging.basicConfig()
    _log.warning("4 of 18 diagnoses belong to no pattern")
    assert "belong to no pattern" not in capfd.readouterr().err


def test_rouge_sets_up_no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    rouge._scorer.cache_clear()
    rouge._scorer(False)
    assert logging.getLogger().handlers == []


def test_problems_of_a_recipe_are_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe.yaml").write_text("recipe: 1\nname: x\nmetric: []\n", "utf-8")
    file = tmp_path / "log"
    assert pada(monkeypatch, "validate", str(tmp_path), "--log-file", str(file)) == 2
    found = [line for line in lines(file) if "where" in line]
    assert len(found) > 1
    assert {line["level"] for line in found} == {"error"}
    assert any("metric" in line["what"] and ":3:1" in line["where"] for line in found)


def test_a_bug_is_in_the_log_with_its_traceback_and_told_where_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log"
    with pytest.raises(ZeroDivisionError) as bug:
        broken(monkeypatch, "0", "--log-file", str(file))
    assert any(str(file) in note for note in bug.value.__notes__)
    (error,) = [line for line in lines(file) if line["level"] == "error"]
    assert "print(1 // by)" in error["traceback"]
    assert lines(file)[-1]["exit_code"] == 1


@pytest.mark.parametrize("level", log_writing.LEVELS)
def test_a_level_leaves_out_what_is_below_it(tmp_path: Path, level: str) -> None:
    with log_to(tmp_path / "log", level):
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            _log.log(number, "said")
            logging.getLogger("library").log(number, "said")
    ours = [one["level"] for one in lines(tmp_path / "log") if one["from"] == "engine.tests"]
    theirs = [one["level"] for one in lines(tmp_path / "log") if one["from"] == "library"]
    assert ours == list(log_writing.LEVELS)[log_writing.LEVELS.index(level) :]
    assert theirs == ["warning", "error"]


def test_fields_stand_in_what_is_logged_in_their_block(tmp_path: Path) -> None:
    with log_to(tmp_path / "log", "info"):
        with about(run="r0001"), about(stage="load"):
            _log.info("%d\n  rows", 3, extra={"fields": {"rows": 3}})
        _log.info("after")
    inside, after = lines(tmp_path / "log")
    assert (inside["run"], inside["stage"], inside["what"], inside["rows"]) == (
        "r0001",
        "load",
        "3 rows",
        3,
    )
    assert "stage" not in after


def test_no_key_stands_in_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    keys = {
        "SOME_API_KEY": "sk-abcdef",
        "HF_TOKEN": "hf_123456",
        "MINE": "of-the-recipe",
        "HOME_NOTE": "harmless",
    }
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    hide(["MINE"])
    said = "sk-abcdef hf_123456 of-the-recipe harmless http://me:pass@proxy:8/x"
    with log_to(file, "debug"):
        try:
            raise EngineError(said)
        except EngineError as error:
            _log.error("%s", error, exc_info=error, extra={"fields": {"detail": [said]}})
    (line,) = lines(file)
    for text in (line["what"], line["detail"][0], line["traceback"]):
        assert "*** *** *** harmless http://***@proxy:8/x" in text
    assert (
        pada(monkeypatch, "validate", "none", "--var", "api_key=sk-typed", "--log-file", str(file))
        == 2
    )
    assert "sk-typed" not in file.read_text("utf-8")


def test_a_log_stays_below_its_size_and_keeps_what_went_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writing, "MOST_BYTES", 2_000)
    with log_to(tmp_path / "log", "info"):
        for number in range(100):
            _log.info("line %d", number)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["log", "log.1", "log.2", "log.3"]
    assert all(path.stat().st_size <= 2_000 for path in tmp_path.iterdir())
    assert lines(tmp_path / "log")[-1]["what"] == "line 99"


def test_a_file_that_cannot_be_written_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (tmp_path, tmp_path / "none" / "log"):
        assert pada(monkeypatch, "list", "tasks", "--log-file", str(file)) == 2
        shown = capsys.readouterr()
        assert f"--log-file {file}: cannot be written" in shown.err
        assert shown.out == ""


def test_a_full_disk_ends_the_log_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with log_to(full, "info"):
        _log.info("one")
        _log.info("two")
    shown = capsys.readouterr().err
    assert shown.count("the log ends here") == 1
    assert "No space left" in shown
