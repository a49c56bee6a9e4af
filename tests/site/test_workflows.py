"""Workflows for repositories of recipes, and the hook for pre-commit."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import EngineError
from engine.site.workflows import PLACES, report_script, workflow
from engine.version import __version__
from tests.site.trees import commit, git, write_recipe, write_tree

ROOT = Path(__file__).parents[2]


def _read(name: str) -> dict[str, Any]:
    read: dict[Any, Any] = yaml.safe_load(workflow(name))
    # YAML 1.1 takes GitHub's key `on` for a truth value.
    return {str(key): value for key, value in read.items()} | {"on": read.get(True)}


@pytest.mark.parametrize("name", PLACES)
def test_nothing_is_left_to_fill_in(name: str) -> None:
    text = workflow(name)
    assert "{{report}}" not in text
    assert "{{version}}" not in text
    if name != "github-comment":
        assert f'"pada-engine=={__version__}"' in text
        assert "pada validate --all . --no-data" in text
    assert text == CliRunner().invoke(app, ["ci", name]).stdout


def test_an_unknown_workflow_is_told() -> None:
    with pytest.raises(EngineError, match="there is no workflow 'gitlb'") as error:
        workflow("gitlb")
    assert "gitlab" in error.value.hint


def test_what_runs_the_change_has_no_secrets_and_can_only_read() -> None:
    checks = _read("github")
    assert set(checks["on"]) == {"pull_request", "push"}
    assert checks["permissions"] == {"contents": "read"}
    assert "secrets." not in workflow("github")
    (job,) = checks["jobs"].values()
    assert "permissions" not in job
    assert job["steps"][0]["with"]["persist-credentials"] is False


def test_what_may_write_comments_runs_nothing_of_the_change() -> None:
    comment = _read("github-comment")
    assert comment["on"] == {
        "workflow_run": {"workflows": [_read("github")["name"]], "types": ["completed"]}
    }
    assert comment["permissions"] == {}
    (job,) = comment["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert not any("uses" in step for step in job["steps"])
    assert not re.search(r"^\s*(pada|git|pip) ", "\n".join(s["run"] for s in job["steps"]), re.M)


@pytest.mark.parametrize("name", ["github", "github-comment"])
def test_actions_are_pinned_and_no_step_has_words_of_the_change_in_it(name: str) -> None:
    for job in _read(name)["jobs"].values():
        for step in job["steps"]:
            assert re.fullmatch(
                r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", "actions/x@" + "0" * 40)
            )
            assert "${{" not in step.get("run", "")


def test_the_comment_of_gitlab_has_a_job_without_the_change() -> None:
    read = _read("gitlab")
    comment = read["recipes-comment"]
    assert comment["variables"] == {"GIT_STRATEGY": "none"}
    assert "PADA_COMMENT_TOKEN" not in str(read["recipes"])
    assert read["recipes"]["artifacts"]["expose_as"]


def test_the_report_names_each_recipe_that_a_change_touches(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail", "invoices", "orders")
    base = commit(root)
    git(root, "switch", "--quiet", "--create", "change")
    write_recipe(root / "invoices", ("rows_per_round: 4", "rows_per_round: 8"))
    write_recipe(root / "a `b`\nc")
    (root / "compose.yaml").write_text("services: {}\n", "utf-8")
    commit(root)
    git(root, "switch", "--quiet", "main")
    (root / "orders" / "recipe.yaml").write_text("recipe: 1\n", "utf-8")
    tip = commit(root)
    git(root, "switch", "--quiet", "change")
    asked = tmp_path / "asked"
    tools = tmp_path / "bin"
    tools.mkdir()
    # In the place of pada: says what it was asked, and more than a comment holds.
    (tools / "pada").write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {asked}\ncat\necho "</details> ü$1"\n[ "$1" = diff ] || exit 2\n',
        "utf-8",
    )
    (tools / "pada").chmod(0o755)
    environment = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "BASE": tip,
        "LC_ALL": "C.UTF-8",
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", report_script()]
    subprocess.run(command, cwd=root, env=environment, check=True)
    calls = asked.read_text("utf-8")
    assert f"diff ./invoices/recipe.yaml {base}.. --markdown" in calls
    assert "plan ./invoices/recipe.yaml" in calls
    assert "orders" not in calls
    assert "compose" not in calls
    report = (root / "report.md").read_text("utf-8")
    assert "### `a bc/recipe.yaml`" in report
    assert "\n    </details> üplan\n" in report
    # Another lock may change every recipe.
    (root / "pada.lock").write_text("lock: 1\npackages: []\n", "utf-8")
    commit(root)
    subprocess.run(command, cwd=root, env=environment, check=True)
    assert f"diff ./orders/recipe.yaml {base}.. --markdown" in asked.read_text("utf-8")


def test_a_long_report_is_cut_between_two_characters(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail")
    base = commit(root)
    write_recipe(root / "invoices", ("rows_per_round: 4", "rows_per_round: 8"))
    commit(root)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "pada").write_text("#!/bin/sh\nprintf 'x%.0s' 1\nyes ü | head -n 90000\n", "utf-8")
    (tools / "pada").chmod(0o755)
    environment = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "BASE": base,
        "LC_ALL": "C.UTF-8",
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", report_script()]
    subprocess.run(command, cwd=root, env=environment, check=True)
    assert 59_990 < len((root / "report.md").read_text("utf-8").encode()) <= 60_000


def test_the_hook_is_a_command_that_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    entry, fmt = (
        next(hook["entry"] for hook in hooks if hook["id"] == name)
        for name in ("pada-validate", "pada-fmt")
    )
    root = write_tree(tmp_path / "mail")
    commit(root)
    monkeypatch.chdir(root)
    good = CliRunner().invoke(app, entry.split()[1:])
    assert (good.exit_code, "no problems" in good.stdout or "warning" in good.stdout) == (0, True)
    assert CliRunner().invoke(app, fmt.split()[1:]).exit_code == 1
    assert CliRunner().invoke(app, ["fmt"]).exit_code == 0
    assert CliRunner().invoke(app, fmt.split()[1:]).exit_code == 0
    write_recipe(root / "invoices", ("kind: classification", "kind: clasification"))
    assert CliRunner().invoke(app, entry.split()[1:]).exit_code == 2
