"""Sources larger than memory: what is read is not kept, and a broken line far down is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.data.reading import read_source
from engine.data.records import Choice
from engine.data.sources.origins import resolve_path
from engine.errors import RecipeError
from engine.spec.recipe import Sample

pytestmark = pytest.mark.runs

ROWS = 100_000
CODE = """
import resource, sys
from pathlib import Path
from engine.data.reading import read_source
from engine.data.records import Choice
from engine.data.rules import row_check
from engine.data.sources.origins import resolve_path
from engine.spec.recipe import Sample

def read(name, **choice):
    origin = resolve_path(name, Path(sys.argv[1]))
    origin.digest()
    return read_source(origin, Choice(**choice), row_check(["text"], "label", True), ["text", "label"])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

made = {"sample": Sample(n=5, per="label"), "where": "id % 2 = 0", "columns": {"short": "left(text, 9)"}}
read("small.jsonl", **made)
before = peak()
chosen = read(sys.argv[2], **made)
assert len(chosen.records) == 50, len(chosen.records)
assert chosen.types.rows == int(sys.argv[3]) // 2
print(peak() - before)
"""


def line(number: int) -> str:
    text = f"this is the row number {number} of a file that is larger than what may be kept of it"
    return f'{{"id": {number}, "text": "{text}", "label": "label {number // 2 % 10}"}}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("large")
    for name, rows in (("small", 20_000), ("large", ROWS)):
        with (place / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(line(number) for number in range(rows))
    return place


def test_only_the_rows_that_are_chosen_are_kept(folder: Path) -> None:
    command = [sys.executable, "-c", CODE, str(folder), "large.jsonl", str(ROWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # The rows as Python objects take 70 MiB, the file has 12.5.
    assert float(done.stdout) < 15


def test_the_broken_line_of_a_long_file_is_named(folder: Path) -> None:
    broken = folder / "broken.jsonl"
    broken.write_bytes((folder / "large.jsonl").read_bytes() + b'{"id": 1, "text": \n')
    with pytest.raises(RecipeError) as caught:
        read_source(resolve_path("broken.jsonl", folder), Choice(sample=Sample(n=5)))
    [problem] = caught.value.problems
    assert (problem.where.line, problem.message) == (
        ROWS + 1, "this is not valid JSON: unexpected end of data",
    )  # fmt: skip
