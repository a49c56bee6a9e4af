"""git, called as a program: a list of arguments, no shell, no prompt, no hooks, and an end to its patience.

What it works on may come from anybody. So it runs no program that a repository names, speaks only protocols whose
addresses `checked_address` lets pass, and asks nobody: keys and passwords are from its own helpers or from ssh's agent.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from engine.errors import EngineError

_SAFE = (
    "core.hooksPath=/dev/null",
    # A program that the repository's own settings name, run by `git status` and the like.
    "core.fsmonitor=false",
    "core.quotePath=false",
    "diff.external=",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    # A file of a repository that looks like a bare one must not be taken for the one that is meant.
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "credential.interactive=false",
)
_OF_ANOTHER = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE",
    "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_TRACE", "GIT_TRACE_CURL", "GIT_CURL_VERBOSE",
)  # fmt: skip
"""Variables that lead elsewhere than to the folder that is named (set where a hook of git calls), or print keys."""
_USER = re.compile(r"(?<=://)[^/\s@\"']+(?=@)")
"""User and password in an address."""
_LONGEST = 1000
"""Characters of git's own words in a message."""


class GitError(EngineError):
    """git is not there, took too long, or said no."""

    def __init__(self, message: str, hint: str = "", said: str = "") -> None:
        """Take what git itself said, in English, its lines as they are, without users and passwords in addresses."""
        super().__init__(message, hint)
        self.said = said


def run_git(arguments: Sequence[str], folder: Path, timeout: float = 60) -> str:
    """Return what git prints, as text; what is no UTF-8 in it is replaced. See `git_bytes`.

    A bare repository must be named: `["--git-dir", ".", …]`.
    """
    return git_bytes(arguments, folder, timeout).decode("utf-8", "replace")


def git_bytes(
    arguments: Sequence[str], folder: Path, timeout: float = 60, given: bytes = b""
) -> bytes:
    """Return what git prints.

    Args:
        arguments: After `git`. Names that come from outside stand after `--` or `--end-of-options`.
        folder: In which it works.
        timeout: Seconds after which it is ended.
        given: For its standard input.

    Raises:
        GitError: it is not installed, does not end in time, or ends with an error.
    """
    program = shutil.which("git")
    if program is None:
        raise GitError(
            "git is not installed, or not on the PATH", "install it: https://git-scm.com/downloads"
        )
    settings = [part for setting in _SAFE for part in ("-c", setting)]
    shown = " ".join(arguments[:4])
    try:
        # In a session of its own it has no terminal to ask on, and whatever it starts ends with it.
        child = subprocess.Popen(
            [program, "--no-pager", "--no-optional-locks", *settings, *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise GitError(f"git cannot be started in {folder}: {error.strerror}") from error
    try:
        printed, complaint = child.communicate(given, timeout)
    except subprocess.TimeoutExpired:
        _end(child)
        raise GitError(
            f"git took more than {timeout:g} seconds: git {hidden(shown)}",
            "check the network; a prompt for a password or a key is never answered",
        ) from None
    except BaseException:
        _end(child)
        raise
    if child.returncode:
        said = hidden(complaint.decode("utf-8", "replace").strip())[:_LONGEST]
        reason = said.splitlines()[-1] if said else f"exit code {child.returncode}"
        raise GitError(f"git {hidden(shown)}: {reason}", said=said)
    return printed


def hidden(text: str) -> str:
    """Return a text with `***` for users and passwords in the addresses in it."""
    return _USER.sub("***", text)


def checked_address(address: str) -> tuple[str, str] | None:
    """Return what is wrong with the address of a repository and what to do; None where git may be asked for it.

    The message does not repeat what may be a secret.
    """
    if any(ord(c) < 33 or ord(c) == 127 for c in address) or not address.isascii():
        return "this address has a space or a character that is not ASCII", "write it as %20, xn--…"
    if _scp_like(address):
        return None
    scheme, separator, rest = address.partition("://")
    host = rest.partition("/")[0]
    if not separator or scheme not in ("https", "ssh", "file"):
        return (
            "git is asked for https, ssh and file addresses alone",
            "write https://HOST/OWNER/REPOSITORY, ssh://git@HOST/…, git@HOST:… or file:///FOLDER; "
            "for a folder beside this one: `path:`",
        )
    user = host.rpartition("@")[0]
    if user and (scheme != "ssh" or ":" in user):
        return (
            "this address holds a user, a password or a token, which do not belong in a file",
            "leave out what stands before the @: git asks its own credential helper (git help credentials), or use ssh",
        )
    if "?" in rest or "#" in rest:
        return (
            "this address has a part after ? or #, where secrets often stand",
            "leave it out: git asks its own credential helper (git help credentials), or use ssh",
        )
    if scheme == "file" and not rest.startswith("/"):
        return "a file address names a folder of this machine", "write file:///FOLDER"
    if scheme != "file" and (host.rpartition("@")[2].startswith("-") or not host):
        return "this address names no host", "write https://HOST/OWNER/REPOSITORY"
    return None


def _scp_like(address: str) -> bool:
    """Return whether an address is written as for scp: `git@host:owner/repository.git`."""
    return (
        re.fullmatch(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:[^:?#@-][^:?#@]*", address)
        is not None
    )


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS_REQUIRE": "never",
        # Its words are looked at.
        "LC_ALL": "C",
        "LANGUAGE": "C",
    }


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill git with what it started, such as ssh."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    with contextlib.suppress(Exception):
        child.communicate(timeout=5)
