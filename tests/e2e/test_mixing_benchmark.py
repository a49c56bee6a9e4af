"""The ablation of how generated rows are trained on: every arm once, and none twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.backends import scripted
from engine.backends.protocol import TrainingJob
from tests.benchmarks import mixing
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.runs

ROWS = [
    {"inputs": {"text": "red balon comer"}, "target": "colour"},
    {"inputs": {"text": "one difu geho"}, "target": "number", "seed": 1},
]


def test_every_arm_is_trained_once_and_a_second_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, rows = write_project(tmp_path / "p", scripted=True), tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    jobs: list[TrainingJob] = []
    train = scripted.BACKEND.train
    assert train is not None

    def noted(job: TrainingJob, progress: object) -> object:
        jobs.append(job)
        return train(job, progress)  # type: ignore[arg-type]

    monkeypatch.setattr("engine.run.session.Session.trainer", lambda _self: noted)
    out = tmp_path / "found.jsonl"
    command = ["--set", "tiny", str(recipe), str(rows), "--out", str(out), "--seeds", "0", "1"]
    arms = [mixing.WITHOUT, "mix=0.5", "steps=per_row,order=generated_first"]
    mixing.main([*command, "--arms", *arms[:2]])
    assert [(job.generated, job.mix, job.seed) for job in jobs] == [
        (0, 1.0, 0), (1, 0.5, 0), (0, 1.0, 1), (2, 0.5, 1),
    ]  # fmt: skip
    assert not list((tmp_path / "found").glob("models/*"))
    with out.open("a") as stream:
        stream.write('{"torn')
    capsys.readouterr()
    mixing.main([*command, "--arms", *arms])
    assert [(job.order, job.steps) for job in jobs[4:]] == [
        ("generated_first", n) for n in (17, 18)
    ]
    head, _, first, *others = capsys.readouterr().out.splitlines()[-5:]
    assert head == ("| arm | tiny: rows added | steps | accuracy, validation | accuracy, test |")
    assert first.startswith(f"| {mixing.WITHOUT} | 0 | 8 | ")
    assert [line.split(" | ")[:3] for line in others] == [
        ["| mix=0.5", "1/2", "8"], ["| steps=per_row,order=generated_first", "1/2", "17/18"],
    ]  # fmt: skip
