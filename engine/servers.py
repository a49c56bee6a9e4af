"""Servers as recipes name them: a checked address, the name of the variable with the key, the host, the way to it.

One meaning for every setting that holds an address, whoever reads it; knows no protocol and sends nothing.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Annotated, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.errors import EngineError
from engine.gate import KeyUse

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?")
_PRINTED = re.compile(r"[!-\[\]-~]+")
"""No white space, no control, and no backslash, which some take for a slash."""


class KeyName(BaseModel):
    """Where the key is; never the key itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the key."""


def check_url(url: str) -> str:
    """Return an address that requests can be sent to, as it is.

    Raises:
        ValueError: no http address, one with a key, a password, a query, white space or other than ASCII in it, or an
            impossible host or port.
    """
    if not url.isascii():
        # Two hosts that look alike, or the same with something unseen in it.
        raise ValueError("must be written in ASCII, an international host as xn--…")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.port != 0 and _is_host(parts)
    except ValueError:  # brackets or a port that no address has
        usable = False
    if not usable or not _PRINTED.fullmatch(url):
        raise ValueError("must be an address like http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no key or password: use api_key: {env: NAME}")
    return url


def _is_host(parts: SplitResult) -> bool:
    """Return whether all that reads the address finds the same host in it."""
    host = parts.hostname or ""
    if ":" in host:
        ipaddress.ip_address(host)
        return True
    return bool(_HOST.fullmatch(host))


ServerUrl = Annotated[str, AfterValidator(check_url)]
"""The address of a server in a recipe."""


def host_of(url: str) -> str:
    """Return the host and port of a checked address, and whether that is this machine."""
    parts = urlsplit(url)
    host = parts.hostname or url
    shown = f"[{host}]" if ":" in host else host
    port = parts.port or _PORTS[parts.scheme]
    here = " on this machine" if is_here(host) else ""
    return f"{shown}:{port}{here}"


def key_use(variable: str, url: str) -> KeyUse | None:
    """Return what is consented to before a key is sent to a checked address; None where that is this machine.

    It has the scheme, the host, the port where it is not the usual one, and the path: servers of many customers tell
    them by their paths.
    """
    parts = urlsplit(url)
    host = parts.hostname or url
    if is_here(host):
        return None
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return KeyUse(variable, f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}")


def parse_key_use(text: str) -> KeyUse | None:
    """Return `NAME=ADDRESS` as what is consented to; None where the address is this machine, which needs no consent.

    Raises:
        EngineError: it is no such text.
    """
    variable, _, url = text.partition("=")
    try:
        KeyName(env=variable)
        return key_use(variable, check_url(url))
    except ValueError as error:
        raise EngineError(
            f"'{text}' does not say which key goes where",
            "write the variable and the server's address: NAME=https://host/v1",
        ) from error


def is_here(host: str) -> bool:
    """Return whether a host is this machine by its name."""
    try:
        return host in _LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Proxy(NamedTuple):
    """A proxy that the environment names."""

    variable: str
    """The variable that names it."""
    url: str
    """Its address, without user and password."""
    user: str = ""
    password: str = ""

    @property
    def host(self) -> str:
        """Its host and port, as they may be shown."""
        return urlsplit(self.url).netloc

    @property
    def spoken(self) -> bool:
        """Whether requests can be sent by it: SOCKS is another protocol."""
        return urlsplit(self.url).scheme in {"http", "https"}


def proxy_to(url: str) -> Proxy | None:
    """Return the proxy on the way to a checked address; None where it is reached directly.

    As others read the environment: `http_proxy` or `https_proxy` by the address, else `all_proxy`, small letters before
    large ones, and none for what `no_proxy` lists. Never for this machine: a proxy elsewhere would look for it there.
    """
    parts = urlsplit(url)
    if is_here(parts.hostname or ""):
        return None
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if value := os.environ.get(variable, "").strip():
                return None if _is_exempt(parts) else _proxy(variable, value)
    return None


def _is_exempt(parts: SplitResult) -> bool:
    """Return whether `no_proxy` lists a host: its name, its domain, one of these with its port, its address, or all."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    listed = os.environ.get("no_proxy", "") or os.environ.get("NO_PROXY", "")
    for entry in listed.lower().replace(" ", ",").split(","):
        name, _, its_port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        domain = name.removeprefix("*").removeprefix(".")
        same = host == domain or host.endswith(f".{domain}") if domain else name == "*"
        if (same or _is_within(host, entry)) and its_port in {"", str(port)}:
            return True
    return False


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _proxy(variable: str, value: str) -> Proxy:
    parts = urlsplit(value if "://" in value else f"http://{value}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    place = parts.netloc.rpartition("@")[2]
    return Proxy(variable, f"{parts.scheme}://{place}", user, password)


def way_to(url: str) -> str:
    """Return where requests to a checked address go: its host and port, and the proxy on the way."""
    proxy = proxy_to(url)
    if proxy is None:
        return host_of(url)
    unspoken = "" if proxy.spoken else ", which is no HTTP proxy: nothing can be sent"
    return f"{host_of(url)} by the proxy {proxy.host} ({proxy.variable}){unspoken}"
