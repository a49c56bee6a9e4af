"""git as a program: what it says, what it may not do, and which addresses it is asked for."""

import os
from pathlib import Path

import pytest

from engine.system.git import GitError, checked_address, git_bytes, hidden, run_git


def test_git_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="not installed"):
        run_git(["version"], tmp_path)


def test_what_git_says_is_in_the_error_without_passwords(tmp_path: Path) -> None:
    with pytest.raises(GitError) as raised:
        run_git(["rev-parse", "--verify", "HEAD"], tmp_path)
    assert "not a git repository" in raised.value.said
    assert hidden("fatal: https://me:s3cret@host/x") == "fatal: https://***@host/x"


def test_variables_of_a_hook_lead_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(Path(__file__).parents[2] / ".git"))
    with pytest.raises(GitError, match="not a git repository"):
        run_git(["rev-parse", "HEAD"], tmp_path)


def test_git_has_no_time_without_end_and_no_terminal(tmp_path: Path) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\n(: < /dev/tty) 2>/dev/null && echo terminal; sleep 30\n")
    slow.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path}{os.pathsep}{path}"
    try:
        with pytest.raises(GitError, match=r"more than 0\.2 seconds"):
            git_bytes(["fetch"], tmp_path, timeout=0.2)
    finally:
        os.environ["PATH"] = path


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/o/r.git", "ssh://git@github.com/o/r", "git@github.com:o/r.git", "file:///tmp/r",
        "ssh://git@host:2222/o/r",
    ],
)  # fmt: skip
def test_addresses_that_git_is_asked_for(address: str) -> None:
    assert checked_address(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "-oProxyCommand=x", "ext::sh -c x", "ext::sh", "http://host/r", "git://host/r", "/tmp/r", "../r", "",
        "https://user:hunter2@host/r", "https://hunter2@host/r", "ssh://git:hunter2@host/r",
        "https://host/r?token=hunter2", "https:///r", "ssh://-oProxyCommand=hunter2/r", "git@-oProxy:r", "git@host:-r",
        "file://host/r", "https://host/a b", "https://hоst/r", "transport::https://host/r",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(address: str) -> None:
    refused = checked_address(address)
    assert refused is not None
    assert "hunter2" not in " ".join(refused)
