"""`pada init` in a terminal of 80 columns: what it asks, with the proposal as default."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from engine.authoring.start.asking import Asked
from engine.authoring.start.questions import Answers, Question
from engine.cli.authoring import init_command
from engine.cli.authoring.init_command import _read
from engine.errors import EngineError, Interrupted
from tests.authoring.trials import csv, init, recipe, there, write

ROOT = Path(__file__).resolve().parents[2]


def converse(folder: Path, arguments: list[str], answers: list[tuple[str, str]]) -> tuple[str, int]:
    """Run `pada init` in a terminal and give each answer when its question stands there; returns what was seen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    command = [sys.executable, "-m", "engine.cli", "init", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:  # fmt: skip
        os.close(theirs)
        seen, waiting = "", list(answers)
        try:
            while select.select([ours], [], [], 120)[0]:
                try:
                    block = os.read(ours, 4096)
                except OSError:
                    break  # Linux says so that the other end is closed
                if not block:
                    break
                seen += block.decode()
                if waiting and waiting[0][0] in seen:
                    seen, answer = seen.replace(waiting[0][0], "(answered)", 1), waiting.pop(0)[1]
                    os.write(ours, answer.encode())
        finally:
            os.close(ours)
        assert waiting == [], seen
        return seen, process.wait()


@pytest.mark.runs
def test_a_terminal_is_asked_with_the_proposal_as_default(tmp_path: Path) -> None:
    rows = [f"review {n} of it,note {n} to it,{n % 5 + 1}" for n in range(40)]
    write(tmp_path, {"rows.csv": csv(rows, "review,note,stars")})
    seen, code = converse(
        tmp_path,
        ["rows.csv"],
        [
            ("[stars]: ", "note\n"),
            ("names, separated by commas [", "<\n"),
            ("[stars]: ", "\n"),
            ("names, separated by commas [", "1, 3\n"),
            ("names, separated by commas [", "1\n"),
            ("number or name [classification]: ", "numeric\n"),
            ("number or name [embedded]: ", "\n"),
            ("[rows]: ", "My Reviews\n"),
            ("the column 'stars'.]: ", "\n"),
        ],
    )
    assert code == 0, seen
    assert "5 values: 1, 2, 3, …" in seen
    assert "  3: there is none" in seen
    assert "--input" not in seen
    assert seen.count("goes back") == 1
    assert seen.rstrip().endswith("pada validate recipe.yaml")
    made = recipe(tmp_path)
    assert (made.name, made.task.kind, made.task.input) == ("my-reviews", "numeric", ["review"])


def test_the_end_of_answers_and_ctrl_c_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"rows.csv": csv([f"review {n} of it,{n % 5 + 1}" for n in range(40)])})
    monkeypatch.setattr(init_command, "_can_ask", lambda: True)
    assert "the answers ended: nothing was written" in init(tmp_path, "rows.csv").error

    def interrupt(question: Question) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(init_command, "_ask", interrupt)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Interrupted, match="nothing was written"):
        init_command.init_command(Asked(files=["rows.csv"]), takes_all=False)
    assert there(tmp_path) == {"rows.csv"}


def test_an_answer_is_a_number_a_name_or_several() -> None:
    question = Question("--input", "Which?", (), ("a b", "c", "2"), several=True)
    assert _read(question, "1 2") == ["a b", "2"]
    assert _read(question, "a b") == ["a b"]
    assert _read(question, "c, c,1") == ["c", "a b"]
    with pytest.raises(EngineError, match="there is none"):
        _read(question, "4")


def test_what_is_given_is_not_asked_and_proposals_hold_by_yes() -> None:
    asked: list[str] = []

    def ask(question: Question) -> list[str]:
        asked.append(question.flag)
        return ["c"]

    question = Question("--x", "Which?", ("p",), ("p", "c", "g"))
    assert Answers(ask, takes_all=False).one(question, "g") == "g"
    assert asked == []
    assert Answers(ask, takes_all=False).one(question, None) == "c"
    assert Answers(None, takes_all=True).one(question, None) == "p"
    with pytest.raises(EngineError, match="cannot be told from the data"):
        Answers(None, takes_all=True).one(Question("--x", "Which?"), None)
