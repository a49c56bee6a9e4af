"""Servers as recipes name them: a checked address, the name of the variable with the key, and the host behind it.

One meaning for every setting that holds an address, whoever reads it; knows no protocol and sends nothing.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class KeyName(BaseModel):
    """Where the key is; never the key itself."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds it."""


def check_url(url: str) -> str:
    """Return an address that requests can be sent to, as it is.

    Raises:
        ValueError: no http address, one with a key, a password, a query or white space in it, or an impossible port.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that no address has
        usable = False
    if not usable or re.search(r"\s", url):
        raise ValueError("must be an address like http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no key or password: use api_key: {env: NAME}")
    return url


ServerUrl = Annotated[str, AfterValidator(check_url)]
"""The address of a server in a recipe."""


def host_of(url: str) -> str:
    """Return the host and port of a checked address, and whether that is this machine."""
    parts = urlsplit(url)
    host = parts.hostname or url
    shown = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    here = " on this machine" if host in _LOOPBACK else ""
    return f"{shown}:{port}{here}"
