"""No key goes where its user did not say it may: whatever sends asks before, and what is sent is read in one place."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine import gate
from engine.backends.entry import ModelRef
from engine.backends.http.connection import Connection
from engine.backends.openai import PROTOCOL, OpenAISettings
from engine.cli.app import app
from engine.cli.terminal.consent import ask_for_keys
from engine.errors import BackendError, EngineError
from engine.gate import KeyUse, consent
from engine.plan.flow import require_consent
from engine.project import Project
from engine.servers import check_url, key_use, parse_key_use
from tests.security.test_gate import RECIPE, ROWS

ADDRESS = "https://api.keys.example/v1"
USE = KeyUse("SOME_KEY", ADDRESS)
TEACHER = "{backend: scripted, model: teacher}"
SERVED = f"{{backend: openai, model: big, pack: small, base_url: '{ADDRESS}', api_key: {{env: SOME_KEY}}}}"


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own settings, a key, and a process that nothing was granted to."""
    folder = tmp_path / "settings" / "pada"
    monkeypatch.setenv("PADA_CONFIG", str(folder))
    monkeypatch.setenv("SOME_KEY", "sk-0123456789")
    monkeypatch.setenv("OTHER_KEY", "sk-9876543210")
    monkeypatch.setattr(consent, "_granted", set())
    # The state folder that is not named lies here, and not in the checkout, where a quickstart may have left one.
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.jsonl").write_text(ROWS, "utf-8")
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.replace(TEACHER, SERVED), "utf-8")
    return file


@pytest.fixture
def project(recipe: Path, tmp_path: Path) -> Project:
    return Project.open(recipe, tmp_path / "state")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Put somebody at a terminal who answers; returns what they were asked."""

    def answers(text: str) -> list[str]:
        asked: list[str] = []

        def typed(prompt: str = "") -> str:
            asked.append(prompt)
            if text == "end":
                raise EOFError
            return text

        for stream in ("sys.stdin", "sys.stderr"):
            monkeypatch.setattr(f"{stream}.isatty", lambda: True)
        monkeypatch.setattr("builtins.input", typed)
        return asked

    return answers


def refused(what: Callable[[], object]) -> EngineError:
    with pytest.raises(EngineError, match="you have not consented") as error:
        what()
    assert error.value.exit_code == 2
    return error.value


def test_a_run_ends_before_anything_is_sent_or_stored(project: Project, recipe: Path) -> None:
    assert project.keys == [USE]
    error = refused(project.run)
    assert f"{recipe} sends the key SOME_KEY to {ADDRESS}" in error.message
    assert f"pada trust --key SOME_KEY={ADDRESS} {recipe}" in error.hint
    assert f'trust=["SOME_KEY={ADDRESS}"]' in error.hint
    assert not project.state.exists()


@pytest.mark.parametrize(
    "words",
    [
        "run RECIPE",
        "preview RECIPE",
        "compare RECIPE --methods vanilla,pada",
        "try operator paraphrase --recipe RECIPE",
    ],
)
def test_every_command_that_sends(words: str, recipe: Path, tmp_path: Path) -> None:
    state = [] if words.startswith("preview") else ["--state", str(tmp_path / "state")]
    command = [word.replace("RECIPE", str(recipe)) for word in words.split()] + state
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, EngineError), result.output
    assert "you have not consented" in str(result.exception)
    assert not (tmp_path / "state" / "store.duckdb").exists()


def test_a_call_that_is_sent_again(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.cli.calls import replay

    monkeypatch.setattr(replay, "find_call", lambda *_: [{"role": "teacher"}])
    loaded = Project.open(recipe).loaded
    refused(lambda: replay.replay_call(recipe.parent, "0", loaded))


def test_the_command_that_is_named_consents(project: Project, settings: Path) -> None:
    error = refused(project.run)
    command = shlex.split(error.hint.partition("pada ")[2].partition("  (")[0])
    said = CliRunner().invoke(app, command, catch_exceptions=False)
    assert f"SOME_KEY may go to {ADDRESS}" in said.output
    assert str(settings / "keys") in said.output.replace("\n", "")
    require_consent(project.keys, [], project.loaded)
    ask_for_keys(project.loaded, project.keys)
    file = settings / "keys"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text("utf-8") == f"SOME_KEY {ADDRESS} {project.loaded.base.resolve()}\n"


def test_python_consents_for_a_run(
    project: Project, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "_execute", lambda *_: "ran")
    assert project.run(trust=[f"SOME_KEY={ADDRESS}/"]) == "ran"  # type: ignore[comparison-overlap]
    assert not (settings / "keys").exists()


@pytest.mark.parametrize(
    "text", ["SOME_KEY", f"={ADDRESS}", "SOME KEY=https://a", "SOME_KEY=ftp://a", "SOME_KEY=api"]
)
def test_what_says_nothing_of_a_key(text: str, project: Project, recipe: Path) -> None:
    with pytest.raises(EngineError, match="does not say which key goes where"):
        project.run(trust=[text])
    result = CliRunner().invoke(app, ["trust", "--key", text, str(recipe)])
    assert isinstance(result.exception, EngineError)


def test_a_consent_to_another_pair_does_not_help(project: Project) -> None:
    for other in (f"OTHER_KEY={ADDRESS}", "SOME_KEY=https://api.keys.example/v2"):
        refused(lambda other=other: project.run(trust=[other]))  # type: ignore[misc]


@pytest.mark.parametrize("answer", ["y", "YES "])
def test_somebody_at_a_terminal_is_asked_once(
    answer: str,
    project: Project,
    terminal: Callable[[str], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = terminal(answer)
    for _ in range(2):
        ask_for_keys(project.loaded, project.keys)
    assert len(asked) == 1
    said = capsys.readouterr().err
    assert f"key SOME_KEY goes to api.keys.example:443  ({ADDRESS})" in said
    assert "sk-0123456789" not in said
    assert gate.has_consent(USE, project.loaded.base)


@pytest.mark.parametrize("answer", ["n", "", "end"])
def test_whoever_does_not_say_yes_says_no(
    answer: str, project: Project, terminal: Callable[[str], list[str]], settings: Path
) -> None:
    import typer

    terminal(answer)
    with pytest.raises(typer.Exit) as ended:
        ask_for_keys(project.loaded, project.keys)
    assert ended.value.exit_code == 1
    assert not settings.exists()
    refused(project.run)


def test_settings_that_cannot_be_written_are_no_reason_to_end(
    project: Project, terminal: Callable[[str], list[str]], settings: Path
) -> None:
    settings.parent.mkdir()
    settings.write_text("", "utf-8")
    terminal("y")
    ask_for_keys(project.loaded, project.keys)
    assert gate.has_consent(USE, project.loaded.base)


CHANGES: dict[str, tuple[str, str, bool]] = {
    "the variable": ("SOME_KEY", "OTHER_KEY", True),
    "the host": ("api.keys", "api2.keys", True),
    "the path": ("example/v1", "example/v2", True),
    "the port": ("example/v1", "example:8443/v1", True),
    "no encryption": ("https:", "http:", True),
    "the usual port": ("example/v1", "example:443/v1", False),
    "a slash": ("example/v1'", "example/v1/'", False),
    "large letters": ("api.keys", "API.Keys", False),
    "the model": ("model: big", "model: bigger", False),
    "the description": ("Mail.", "Letters.", False),
    "the name": ("name: shared", "name: other", False),
    "the rows": ("failure: accuracy < 1", "failure: accuracy < 0.5", False),
    "this machine": ("https://api.keys.example", "http://127.0.0.1:8000", False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_of_a_recipe_needs_another_consent(change: str, recipe: Path) -> None:
    gate.remember_keys([USE], recipe.parent)
    before, after, asks = CHANGES[change]
    text = recipe.read_text("utf-8")
    assert before in text
    recipe.write_text(text.replace(before, after), "utf-8")
    (recipe.parent / "prompts").mkdir()
    uses = Project.open(recipe).keys
    assert any(not gate.has_consent(use, recipe.parent) for use in uses) == asks


def test_a_consent_is_for_one_project(recipe: Path, tmp_path: Path) -> None:
    gate.remember_keys([USE], recipe.parent)
    (recipe.parent / "inner").mkdir()
    assert gate.has_consent(USE, recipe.parent)
    assert not gate.has_consent(USE, recipe.parent / "inner")
    (recipe.parent / "pada.yaml").write_text("", "utf-8")
    assert gate.has_consent(USE, recipe.parent / "inner")
    assert not gate.has_consent(USE, tmp_path)


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1", "[::1]:80", "127.8.9.10:1234", "LOCALHOST"]
)
def test_this_machine_is_never_asked_about(host: str, recipe: Path) -> None:
    assert key_use("SOME_KEY", f"http://{host}/v1") is None
    assert parse_key_use(f"SOME_KEY=http://{host}/v1") is None
    recipe.write_text(
        recipe.read_text("utf-8").replace("https://api.keys.example", f"http://{host}")
    )
    assert Project.open(recipe).keys == []


@pytest.mark.parametrize(
    "host", ["localhost.example", "127.0.0.1.example", "0.0.0.0", "2130706433", "local", "10.0.0.1"]
)
def test_what_only_looks_like_it_is_asked_about(host: str) -> None:
    assert key_use("SOME_KEY", f"http://{host}/v1") == KeyUse("SOME_KEY", f"http://{host}/v1")


@pytest.mark.parametrize(
    "url",
    [
        "https://аpi.example/v1",  # the first letter is Cyrillic
        "https://api.\u200bexample/v1",
        "https://api.example\\@other.example/v1",
        "https://api.example\\.other.example",
        "https://api%2eexample/v1",
        "https://api.example\x1b[8m/v1",
        "https://api.example\x00/v1",
        "https://-/v1",
        "https://[::1/v1",
        "https://[zz]/v1",
        "https://user@api.example/v1",
        "https://api.example/v1#@other.example",
        "https://api.example:99999/v1",
        "https://api.exa mple/v1",
    ],
)
def test_an_address_that_may_be_read_as_two_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_url(url)


def test_a_recipe_without_keys_and_a_key_that_is_not_set(
    recipe: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyless = recipe.with_name("keyless.yaml")
    keyless.write_text(recipe.read_text("utf-8").replace(", api_key: {env: SOME_KEY}", ""), "utf-8")
    assert Project.open(keyless).keys == []
    monkeypatch.delenv("SOME_KEY")
    require_consent(project.keys, [], project.loaded)
    ask_for_keys(project.loaded, project.keys)


def test_nothing_is_sent_by_who_forgot_to_ask(recipe: Path) -> None:
    settings = OpenAISettings.model_validate(
        {"base_url": ADDRESS, "api_key": {"env": "SOME_KEY"}}, strict=False
    )
    for base in (recipe.parent, None):
        with pytest.raises(BackendError, match="you have not consented") as error:
            Connection(ModelRef("big", base), settings, PROTOCOL)
        assert f"--key SOME_KEY={ADDRESS}" in error.value.hint
    gate.grant_keys([USE], recipe.parent)
    for base in (recipe.parent, None):
        assert Connection(ModelRef("big", base), settings, PROTOCOL)
    with pytest.raises(BackendError):
        Connection(ModelRef("big", recipe.parent.parent), settings, PROTOCOL)


def test_the_plan_names_the_pair_and_whether_it_is_consented_to(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.cli.planning import print_plan

    print_plan(project, False)
    line = "openai) → api.keys.example:443, with the key in SOME_KEY (not consented to yet: a run asks)"
    assert line in capsys.readouterr().out
    gate.remember_keys([USE], project.loaded.base)
    print_plan(project, False)
    assert "with the key in SOME_KEY (you consented)" in capsys.readouterr().out


def test_a_benchmarks_key_is_one_too(recipe: Path) -> None:
    endpoint = "{base_url: 'https://fast.example/v1', model: m, api_key: {env: OTHER_KEY}}"
    recipe.write_text(f"{recipe.read_text('utf-8')}benchmark: {{endpoint: {endpoint}}}\n", "utf-8")
    assert Project.open(recipe).keys == [USE, KeyUse("OTHER_KEY", "https://fast.example/v1")]


@pytest.mark.parametrize("text", ["", "x", "SOME_KEY https://a", "\xff", "SOME_KEY  /x", "\n\n"])
def test_settings_that_are_broken_consent_to_nothing(
    text: str, settings: Path, recipe: Path
) -> None:
    settings.mkdir(parents=True)
    (settings / "keys").write_bytes(text.encode("latin-1"))
    assert not gate.has_consent(USE, recipe.parent)
    gate.remember_keys([USE], recipe.parent)
    assert gate.has_consent(USE, recipe.parent)


def test_a_folder_with_a_line_break_cannot_consent_for_another(tmp_path: Path) -> None:
    folder = tmp_path / f"a\nSOME_KEY {ADDRESS} " / "b"
    folder.mkdir(parents=True)
    with pytest.raises(OSError, match="line break"):
        gate.remember_keys([KeyUse("OTHER_KEY", ADDRESS)], folder)


READERS = {
    "backends/http/connection.py": "asks engine.gate first",
    "backends/serving/benchmark.py": "takes the key out of an error",
    "backends/serving/guidellm.py": "after the engine's own client was let pass",
    "backends/serving/server.py": "which hosts need no proxy",
    "gate/consent.py": "whether there is a key",
    "plan/checks/money.py": "whether there is a key",
    "run/executors/tasks.py": "threads that the engine itself asks of a worker, by a name of its own",
    "sandbox/workers.py": "what a process that computes is given: PATH and the like",
    "servers.py": "a proxy's variable",
    "system/places.py": "where folders are",
}
"""Modules that read a variable of the environment whose name they do not hold themselves."""


def test_who_reads_variables_that_a_recipe_names() -> None:
    engine = Path(gate.__file__).resolve().parents[1]
    found = set()
    for file in engine.rglob("*.py"):
        text = file.read_text("utf-8")
        if "environ" not in text and "getenv" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            arguments: list[ast.expr] = []
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in {"os.environ.get", "os.getenv", "os.environ.pop", "environ.get"}:
                    arguments = node.args[:1]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                arguments = [node.slice]
            if any(not isinstance(one, ast.Constant) for one in arguments):
                found.add(file.relative_to(engine).as_posix())
    assert found == set(READERS)
