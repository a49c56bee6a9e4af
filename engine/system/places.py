"""Where this engine keeps things on the machine that nobody named a place for."""

from __future__ import annotations

import os
from pathlib import Path

STATE = Path(".pada")
"""Folder of the store, the trained models and the reports, from the current folder."""


def cache_root() -> Path:
    """Return the cache folder: `PADA_CACHE`, or `pada` under `XDG_CACHE_HOME` or `~/.cache`."""
    return _root("PADA_CACHE", "XDG_CACHE_HOME", ".cache")


def config_root() -> Path:
    """Return the folder of the user's own settings: `PADA_CONFIG`, or `pada` under `XDG_CONFIG_HOME` or `~/.config`."""
    return _root("PADA_CONFIG", "XDG_CONFIG_HOME", ".config")


def settings_chosen() -> bool:
    """Return whether `PADA_CONFIG` says where the user's own settings are."""
    return bool(os.environ.get("PADA_CONFIG"))


def hub_caches() -> tuple[Path, Path]:
    """Return where the Hugging Face libraries keep models and data sets; not the folder above them, which has keys."""
    base = os.environ.get("XDG_CACHE_HOME")
    home = Path(
        os.environ.get("HF_HOME") or (Path(base) if base else _home() / ".cache") / "huggingface"
    )
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    sets = os.environ.get("HF_DATASETS_CACHE")
    return (
        Path(hub or home / "hub").expanduser().absolute(),
        Path(sets or home / "datasets").expanduser().absolute(),
    )


def expanded(name: str | Path) -> Path:
    """Return a path in which `~` is the user's home; `~nobody` without such a user is a name like any other."""
    path = Path(name)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _root(own: str, everyones: str, usual: str) -> Path:
    if chosen := os.environ.get(own):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get(everyones)
    return (Path(base) if base else _home() / usual) / "pada"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        # A user without a home, in a container: nothing can be kept there, and who writes there says so.
        return Path("/nonexistent")
