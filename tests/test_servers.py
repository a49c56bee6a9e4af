"""One meaning of an address, for every setting that holds one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from engine.backends import BACKENDS
from engine.errors import BackendError
from engine.servers import check_url, host_of
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
