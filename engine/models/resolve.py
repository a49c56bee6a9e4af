"""From a model's name, as a recipe writes it, to the folder that holds it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

from engine.errors import ModelError
from engine.gate import passed_folder
from engine.models.cache import Say, is_whole
from engine.models.embedded import EMBEDDED, PREFIX, cached_at, fetch_embedded, known
from engine.models.gguf import ENDING, locate_gguf
from engine.registry import did_you_mean
from engine.system.places import expanded

_HUB_NAME = re.compile(r"(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[\w./-]+))?")
_NEEDED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*/*.json")


class _HubModel(NamedTuple):
    name: str
    revision: str | None


Form = Literal["folder", "gguf"]
"""What weights are: a folder with config.json, tokenizer and safetensors, or a GGUF file."""


def locate(name: str, base: Path | None = None, form: Form = "folder") -> Path | None:
    """Return where a model lies on this machine, None for one that `fetch` would bring.

    Args:
        name: `embedded/…`, a folder, or a Hugging Face `owner/name[@revision]`; for GGUF a file, or
            a folder with one.
        base: Where relative folders start; the working directory when left out.
        form: What the backend takes; GGUF files are never fetched.

    Raises:
        ModelError: no such embedded model, no such folder or file, or a name that is none of these.
    """
    if form == "gguf":
        return locate_gguf(name, base)
    model = _resolve(name, base)
    if isinstance(model, Path):
        return model
    if isinstance(model, _HubModel):
        return _from_hub(model, local=True)
    folder = cached_at(model)
    return folder if is_whole(folder) else None


def fetch(name: str, say: Say = lambda _: None, base: Path | None = None) -> Path:
    """Return a model's folder, brought to this machine first if it is not here.

    Args:
        name: As for `locate`.
        say: Told in a few words what is being done, when something must be done.
        base: As for `locate`.

    Raises:
        ModelError: as `locate`, or the model cannot be fetched.
    """
    model = _resolve(name, base)
    if isinstance(model, Path):
        return model
    if isinstance(model, _HubModel):
        if (local := _from_hub(model, local=True)) is not None:
            return local
        say(f"downloading {name} from Hugging Face")
        fetched = _from_hub(model, local=False)
        assert fetched is not None
        return fetched
    return fetch_embedded(model, say)


def _resolve(name: str, base: Path | None) -> str | Path | _HubModel:
    if name.startswith(PREFIX):
        if name not in EMBEDDED:
            raise ModelError(f"no embedded model '{name}'", did_you_mean(name, known()))
        return name
    folder = (base or Path()) / expanded(name)
    if folder.exists() or folder.is_symlink() or name.startswith((".", "/", "~")):
        folder = passed_folder(folder, base, ModelError)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{folder} is not a model folder: it has no config.json",
                "a model folder holds config.json, a tokenizer and *.safetensors",
            )
        return folder
    if folder.is_file() and folder.suffix == ENDING:
        raise ModelError(f"{folder} is a GGUF file", "run it with `backend: llamacpp`")
    match = _HUB_NAME.fullmatch(name)
    if match is None or name.startswith((".", "/", "~")):
        raise ModelError(
            f"no model folder {folder}",
            "write a folder that exists, a Hugging Face name (owner/name), or one of: "
            + ", ".join(known()),
        )
    return _HubModel(match["name"], match["revision"])


def _from_hub(model: _HubModel, *, local: bool) -> Path | None:
    """Return a Hugging Face model's snapshot folder; None when `local` and it is not here."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            model.name,
            revision=model.revision,
            allow_patterns=list(_NEEDED),
            local_files_only=local,
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as problem:
        if local:
            return None
        first = str(problem).strip().splitlines()[0] if str(problem).strip() else repr(problem)
        raise ModelError(
            f"cannot fetch {model.name} from Hugging Face: {first}",
            "check the name and the network (HF_TOKEN for gated models), or use an embedded model: "
            + ", ".join(known()),
        ) from problem
    return Path(folder)
