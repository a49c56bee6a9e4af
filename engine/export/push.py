"""A copy of an export on the Hugging Face Hub, private, where it is asked for and a token is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from engine.errors import EngineError

_LONGEST = 1000
"""Characters of a reason."""


def check_token(name: str) -> None:
    """Raise EngineError where nothing could be uploaded: no token, or a name that is none; before any work is done."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as problem:
        raise EngineError(
            f"--push {name}: not a name on the Hub: {problem}", "write owner/name"
        ) from problem
    if get_token() is None:
        raise EngineError(
            f"--push {name}: there is no token for the Hugging Face Hub",
            "set HF_TOKEN to one that may write, or run `hf auth login`",
        )


def push(folder: Path, name: str, kind: Literal["model", "dataset"]) -> str:
    """Upload an export, as a private repository where there is none yet; return its address.

    Raises:
        EngineError: the Hub refuses, or cannot be reached; the folder stays.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        address = api.create_repo(name, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id,
            repo_type=kind,
            folder_path=folder,
            commit_message="Export of PaDA Engine",
        )
    except Exception as problem:
        # Its client lets the errors through of whatever HTTP library it is built on.
        raise EngineError(
            f"{folder} is written, but could not be uploaded as {name}: {_why(problem)}",
            "check the token's rights and the network; then export again with --replace",
        ) from problem
    return str(address)


def _why(problem: Exception) -> str:
    """Return what an error says, and what it came from: the Hub's own words stand below a status, or further in."""
    said: list[str] = []
    cause: BaseException | None = problem
    while cause is not None:
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        said.append(" ".join(lines) or repr(cause))
        cause = cause.__cause__ or cause.__context__
    return "; before that: ".join(dict.fromkeys(said))[:_LONGEST]
