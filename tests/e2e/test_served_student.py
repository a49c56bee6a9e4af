"""A run whose fine-tuned student vLLM answers for, as a user would have it: `pytest -m servers`, where vLLM is."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.e2e.runs import pada, rows
from tests.e2e.tiny_project import write_project
from tests.servers.real import MODEL, need_vllm

pytestmark = pytest.mark.servers


def answers(folder: Path, serve: str) -> list[tuple[object, ...]]:
    """Run the tiny project's first round with the embedded student; return what it answered."""
    folder.mkdir()
    recipe, state = write_project(folder), folder / "state"
    student = (
        f"{{backend: transformers, model: {MODEL}, dtype: float32, device: cpu, serve: {serve}, "
        "serve_memory: 0.15}"
    )
    changes = {
        "  student:": f"  student: {student}",
        "loop:": "loop: {rounds: 0, control: false}",
        "train:": "train: {r: 4, steps: 2, batch_size: 4, learning_rate: 1e-3, dtype: float32, device: cpu}",
    }
    written = [
        next((new for old, new in changes.items() if line.startswith(old)), line)
        for line in recipe.read_text("utf-8").splitlines()
    ]
    recipe.write_text("\n".join(written), "utf-8")
    ran = pada("run", str(recipe), "--state", str(state), "--limit", "4", timeout=1500)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(ran.stdout)
    found = rows(
        state,
        "SELECT round, example, answer, confidence FROM prediction ORDER BY round, example",
    )
    return [tuple(row.values()) for row in found]


@pytest.mark.models
def test_a_run_s_answers_are_the_same_whoever_computes_them(tmp_path: Path) -> None:
    need_vllm()
    there, here = answers(tmp_path / "there", "vllm"), answers(tmp_path / "here", "transformers")
    assert not [p for p in psutil.Process().children(recursive=True) if "vllm" in str(p.cmdline())]
    assert len(there) == 24  # 12 rows, untuned and tuned
    for ours, theirs in zip(here, there, strict=True):
        assert ours[:3] == theirs[:3]
        assert theirs[3] == pytest.approx(ours[3], abs=1e-3)
