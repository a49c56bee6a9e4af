"""Every page in Debian's Chromium, at two widths and in light and dark: no error, no breach of the policy, no overflow.

By hand: `npm ci` in engine/studio/web, then `pytest -m "browser and not long"`. STUDIO_PICTURES=FOLDER has pictures
kept there. The store of ten million failures (`-m "browser and long"`) takes a quarter of an hour and 4 GB to make;
with STUDIO_MILLIONS=FOLDER one is used again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.gate import trust_state
from engine.store.file import FILE
from tests.benchmarks.store_views import make
from tests.benchmarks.studio_pages import WHOLE, make_whole
from tests.report.invented import ident
from tests.studio.stores import TEXTS

pytestmark = [pytest.mark.browser]
WEB = Path(__file__).parents[2] / "engine" / "studio" / "web"
DRIVER = Path(__file__).with_name("browser.mjs")
HANGS = 1_800
"""Seconds after which a browser is taken to hang."""
PICTURES = os.environ.get("STUDIO_PICTURES", "")
HOSTILE_ROWS = [
    {"name": f"row-{number}", "path": f"run/r0001/row/{ident('validation', number)}", "full": True}
    for number in range(len(TEXTS))
]
PAGES: list[dict[str, Any]] = [
    {"name": "runs", "path": "runs"},
    {"name": "run", "path": "run/r0001", "wait": ".chart canvas", "full": True},
    {"name": "patterns", "path": "run/r0001/patterns", "wait": ".card", "full": True},
    {
        "name": "pattern",
        "path": f"run/r0001/patterns/{ident('pattern', 'Negated wish')}",
        "full": True,
    },
    {
        "name": "map",
        "path": "run/r0001/map",
        "click": [".picks button"],
        "wait": "circle.on",
        "full": True,
    },
    {
        "name": "map-sql",
        "path": "run/r0001/map",
        "click": [".picks button", "button:text-is('Ask in SQL about them')"],
        "wait": ".editor",
    },
    {"name": "lasso", "path": "run/r0001/map", "around": ".map svg", "wait": "circle.on"},
    {"name": "failures", "path": "run/r0001/failures?round=0&split=validation", "wait": "tbody td"},
    {
        "name": "failures-none",
        "path": "run/r0001/failures?search=nothing%20has%20this",
        "wait": ".empty",
    },
    {"name": "generated", "path": "run/r0001/generated?outcome=rejected", "wait": "tbody td"},
    {"name": "confusion", "path": "run/r0001/confusion", "wait": ".matrix", "full": True},
    *HOSTILE_ROWS,
    {
        "name": "call",
        "path": f"run/r0001/row/{ident('validation', 0)}",
        "click": ["details > summary"],
        "wait": ".turn",
    },
    {
        "name": "compare",
        "path": "compare?a=r0001&a_round=0&b=r0001&kind=mended",
        "wait": ".pager",
        "full": True,
    },
    {"name": "compare-none", "path": "compare", "wait": ".empty"},
    {"name": "sql", "path": "sql", "click": [".menu button"], "wait": ".result", "full": True},
    {
        "name": "sql-chart",
        "path": "sql",
        "click": [".menu button", "button:text-is('Chart')"],
        "wait": ".chart canvas",
    },
    {"name": "keys", "path": "runs", "click": ["[aria-label=Keys]"], "wait": "dialog[open]"},
    {"name": "lost", "path": "nowhere"},
]


@contextmanager
def served(state: Path, folder: Path | None = None) -> Iterator[str]:
    """Give the address that `pada studio` prints, for a block."""
    command = [sys.executable, "-m", "engine.cli", "studio", "--no-browser", "--state", str(state)]
    command += [str(folder)] if folder else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def driven(driver: Path, *arguments: str, hangs: float = HANGS) -> list[str]:
    """Return what a script that drives Chromium found."""
    chromium, node = shutil.which("chromium"), shutil.which("node")
    assert chromium, "Debian's Chromium is needed: apt install chromium"
    assert node, "Node is needed: apt install nodejs npm"
    assert (WEB / "node_modules" / "playwright-core").is_dir(), f"run `npm ci` in {WEB} first"
    done = subprocess.run(
        [node, str(driver), str(WEB), chromium, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=hangs,
    )
    assert done.returncode == 0, done.stderr
    return [str(found) for found in json.loads(done.stdout)]


def looked_at(url: str, pages: list[dict[str, Any]], driver: Path = DRIVER) -> list[str]:
    """Return what went wrong in the browser."""
    return driven(driver, url, PICTURES, json.dumps(pages))


def test_every_page_of_a_store_whose_rows_are_anything(hostile_state: Path) -> None:
    with served(hostile_state) as url:
        assert looked_at(url, PAGES) == []


def test_without_a_store_pages_say_what_to_do(tmp_path: Path) -> None:
    pages = [
        {"name": f"empty-{one}", "path": one, "wait": ".empty"}
        for one in ("runs", "sql", "compare")
    ]
    with served(tmp_path / "nothing") as url:
        assert looked_at(url, pages) == []


def test_other_sites_reach_nothing_and_a_killed_studio_is_said_and_found_again(
    hostile_state: Path,
) -> None:
    attack = DRIVER.with_name("attack.mjs")
    assert driven(attack, sys.executable, str(hostile_state), PICTURES) == []


FIRST_ROW = hashlib.md5(b"example:7:0", usedforsecurity=False).hexdigest()[:16]
"""As `tests/benchmarks/store_rows.sql` names the first row of run 7."""
OF_MILLIONS: list[dict[str, Any]] = [
    {"name": f"millions-{name}", "path": f"run/{path}", "wait": wait}
    for name, path, wait in (
        ("first", f"{WHOLE}/failures", "tbody td"),
        ("page-1000", f"{WHOLE}/failures?offset=49950", "tbody td"),
        ("of-a-student", f"{WHOLE}/failures?round=2&seed=7&split=validation", "tbody td"),
        ("frequent-word", f"{WHOLE}/failures?search=refund", "tbody td"),
        ("no-such-word", "r0007/failures?search=nothing%20has%20this", ".empty"),
        ("sorted", f"{WHOLE}/failures?sort=confidence&order=down", "tbody td"),
        ("generated", f"{WHOLE}/generated?outcome=rejected", "tbody td"),
        ("confusion", "r0007/confusion", ".matrix"),
        ("map", "r0007/map", "circle"),
        ("row", f"r0007/row/{FIRST_ROW}", "h2"),
    )
]


@pytest.mark.long
def test_ten_million_failures(tmp_path: Path) -> None:
    # What it takes is measured by `python -m tests.benchmarks.studio_pages`.
    kept = os.environ.get("STUDIO_MILLIONS")
    state = Path(kept) if kept else tmp_path
    if not (state / FILE).exists():
        make(state, 10_000_000)
    trust_state(state)
    make_whole(state)
    with served(state) as url:
        assert looked_at(url, OF_MILLIONS) == []
