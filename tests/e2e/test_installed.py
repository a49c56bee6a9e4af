"""Wheel and sdist, each installed in an empty environment outside of the checkout, run the quickstart.

`PADA_PYTHON` names another Python than this one (`PADA_PYTHON=python3.13 pytest -m long tests/e2e/test_installed.py`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from engine.version import __version__

pytestmark = pytest.mark.runs

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
PYTHON = os.environ.get("PADA_PYTHON", sys.executable)


def called(*command: object, cwd: Path, **more: str) -> str:
    """Run a command and return what it printed; what the checkout's environment says is left out."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name == "PADA_CONFIG" or not name.startswith(("PYTHON", "PADA", "VIRTUAL"))
    }
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**own, **more},
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty environment's pip, with torch as it is in the constraints; skips without a package index."""
    folder = tmp_path_factory.mktemp("environment")
    called(PYTHON, "-m", "venv", folder, cwd=folder)
    program = folder / "bin" / "pip"
    torch = re.search(r"^torch==.*$", CONSTRAINTS.read_text("utf-8"), re.MULTILINE)
    assert torch is not None
    try:
        called(
            program, "install", "--quiet", "--constraint", CONSTRAINTS, torch.group(), cwd=folder
        )
    except AssertionError as error:
        if "Could not find a version" in str(error) or "connection" in str(error).lower():
            pytest.skip(f"no package index, or none with {torch.group()}")
        raise
    return program


@pytest.mark.long
@pytest.mark.parametrize("builder", [WheelBuilder, SdistBuilder], ids=["wheel", "sdist"])
def test_what_is_installed_runs_the_quickstart_in_an_empty_folder(
    builder: type[WheelBuilder | SdistBuilder], pip: Path, tmp_path: Path
) -> None:
    (built,) = builder(str(ROOT)).build(directory=str(tmp_path / "dist"))
    install = (pip, "install", "--quiet", "--force-reinstall", "--constraint", CONSTRAINTS)
    called(pip, "install", "--quiet", "--constraint", CONSTRAINTS, built, cwd=tmp_path)
    # Where another of the same version is there already, pip keeps it.
    called(*install, "--no-deps", built, cwd=tmp_path)
    called(pip, "check", cwd=tmp_path)
    pada, work = pip.with_name("pada"), tmp_path / "work"
    work.mkdir()
    assert called(pada, "--version", cwd=work).strip() == f"pada {__version__}"
    site = Path(
        called(
            pip.with_name("python"), "-c", "import engine; print(engine.__path__[0])", cwd=work
        ).strip()
    )
    assert site.is_relative_to(pip.parents[1])
    before = {
        path for path in site.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__"
    }
    assert "'quickstart' is valid" in called(pada, "validate", "quickstart", cwd=work)
    said = called(pada, "run", "quickstart", "--log-file", "pada.log", cwd=work, COLUMNS="200")
    assert "quickstart · run r0001 · done" in said
    assert sorted(path.name for path in work.iterdir()) == [".pada", "pada.log"], (
        "state goes where the user is"
    )
    assert (work / ".pada" / "reports" / "r0001.html").is_file()
    counted = called(pada, "sql", "SELECT count(*) AS n FROM failures", "--json", cwd=work)
    assert counted.startswith('{"n"')
    after = {
        path for path in site.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__"
    }
    assert after == before, "nothing is written where it is installed"
