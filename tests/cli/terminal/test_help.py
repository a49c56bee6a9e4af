"""Help texts, completion, and the JSON of listings, whose keys stand in docs/commands.md."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from engine.cli.app import LISTS, SCHEMAS, app
from engine.cli.batch import list_command
from engine.cli.terminal.help import CODES, EXAMPLES, PARTS, commands
from engine.run.batches import FileState
from tests.cli.test_documents import ROOT
from tests.store.small import make

WORDS = [words for words, _ in commands(app)]


def said(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return result.output


PADA = get_command(app)


def taken(line: str) -> None:
    """Parse a command line as `pada` does, and call nothing; raises UsageError."""
    command, words = PADA, shlex.split(line)[1:]
    context = command.make_context("pada", words)
    while isinstance(command, TyperGroup) and (rest := [*context._protected_args, *context.args]):
        name, found, words = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, found.make_context(name, words, parent=context)


def documented(command: str) -> set[str]:
    """Return the keys that docs/commands.md promises of a command's lines."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| `{re.escape(command)}` \| (.*) \|$", text, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row)))


def test_every_command_is_below_one_heading() -> None:
    below = [name for names in PARTS.values() for name in names]
    assert sorted(below) == sorted(words for words in WORDS if " " not in words)
    text = said("--help")
    assert [text.index(f"─ {heading} ─") for heading in PARTS] == sorted(
        text.index(f"─ {heading} ─") for heading in PARTS
    )
    assert text.index("│ init ") < text.index("│ validate ") < text.index("│ plan ")


def test_every_command_has_an_example_that_it_takes() -> None:
    assert set(WORDS) | {""} == set(EXAMPLES)
    assert set(CODES) <= set(WORDS)
    for line in EXAMPLES.values():
        taken(line.partition(" > ")[0])
    with pytest.raises(Exception, match="No such option"):
        taken("pada runs --jason")
    assert all(EXAMPLES[words].startswith(f"pada {words.split()[0]}") for words in WORDS)


@pytest.mark.parametrize("words", ["", "run", "calls", "patterns slices"])
def test_help_ends_with_an_example_and_the_exit_codes(words: str) -> None:
    short = said(*words.split(), "-h")
    assert short == said(*words.split(), "--help")
    assert f"Example: {EXAMPLES[words]}" in short
    assert "Exit codes: 0 done" in short
    assert ("75 waiting" in short) == (words == "run")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("pada pat", "patterns"), ("pada list ga", "gates"), ("pada calls --fai", "--failed")],
)
def test_the_shell_completes(typed: str, completed: str) -> None:
    asked = {
        "_PADA_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    assert CliRunner().invoke(app, [], prog_name="pada", env=asked).output.split() == [completed]


@pytest.mark.parametrize("what", LISTS)
def test_every_list_is_json(what: str) -> None:
    lines = [json.loads(line) for line in said("list", what, "--json").splitlines()]
    assert lines
    assert all(line.keys() == documented("pada list WHAT --json") for line in lines)
    assert [line["name"] for line in lines] == [
        line.split()[0] for line in said("list", what).splitlines()
    ]


def test_every_schema_that_is_completed_is_there() -> None:
    assert all(json.loads(said("schema", what)) for what in SCHEMAS)


@pytest.mark.runs
def test_listings_of_a_store_have_the_keys_that_are_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path)
    state = ["--state", str(tmp_path), "--json"]
    assert said("calls", "--role", "student", *state) == ""
    for command in ("runs", "patterns", "calls"):
        lines = [json.loads(line) for line in said(command, *state).splitlines()]
        assert lines
        assert all(line.keys() == documented(f"pada {command} --json") for line in lines), command
    for line in said("models", "list", "--json").splitlines():
        assert json.loads(line).keys() == documented("pada models list --json")
    header = type("Header", (), {"run": "r0001", "model": "m", "requests": 3})()
    one = FileState(Path("a.jsonl"), header, {"judge": 3}, 1, 1, 1)
    monkeypatch.setattr("engine.cli.batch.file_states", lambda store: [one])
    list_command(tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out).keys() == documented("pada batch list --json")
