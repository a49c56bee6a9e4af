import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import torch

from engine.backends.protocol import Message, TrainingJob, TrainingResult, TrainingRow
from engine.backends.training import batches, child, finetune
from engine.backends.training.batches import (
    Blend,
    Encoded,
    batch_order,
    blended_order,
    collate,
    encode,
)
from engine.backends.training.checkpoints import Checkpoints
from engine.errors import Interrupted, ModelError
from engine.system import locks, stopping
from tests.backends import tiny
from tests.backends.training.here import losses, train_here

pytestmark = pytest.mark.models

ROOT = Path(__file__).resolve().parents[3]
WRONG = tuple(TrainingRow(row.messages, "three") for row in tiny.rows(6))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield tiny.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a checkpoint after every step."""
    monkeypatch.setattr(finetune, "CHECKPOINT_SECONDS", 0.0)


def holder(output: Path) -> int:
    found = locks.holder(output / child.LOCK_FILE)
    assert found is not None
    return found.pid


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int, seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


# The order of the rows


def test_every_pass_sees_every_row_once_and_every_batch_is_full() -> None:
    order = batch_order([5] * 10, size=4, steps=10, seed=1)
    assert {len(batch) for batch in order} == {4}
    assert Counter(row for batch in order for row in batch) == dict.fromkeys(range(10), 4)


def test_the_order_is_the_seeds() -> None:
    lengths = list(range(50))
    assert batch_order(lengths, 8, 20, seed=1) == batch_order(lengths, 8, 20, seed=1)
    assert batch_order(lengths, 8, 20, seed=1) != batch_order(lengths, 8, 20, seed=2)


def test_rows_of_a_batch_have_similar_lengths() -> None:
    lengths = [(row * 37) % 100 for row in range(100)]
    spread = [
        max(lengths[row] for row in batch) - min(lengths[row] for row in batch)
        for batch in batch_order(lengths, 5, 20, seed=0)
    ]
    assert sum(spread) / len(spread) < 40  # 67 for five rows drawn blindly


def seen(blend: Blend, size: int = 4, steps: int = 15) -> list[tuple[int, ...]]:
    """Return the batches over the rows of a blend; rows from `blend.original` on are generated."""
    lengths = [5 + row % 3 for row in range(blend.original + blend.generated)]
    return blended_order(lengths, blend, size, steps, seed=1)


def test_without_a_weight_generated_rows_are_rows_like_all_others() -> None:
    lengths = [5 + row % 3 for row in range(10)]
    assert seen(Blend(6, 4)) == batch_order(lengths, 4, 15, seed=1)
    assert seen(Blend(10, 0, 2.0, True)) == batch_order(lengths, 4, 15, seed=1)


@pytest.mark.parametrize(("mix", "visits"), [(0.5, 3), (2.0, 12), (1.5, 9), (0.25, 1.5)])
def test_a_generated_row_is_seen_so_often_as_the_weight_says(mix: float, visits: float) -> None:
    # Six passes: each original row once in each.
    steps = round(6 * (8 + mix * 8) / 4)
    order = seen(Blend(8, 8, mix), steps=steps)
    assert {len(batch) for batch in order} == {4}
    often = Counter(row for batch in order for row in batch)
    assert {often[row] for row in range(8)} == {6}
    drawn = [often[row] for row in range(8, 16)]
    assert sum(drawn) == 8 * visits
    assert max(drawn) - min(drawn) <= 1


def test_generated_rows_first_and_each_kind_as_often_as_when_mixed() -> None:
    order = seen(Blend(8, 4, 2.0, generated_first=True), steps=16)
    kinds = [{row >= 8 for row in batch} for batch in order]
    assert kinds == [{True}] * 8 + [{False}] * 8
    often = Counter(row for batch in order for row in batch)
    assert {often[row] for row in range(8)} == {4}
    assert {often[row] for row in range(8, 12)} == {8}


@pytest.mark.parametrize(("original", "generated", "first"), [(99, 1, 1), (1, 99, 4)])
def test_each_kind_of_rows_has_a_step_at_least(original: int, generated: int, first: int) -> None:
    order = seen(Blend(original, generated, 1.0, generated_first=True), steps=5)
    assert [batch[0] >= original for batch in order] == [True] * first + [False] * (5 - first)
    assert len(seen(Blend(original, generated, 1.0, generated_first=True), steps=1)) == 1


# The loss


class Alone(NamedTuple):
    """A student, rows, and the loss and the gradient that come of each row by itself."""

    student: Any
    rows: list[Encoded]
    loss: torch.Tensor
    gradient: torch.Tensor


@pytest.fixture(scope="module", params=["eager", "sdpa"])
def alone(model: Path, request: pytest.FixtureRequest) -> Alone:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    student = AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, attn_implementation=request.param
    ).eval()
    examples = [*tiny.rows(6), TrainingRow((Message("user", "red"),), "number one two")]
    encoded = encode(tokenizer, examples, 64, "training")
    expected, tokens = torch.zeros(()), 0
    for row in encoded:
        assert row.completion[-1] == tokenizer.convert_tokens_to_ids("<|end|>")
        ids = torch.tensor([row.prompt + row.completion])
        said = student(ids).logits[0, len(row.prompt) - 1 : -1].log_softmax(-1)
        expected = expected - said[range(len(row.completion)), row.completion].sum()
        tokens += len(row.completion)
    expected = expected / tokens
    (wanted,) = torch.autograd.grad(expected, student.get_input_embeddings().weight)
    return Alone(student, encoded, expected, wanted)


@pytest.mark.parametrize("room", [4, 12, 512])
@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("share", [True, False])
def test_loss_and_gradient_are_those_of_each_row_alone(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, room: int, pack: bool, share: bool
) -> None:
    from engine.backends.training.loop import completion_loss

    monkeypatch.setattr(batches, "PACKED_TOKENS", room)
    batch = collate(alone.rows, pack, share)
    if not pack or room == 512:
        assert len(batch["input_ids"]) == (1 if pack else 7)
    found = completion_loss(alone.student, batch, "mean")
    (gradient,) = torch.autograd.grad(found, alone.student.get_input_embeddings().weight)
    assert found.item() == pytest.approx(alone.loss.item(), abs=1e-5)
    assert torch.allclose(gradient, alone.gradient, atol=1e-5)


def test_training_text_is_the_templated_conversation(model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    row = TrainingRow((Message("system", "one"), Message("user", "red blue")), "colour")
    (encoded,) = encode(tokenizer, [row], 64, "training")
    turns = [{"role": m.role, "content": m.content} for m in row.messages]
    whole = tokenizer.apply_chat_template(
        [*turns, {"role": "assistant", "content": "colour"}], tokenize=False
    )
    assert encoded.prompt + encoded.completion == tuple(
        tokenizer.encode(whole, add_special_tokens=False)
    )


# Killed, interrupted, orphaned


class Kill:
    """Kills the training's process once a step is reached."""

    def __init__(self, output: Path, at: int) -> None:
        self.output, self.at, self.seen = output, at, 0

    def __call__(self, steps: int) -> None:
        self.seen += steps
        if self.seen >= self.at:
            os.kill(holder(self.output), signal.SIGKILL)


@pytest.mark.usefixtures("every_step")
def test_a_training_killed_and_interrupted_ends_with_the_same_bits(
    model: Path, tmp_path: Path
) -> None:
    blend = {"generated": 5, "mix": 0.5}
    best = {"checkpoint": "best", "validation": tiny.rows(5), "steps": 14, **blend}
    undisturbed = train_here(tiny.job(model, tmp_path / "whole", **best))
    output = tmp_path / "killed"
    job = tiny.job(model, output, **best)
    with pytest.raises(ModelError, match=r"signal 9.*memory"):
        finetune.train(job, Kill(output, 3))
    assert list((output / "checkpoints").glob("checkpoint-*/COMPLETE"))
    assert not (output / "adapter").exists()

    trained = 0

    def interrupt(steps: int) -> None:
        nonlocal trained
        trained = holder(output)
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        finetune.train(job, interrupt)
    assert trained
    assert not alive(trained)
    seen: list[int] = []
    result = finetune.train(job, seen.append)
    # The interrupted one may have done a step more before it heard the word, and saved that.
    assert 3 <= seen[0] < job.steps, "it goes on from the last checkpoint, and says so"
    assert seen[1] == 0, "before it loads, and again when it begins"
    assert sum(seen) == job.steps
    assert losses(output) == losses(tmp_path / "whole")
    assert result.weights == undisturbed.weights
    assert (result.chosen_step, result.validation_loss, result.train_loss) == (
        undisturbed.chosen_step,
        undisturbed.validation_loss,
        undisturbed.train_loss,
    )
    assert {path.name for path in output.iterdir()} == {
        "adapter",
        "training.json",
        "training.lock",
        "training.log",
    }


@pytest.mark.long
@pytest.mark.usefixtures("every_step")
def test_a_training_in_a_thread_that_is_told_to_end_saves_a_checkpoint(
    model: Path, tmp_path: Path
) -> None:
    stop = stopping.Stop()
    job = tiny.job(model, tmp_path / "told", steps=10_000)
    steps = 0

    def told(finished: int) -> None:
        nonlocal steps
        steps += finished
        if steps >= 3:
            stop.tell()

    # Under a word it is as in a thread: no KeyboardInterrupt comes.
    with stopping.under(stop), pytest.raises(Interrupted, match="its checkpoint is kept"):
        finetune.train(job, told)
    assert 3 <= steps < job.steps
    assert list((tmp_path / "told" / "checkpoints").glob("checkpoint-*/COMPLETE"))


def test_no_training_outlives_its_parent(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "orphan"
    script = (
        "import sys; from pathlib import Path\n"
        "from engine.backends.training import finetune\n"
        "from tests.backends import tiny\n"
        "job = tiny.job(Path(sys.argv[1]), Path(sys.argv[2]), steps=100000)\n"
        "finetune.train(job, lambda _steps: print('step', flush=True))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(model), str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == "step\n"
        trained = holder(output)
        assert alive(trained)
        parent.kill()
        parent.wait()
    assert gone(trained)
    assert list(output.glob("*job.json")) == []
    with child.held_lock(output, patience=5):
        pass


def test_a_child_of_another_parent_ends_at_once() -> None:
    code = "from engine.backends.lifetime import die_with; die_with(1); print('alive')"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (1, "")


# Locks and checkpoints


def test_a_held_lock_is_named_and_a_stale_one_taken(tmp_path: Path) -> None:
    (tmp_path / child.LOCK_FILE).write_text("999999\n")
    with child.held_lock(tmp_path):
        assert holder(tmp_path) == os.getpid()
        with (
            pytest.raises(ModelError, match=f"another training \\(process {os.getpid()}\\)"),
            child.held_lock(tmp_path, patience=0),
        ):
            pass
    with child.held_lock(tmp_path, patience=0):
        pass


def write_checkpoint(checkpoints: Checkpoints, step: int) -> Path:
    place = checkpoints.folder / f"checkpoint-{step}"
    place.mkdir()
    (place / "weights").write_text("w")
    return place


def test_torn_and_foreign_checkpoints_are_removed(tmp_path: Path) -> None:
    other = Checkpoints(tmp_path, "another job")
    write_checkpoint(other, 9)
    other.complete(9, None)
    mine = Checkpoints(tmp_path, "job")
    whole = write_checkpoint(mine, 4)
    mine.complete(4, None)
    write_checkpoint(mine, 6)
    (write_checkpoint(mine, 7) / "COMPLETE").write_text('{"job": "jo')
    assert mine.last() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-4"]


def test_a_checkpoint_without_its_best_weights_does_not_count(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.keep_best(2, lambda path: path.touch())
    write_checkpoint(checkpoints, 4)
    checkpoints.complete(4, best=2)
    assert checkpoints.last() is not None
    checkpoints.best(2).unlink()
    assert checkpoints.last() is None


def test_a_job_is_read_back_with_what_its_rows_call(tmp_path: Path) -> None:
    asked = (Message("tools", "[]"), Message("user", "red"))
    rows = (TrainingRow(asked, "", ('{"name": "find", "arguments": {}}',)), *tiny.rows(1))
    job = tiny.job(tmp_path, tmp_path / "out", rows=rows)
    content = json.loads(json.dumps(finetune.job_to_json(job)))
    assert finetune.job_from_json(content) == job
    # What calls nothing leaves no trace: it is the job that it always was.
    assert [len(row) for row in content["rows"]] == [3, 2]


def test_jobs_differ_by_data_settings_and_weights_but_not_by_place(
    model: Path, tmp_path: Path
) -> None:
    job = tiny.job(model, tmp_path / "a")
    same = finetune.job_hash(job)
    assert same == finetune.job_hash(tiny.job(model, tmp_path / "b"))
    assert same != finetune.job_hash(tiny.job(model, tmp_path / "a", seed=4))
    assert same != finetune.job_hash(tiny.job(model, tmp_path / "a", rows=tiny.rows(11)))
    weighed = {"generated": 3, "mix": 0.5, "order": "generated_first"}
    for number in range(1, 4):
        part = dict(list(weighed.items())[:number])
        assert same != finetune.job_hash(tiny.job(model, tmp_path / "a", **part))
    assert finetune.job_from_json(json.loads(json.dumps(finetune.job_to_json(job)))) == job


# Results and mistakes


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingResult]:
    """A training with `checkpoint: best` whose validation rows contradict its training rows."""
    output = tmp_path_factory.mktemp("trained")
    return output, train_here(contradicted(model, output))


def contradicted(model: Path, output: Path) -> TrainingJob:
    rows = tuple(TrainingRow(row.messages, "number") for row in tiny.rows(12))
    return tiny.job(
        model,
        output,
        rows=rows,
        validation=WRONG,
        checkpoint="best",
        evaluations=4,
        steps=24,
        learning_rate=0.1,
        dropout=0.0,
    )


def test_best_keeps_the_step_with_the_lowest_validation_loss(
    model: Path, trained: tuple[Path, TrainingResult]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from engine.backends.training.loop import completion_loss

    output, result = trained
    record = json.loads((output / finetune.RESULT_FILE).read_text())
    taken = {step: loss for step, loss in record["evaluations"]}
    assert list(taken) == [6, 12, 18, 24]
    assert result.chosen_step < 24
    assert result.validation_loss == min(taken.values()) == taken[result.chosen_step]
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    student = PeftModel.from_pretrained(base, result.adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(model)
    batch = collate(encode(tokenizer, WRONG, 64, "validation"))
    with torch.inference_mode():
        found = float(completion_loss(student, batch, "mean"))
    assert found == pytest.approx(result.validation_loss, rel=0.02)


def test_the_student_learns_and_the_adapter_is_whole(trained: tuple[Path, TrainingResult]) -> None:
    output, result = trained
    assert tiny.losses_fall(losses(output))
    assert {path.name for path in result.adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert result.epochs == 8
    assert len(result.weights) == 64


def test_a_finished_training_is_returned_at_once(
    trained: tuple[Path, TrainingResult], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, result = trained

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("no process is needed")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    seen: list[int] = []
    assert finetune.train(contradicted(model, output), seen.append) == result
    assert seen == [24]


def test_full_fine_tuning_saves_a_model_in_bfloat16(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job = tiny.job(model, tmp_path, method="full", steps=12, learning_rate=1e-2)
    result = train_here(job)
    assert tiny.losses_fall(losses(tmp_path))
    saved = AutoModelForCausalLM.from_pretrained(result.adapter)
    assert saved.dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(result.adapter).chat_template == tiny.TEMPLATE


def test_a_row_too_long_is_named_before_anything_is_trained(model: Path, tmp_path: Path) -> None:
    long = TrainingRow((Message("user", "blue " * 90),), "colour")
    job = tiny.job(model, tmp_path, rows=(*tiny.rows(3), long))
    with pytest.raises(ModelError, match=r"training row 4 of 4 has \d+ tokens.*'blue blue") as told:
        finetune.train(job)
    assert "train.max_length" in told.value.hint
    assert not (tmp_path / "adapter").exists()
    assert not (tmp_path / "checkpoints").exists()


def test_a_row_beyond_the_models_context_and_one_its_template_refuses_are_named(
    model: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    long = TrainingRow((Message("user", "blue " * 140),), "colour")
    job = tiny.job(model, tmp_path, rows=(*tiny.rows(3), long), max_length=1024)
    with pytest.raises(ModelError, match=r"row 4 of 4 has \d+ tokens, more than the 128 ") as told:
        train_here(job)
    assert "max_length" not in told.value.hint
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = "{{ raise_exception('no turns at all') }}"
    ordered = TrainingRow((Message("system", "red"), Message("user", "blue")), "colour")
    with pytest.raises(ModelError, match="template refuses a prompt: no turns at all"):
        encode(tokenizer, [ordered], 64, "training")


def test_a_disk_too_small_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage)
    with pytest.raises(ModelError, match=r"not enough disk.*1 MB free.*48 MB"):
        child._check_disk(tmp_path, {"weight": torch.zeros(1_000_000)})


def test_the_end_of_the_log_is_shown_when_the_process_fails(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    broken.mkdir()
    for file in model.iterdir():
        if file.suffix != ".safetensors":
            (broken / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError) as told:
        finetune.train(tiny.job(broken, tmp_path / "out"))
    assert "safetensors" in str(told.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file"), "disk is full"),
        (OSError(28, "No space left on device"), "disk is full"),
        (PermissionError(13, "Permission denied", "x"), "cannot read or write a file.*'x'"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 GB"), "not enough memory"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_full_disks_and_memory_are_said_in_the_users_words(error: Exception, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        raise child._as_user_error(error) or error
    assert child._as_user_error(KeyError("a bug")) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": ()}, "no training rows"),
        ({"checkpoint": "best"}, "checkpoint: best needs validation rows"),
    ],
)
def test_jobs_that_cannot_be_done_are_refused(
    model: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        finetune.train(tiny.job(model, tmp_path, **changes))


def test_the_embedded_student_learns_eight_rows(tmp_path: Path) -> None:
    from engine.models import fetch

    prompts = ["my parcel is late", "where is my box", "still no delivery", "the box never came"]
    others = ["i cannot log in", "password does not work", "locked out", "the app says wrong pin"]
    rows = [TrainingRow((Message("user", text),), "late_delivery") for text in prompts]
    rows += [TrainingRow((Message("user", text),), "login_problem") for text in others]
    job = tiny.job(
        fetch("embedded/smollm2-135m-instruct"),
        tmp_path,
        rows=tuple(rows),
        batch_size=8,
        steps=6,
        learning_rate=2e-3,
        dropout=0.0,
        r=16,
        alpha=32,
    )
    result = train_here(job)
    found = losses(tmp_path)
    assert result.train_loss == found[-1] < 1 < found[0]
