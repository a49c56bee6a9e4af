"""What commands that must start at once may not import: modules, not seconds (`tests.benchmarks.startup` has these)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.store import Store

MODELS = {
    "torch",
    "transformers",
    "sklearn",
    "sentence_transformers",
    "outlines",
    "peft",
    "datasets",
}
TABLES = {"pandas", "pyarrow"}
SERVICES = {"starlette", "ray", "vllm", "aiohttp"}
_SAID = """
import sys
from engine.cli import main
sys.argv = ["pada", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
finally:
    sys.stderr.write("\\n" + " ".join(sys.modules))
"""


def imported(folder: Path, *arguments: str) -> set[str]:
    """Return the modules that a command has imported when it ends, in a process of its own."""
    environment = {**os.environ, "PADA_CONFIG": str(folder / "config")}
    done = subprocess.run(
        [sys.executable, "-c", _SAID, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_neither_pydantic_nor_anything_of_rows(tmp_path: Path) -> None:
    found = imported(tmp_path, "--help")
    assert found.isdisjoint(
        MODELS | TABLES | SERVICES | {"pydantic", "duckdb", "numpy", "jinja2", "yaml"}
    )
    assert found.isdisjoint({"importlib.metadata", "logging.handlers", "asyncio", "engine.project"})


def test_a_check_of_the_quickstart_imports_no_library_of_tables_or_models(tmp_path: Path) -> None:
    found = imported(tmp_path, "validate", "quickstart")
    assert {"duckdb", "pydantic"} <= found
    assert found.isdisjoint(MODELS | TABLES | SERVICES | {"jsonschema"})


@pytest.mark.runs
def test_a_query_imports_no_recipes_and_no_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADA_CONFIG", str(tmp_path / "config"))
    Store.open(tmp_path / "state")
    found = imported(tmp_path, "sql", "SELECT 1", "--state", str(tmp_path / "state"))
    assert "duckdb" in found
    assert found.isdisjoint(MODELS | SERVICES | {"pandas", "jinja2"})
    assert found.isdisjoint(
        {"engine.project", "engine.stages", "engine.backends", "engine.spec.loader"}
    )
