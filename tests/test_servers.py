"""One meaning of an address, for every setting that holds one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from engine.backends import BACKENDS
from engine.errors import BackendError
from engine.servers import check_url, host_of, proxy_to, way_to
from engine.spec.recipe import Endpoint

WRONG = {
    "nothing": "", "no scheme": "localhost:8000/v1", "another scheme": "ftp://host/v1", "no host": "http:///v1",
    "a port that is none": "http://host:port/v1", "a port too large": "http://host:99999/v1",
    "port 0": "http://host:0/v1", "an open bracket": "http://[::1/v1", "a space": "http://my host/v1",
    "a key": "http://user:secret@host/v1", "a query": "http://host/v1?key=secret", "a fragment": "http://host/v1#a",
}  # fmt: skip


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_what_is_no_address_is_refused_wherever_it_stands(url: str) -> None:
    for name in ("openai", "vllm", "anthropic"):
        with pytest.raises(BackendError, match=r"base_url: .*must (be an address|hold no key)"):
            BACKENDS[name].parse({"base_url": url})
    with pytest.raises(ValidationError, match=r"must (be an address|hold no key)"):
        Endpoint(base_url=url, model="m")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost:8000/v1", "localhost:8000 on this machine"),
        ("https://api.example.com", "api.example.com:443"),
        ("http://[::1]:8000/v1", "[::1]:8000 on this machine"),
        ("http://HOST/v1", "host:80"),
    ],
)
def test_an_address_is_taken_as_it_is(url: str, host: str) -> None:
    assert check_url(url) == url
    assert host_of(url) == host
    settings: Any = BACKENDS["openai"].parse({"base_url": url})
    assert settings.base_url == url


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.mark.parametrize(
    ("environment", "url", "way"),
    [
        ({}, "http://a.example/v1", "a.example:80"),
        ({"http_proxy": "http://p:3128"}, "http://a.example/v1", "a.example:80 by the proxy p:3128 (http_proxy)"),
        ({"HTTPS_PROXY": "p:3128"}, "https://a.example", "a.example:443 by the proxy p:3128 (HTTPS_PROXY)"),
        ({"http_proxy": "http://p"}, "https://a.example", "a.example:443"),
        ({"all_proxy": "http://u:w@p"}, "https://a.example", "a.example:443 by the proxy p (all_proxy)"),
        (
            {"ALL_PROXY": "socks5h://p:1"}, "https://a.example",
            "a.example:443 by the proxy p:1 (ALL_PROXY), which is no HTTP proxy: nothing can be sent",
        ),
        ({"http_proxy": "http://p"}, "http://localhost:8000/v1", "localhost:8000 on this machine"),
        ({"http_proxy": "http://p", "NO_PROXY": ".example"}, "http://a.example/v1", "a.example:80"),
        ({"http_proxy": "http://p", "no_proxy": "x, *.a.example"}, "http://a.example/v1", "a.example:80"),
        ({"http_proxy": "http://p", "no_proxy": "A.EXAMPLE:80"}, "http://a.example/v1", "a.example:80"),
        (
            {"http_proxy": "http://p", "no_proxy": "a.example:81,ample"}, "http://a.example/v1",
            "a.example:80 by the proxy p (http_proxy)",
        ),
        ({"http_proxy": "http://p", "no_proxy": "10.0.0.0/8"}, "http://10.2.3.4:8000", "10.2.3.4:8000"),
        ({"http_proxy": "http://p", "no_proxy": "fd00::/8"}, "http://[fd00::1]:8000", "[fd00::1]:8000"),
    ],
)  # fmt: skip
def test_the_way_to_a_server_is_that_of_the_environment(
    environment: dict[str, str], url: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert way_to(url) == way
    settings: Any = BACKENDS["openai"].parse({"base_url": url})
    assert BACKENDS["openai"].host is not None
    assert BACKENDS["openai"].host(settings) == way, "it stands in the privacy table of `pada plan`"


def test_a_proxys_password_is_apart_from_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:p%40ss@p:3128")
    monkeypatch.setenv("no_proxy", "")
    proxy = proxy_to("http://a.example")
    assert proxy is not None
    assert (proxy.url, proxy.user, proxy.password) == ("http://p:3128", "me", "p@ss")
