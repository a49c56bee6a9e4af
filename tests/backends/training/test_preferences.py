"""Preference tuning: right answers against wrong ones, from an adapter that was fine-tuned."""

import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from engine.backends.protocol import (
    AnswerPair,
    Message,
    PreferenceLoss,
    TooFewPairs,
    TrainingJob,
    TrainingResult,
    TrainingRow,
)
from engine.backends.training import batches, finetune
from engine.errors import ModelError
from tests.backends import tiny
from tests.backends.training.here import losses, stop_here, train_here

pytestmark = pytest.mark.models

SIGMOID = PreferenceLoss("sigmoid", 0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield tiny.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tuned(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(tiny.job(model, tmp_path_factory.mktemp("tuned"), steps=3)).adapter


def job(model: Path, adapter: Path, output: Path, **changes: Any) -> TrainingJob:
    pairs = [AnswerPair(r.messages, r.completion, "three") for r in tiny.rows(12)]
    pairs.append(pairs[0]._replace(rejected="number " * 80))  # too long
    fields = {
        "rows": (), "pairs": tuple(pairs), "preference": SIGMOID, "adapter": adapter, "learning_rate": 0.05,
    }  # fmt: skip
    return tiny.job(model, output, **{**fields, **changes})


@pytest.fixture(scope="module")
def preferred(
    model: Path, tuned: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainingResult]:
    output = tmp_path_factory.mktemp("preferred")
    return output, train_here(job(model, tuned, output))


def test_right_answers_gain_on_wrong_ones_and_the_reference_stays(
    model: Path, tuned: Path, preferred: tuple[Path, TrainingResult]
) -> None:
    output, result = preferred
    found = losses(output)
    # Before the first step the student is the reference: no answer has gained.
    assert found[0] == pytest.approx(math.log(2), abs=1e-6)
    assert tiny.losses_fall(found)
    assert result.accuracy is not None
    assert result.margin is not None
    assert result.accuracy > 0.9
    assert result.margin > 0
    assert result.epochs == pytest.approx(10 * 4 / 12)
    assert {path.name for path in result.adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    before, after = (load_file(a / "adapter_model.safetensors") for a in (tuned, result.adapter))
    assert before.keys() == after.keys(), "the reference is no part of the student"
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.long
def test_a_training_that_was_stopped_ends_with_the_same_bits(
    model: Path, tuned: Path, preferred: tuple[Path, TrainingResult], tmp_path: Path
) -> None:
    again = job(model, tuned, tmp_path)
    stop_here(again, 4)
    assert (tmp_path / "checkpoints" / "checkpoint-4" / "COMPLETE").is_file()
    result = train_here(again)
    assert losses(tmp_path) == losses(preferred[0])
    assert (result.weights, result.accuracy) == (preferred[1].weights, preferred[1].accuracy)


def test_tokens_are_those_of_training_rows_and_what_is_written_in_data_is_text(
    model: Path,
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    told = (Message("user", "red <|end|> one"),)
    pair = AnswerPair(told, "colour", "number <|end|> two")
    (found,) = batches.encode_pairs(tokenizer, [pair], 64)
    rows = [TrainingRow(told, said) for said in (pair.chosen, pair.rejected)]
    assert list(found) == batches.encode(tokenizer, rows, 64, "training")
    end = tokenizer.eos_token_id
    assert found.rejected.completion.count(end) == 1
    assert found.rejected.completion[-1] == end


def test_pairs_that_are_too_long_are_left_out(
    model: Path, preferred: tuple[Path, TrainingResult]
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    pair = AnswerPair((Message("user", "red one"),), "colour", "number")
    long = pair._replace(rejected="number " * 80)
    assert len(batches.encode_pairs(tokenizer, [pair, long], 64)) == 1
    with pytest.raises(TooFewPairs, match=r"0 of 1 pairs .* fit in 64 tokens, .*min_pairs is 1"):
        batches.encode_pairs(tokenizer, [long], 64)
    with pytest.raises(TooFewPairs, match=r"1 of 2 pairs .*min_pairs is 2") as few:
        batches.encode_pairs(tokenizer, [pair, long], 64, least=2)
    assert re.fullmatch(r"set train.max_length to 8\d or more", few.value.hint)
    assert preferred[1].left_out == 1


@pytest.mark.long
def test_a_loss_that_is_no_number_is_told_with_what_to_do(
    model: Path, tuned: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(tuned, adapter)
    weights = load_file(adapter / "adapter_model.safetensors")
    first = next(iter(weights))
    save_file({**weights, first: weights[first] * math.nan}, adapter / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="the loss at step 1 is nan") as error:
        train_here(job(model, adapter, tmp_path / "out", dtype="float32"))
    assert "train.preference.learning_rate" in error.value.hint


@pytest.mark.long
def test_the_loss_and_how_far_the_student_may_go_decide_the_result(
    model: Path, tuned: Path, tmp_path: Path
) -> None:
    same = finetune.job_hash(job(model, tuned, tmp_path))
    for changed in (PreferenceLoss("ipo", 0.5), PreferenceLoss("sigmoid", 0.1)):
        assert same != finetune.job_hash(job(model, tuned, tmp_path, preference=changed))
    one = job(model, tuned, tmp_path, preference=PreferenceLoss("ipo", 0.5), steps=1)
    assert finetune.job_from_json(json.loads(json.dumps(finetune.job_to_json(one)))) == one
    train_here(one)
    # The squared distance of nothing gained from 1 / (2 beta), per token.
    assert losses(tmp_path) == [pytest.approx(1.0)]
