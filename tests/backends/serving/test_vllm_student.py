"""The student that vLLM answers for: its process with a stand-in for vLLM; with vLLM behind the marker `servers`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from engine import models
from engine.backends import BACKENDS
from engine.backends.entry import ModelRef, Serving
from engine.backends.protocol import Message, Sampling, Student
from engine.backends.serving import server, vllm_worker
from engine.backends.serving.student import ServedStudent, WritingStudent
from engine.backends.serving.vllm_worker import Base, VLLMWorker
from engine.backends.transformers import TransformersSettings, open_served
from engine.errors import BackendError, ModelError
from tests.backends import tiny
from tests.servers.real import MODEL, need_vllm

pytestmark = pytest.mark.models

STAND_IN = Path(__file__).parent / "stand_in"
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def prompt(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in where the process finds it, and this one."""
    monkeypatch.syspath_prepend(str(STAND_IN))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(STAND_IN), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.setattr(server, "graphics", lambda what: "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def worker() -> Iterator[VLLMWorker]:
    made = VLLMWorker(Serving("vllm", 0.2, 8, LINEAR))
    yield made
    made.stop()


@pytest.mark.usefixtures("stand_in")
def test_one_process_answers_for_all_adapters_and_ends_with_the_run(
    folder: Path, worker: VLLMWorker, tmp_path: Path
) -> None:
    before = {child.pid for child in psutil.Process().children()}
    untuned = ServedStudent(worker, Base(folder, "bfloat16", "cpu"))
    first, second = (untuned.with_adapter(tmp_path / name / "adapter") for name in ("one", "two"))
    said = [
        student._worker.generate(student._base, student._adapter, [_asked()], [2])[0]["tokens"]
        for student in (untuned, first, second, first)
    ]
    assert said == [[5, 0, 2], [5, 1, 2], [5, 2, 2], [5, 1, 2]]
    (child,) = [c for c in psutil.Process().children() if c.pid not in before]
    assert untuned.write([prompt("red blue")], 8)[0].failure == ""
    worker.stop()
    assert not child.is_running()
    # It is there again for whoever asks again.
    assert untuned.likelihoods
    assert len(untuned.write([prompt("red")], 8)) == 1


def _asked(**changes: Any) -> dict[str, Any]:
    row = {"tokens": [5, 6], "max_tokens": 8, "temperature": 0.0, "seed": 0, "schema": None}
    return {**row, **changes}


@pytest.mark.usefixtures("stand_in")
def test_likelihoods_are_those_of_the_answer_alone_also_where_a_beginning_was_computed_before(
    folder: Path, worker: VLLMWorker
) -> None:
    base = Base(folder, "bfloat16", "cpu")
    rows = [
        {"tokens": [5, 6, 7, 8, 9, 2], "start": 4},
        {"tokens": [5, 6, 7, 8, 9, 9, 2], "start": 4},
        # All of its own part but the end stands in the cache: it is computed whole.
        {"tokens": [5, 6, 7, 8, 9, 9, 9, 9, 2], "start": 4},
        {"tokens": [5, 6, 7, 8, 9, 9, 9, 9, 3], "start": 4},
    ]
    assert worker.score(base, None, rows) == [-11, -20, -38, -39]
    adapter = folder / "adapter"
    assert worker.score(base, adapter, rows[:1]) == [-13]


@pytest.mark.usefixtures("stand_in")
def test_labels_are_chosen_and_long_prompts_named(folder: Path, worker: VLLMWorker) -> None:
    student = ServedStudent(worker, Base(folder, "bfloat16", "cpu"))
    (chosen,) = student.choose([prompt("red")], ["eight", "red"])
    # The stand-in finds tokens with small numbers likely.
    assert chosen.label == "red"
    assert 0.99 < chosen.probability <= 1
    ((likely, _),) = student.compare([prompt("red")], [["red", "two"]])
    assert likely.tokens == 2
    with pytest.raises(BackendError, match="vLLM takes 63 here"):
        student.choose([prompt("red " * 70)], ["red"])
    (cut,) = student.write([prompt("red " * 70)], 8)
    assert "do not fit into a context of 64" in cut.failure


@pytest.mark.usefixtures("stand_in")
def test_an_adapter_that_vllm_refuses_and_a_model_that_does_not_fit_are_said(
    folder: Path, worker: VLLMWorker, tmp_path: Path
) -> None:
    base = Base(folder, "bfloat16", "cpu")
    with pytest.raises(
        BackendError, match=r"refuses the adapter .*broken.*: the adapter has a module"
    ) as no:
        worker.generate(base, tmp_path / "broken", [_asked()], [2])
    assert "serve: transformers" in no.value.hint
    assert "and more" not in str(no.value)
    small = VLLMWorker(Serving("vllm", 0.00001, 8, LINEAR))
    with pytest.raises(
        ModelError, match=r"cannot load the student from .*: No memory for the KV"
    ) as full:
        small.ready(base)
    assert "serve_memory" in full.value.hint
    assert small._child is None


@pytest.mark.usefixtures("stand_in")
def test_a_process_that_dies_is_told_and_started_again(folder: Path, worker: VLLMWorker) -> None:
    base = Base(folder, "bfloat16", "cpu")
    worker.ready(base)
    assert worker._child is not None
    worker._child.process.kill()
    with pytest.raises(BackendError, match=r"vLLM process ended .*-9"):
        worker.generate(base, None, [_asked()], [2])
    assert worker.generate(base, None, [_asked()], [2])[0]["tokens"] == [5, 0, 2]


_PARENT = """
import sys, time
from pathlib import Path
from engine.backends.entry import ModelRef, Serving
from engine.backends.serving.vllm_worker import Base, VLLMWorker
VLLMWorker(Serving("vllm", 0.2, 8, ())).ready(Base(Path(sys.argv[1]), "bfloat16", "cpu"))
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.usefixtures("stand_in")
def test_a_killed_run_leaves_no_vllm_behind(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(folder)], stdout=subprocess.PIPE
    ) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline() == b"ready\n"
            children = psutil.Process(run.pid).children(recursive=True)
            assert len(children) == 1
        finally:
            run.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


@pytest.mark.parametrize(
    ("serve", "card", "vllm", "rank", "opened"),
    [
        ("vllm", "", True, 16, ServedStudent),
        ("auto", "0", True, 16, WritingStudent),
        (
            "auto",
            "0",
            True,
            None,
            None,
        ),  # a whole model each round: nothing is loaded anew for every one
        ("auto", "", True, 16, None),
        ("auto", "0", False, 16, None),
        ("transformers", "0", True, 16, None),
    ],
)
def test_who_answers_is_as_the_recipe_says_and_else_as_the_machine_is(
    serve: Any,
    card: str,
    vllm: bool,
    rank: int | None,
    opened: type | None,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "graphics", lambda what: card)
    monkeypatch.setattr(vllm_worker, "is_installed", lambda: vllm)
    found = open_served(
        ModelRef("m", folder), TransformersSettings(), Serving(serve, 0.4, rank, LINEAR)
    )
    assert (
        isinstance(found.student, opened)
        if opened
        else not isinstance(found.student, ServedStudent | WritingStudent)
    )


def test_where_vllm_cannot_be_had_after_all_transformers_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(vllm_worker, "is_installed", lambda: False)
    worker = VLLMWorker(Serving("auto", 0.2, 8, LINEAR))
    local = cast(Student, BACKENDS["transformers"].open("student", folder, "m", {"device": "cpu"}))
    both = WritingStudent(local, ServedStudent(worker, Base(folder, "bfloat16", "cpu")))
    asked = [prompt("red blue"), prompt("one")]
    assert both.write(asked, 4) == local.write(asked, 4)
    assert both.choose(asked, ["red", "blue"]) == local.choose(asked, ["red", "blue"])
    assert "written by transformers: vLLM is not installed" in caplog.text


@pytest.mark.parametrize(
    ("rank", "room"), [(1, 8), (8, 8), (9, 16), (300, 320), (512, 512), (513, None)]
)
def test_adapters_take_the_next_larger_rank(rank: int, room: int | None) -> None:
    assert vllm_worker.rank_for(rank) == room


# With vLLM and the embedded model, in an environment that has both: pytest -m servers.

TEXTS = [
    "I love this!",
    "My card was stolen.",
    "Where is my parcel? " + "It is late. " * 40,
    "Rain?",
]
LABELS = [
    "complaint",
    "praise",
    "question about weather",
    "lost card",
    "late parcel",
    "late parcel again",
]
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["glad", "sad"]}, "score": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["mood", "score"],
    "additionalProperties": False,
}  # fmt: skip


@pytest.mark.servers
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vllm_answers_as_transformers_does_untuned_and_with_two_adapters(
    dtype: str, tmp_path: Path
) -> None:
    need_vllm()
    model = models.fetch(MODEL)
    adapters = [
        None,
        *(_adapter(model, tmp_path / name, seed) for name, seed in (("a", 1), ("b", 2))),
    ]
    worker = VLLMWorker(Serving("vllm", 0.15, 8, tuple(models.linear_modules(model))))
    untuned = ServedStudent(worker, Base(model, dtype, "cpu"))
    here = cast(
        Student,
        BACKENDS["transformers"].open("student", model, MODEL, {"dtype": dtype, "device": "cpu"}),
    )
    prompts = [(Message("system", "You label texts."), Message("user", text)) for text in TEXTS]
    close = 0.01 if dtype == "float32" else 1.0
    said = []
    try:
        for adapter in adapters:
            there = untuned if adapter is None else untuned.with_adapter(adapter)
            own = here if adapter is None else here.with_adapter(adapter)
            apart = [
                abs(a.nats - b.nats)
                for ours, theirs in zip(
                    own.compare(prompts, [LABELS] * 4),
                    there.compare(prompts, [LABELS] * 4),
                    strict=True,
                )
                for a, b in zip(ours, theirs, strict=True)
            ]
            same = [
                a.text == b.text
                for a, b in zip(own.write(prompts, 12), there.write(prompts, 12), strict=True)
            ]
            labels = [
                a.label == b.label
                for a, b in zip(
                    own.choose(prompts, LABELS), there.choose(prompts, LABELS), strict=True
                )
            ]
            print(
                f"{dtype} {adapter}: most {max(apart):.4f} nats apart,"
                f" {sum(same)} of 4 texts, {sum(labels)} of 4 labels"
            )
            assert max(apart) < close
            if dtype == "float32":
                assert all(same)
                assert all(labels)
            said.append(
                [likely.nats for row in there.compare(prompts, [LABELS] * 4) for likely in row]
            )
            shaped = there.write(prompts[:2], 40, SCHEMA)
            assert all(not one.failure for one in shaped)
            drawn = there.write(prompts[:2], 8, sampling=Sampling(1.0, (0, 1)))
            assert drawn == there.write(prompts[:2], 8, sampling=Sampling(1.0, (0, 1)))
        # Each adapter answers as itself.
        assert (
            min(
                max(abs(x - y) for x, y in zip(a, b, strict=True))
                for a in said
                for b in said
                if a is not b
            )
            > 0.05
        )
    finally:
        worker.stop()


def _adapter(model: Path, folder: Path, seed: int) -> Path:
    """Write an adapter with weights that are drawn: no training, and answers of its own."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = get_peft_model(
        base, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.01)
    tuned.save_pretrained(folder)
    return folder
