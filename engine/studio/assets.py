"""The studio's page as it was built (`make studio`): a handful of files, read once, each under a fixed name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@cache
def assets() -> dict[str, tuple[bytes, str]]:
    """Return every file with its media type, by the address at which it is asked for."""
    folder = files("engine.studio") / "static"
    return {
        f"/{one.name}": (one.read_bytes(), KINDS[one.name.rpartition(".")[2]])
        for one in folder.iterdir()
        if one.name.rpartition(".")[2] in KINDS
    }
