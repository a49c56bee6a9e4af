"""What a fine-tune takes of memory, on a model whose numbers can be counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from engine.backends.training import batches
from engine.backends.training import footprint as footprint_module
from engine.backends.training.footprint import Shape, Work, footprint, line_of, shape_of

SHAPE = Shape(
    layers=2,
    width=10,
    feed_forward=20,
    heads=2,
    vocabulary=100,
    parameters=5000,
    linear=3000,
    adapters=100,
)


def work(**changes: Any) -> Work:
    plain = Work("lora", 4, "bfloat16", "float32", tokens=8, longest=4, answered=2, eager=False)
    return plain._replace(**changes)


def test_adapters_are_in_float32_on_a_base_in_16_bits() -> None:
    found = footprint(SHAPE, work())
    assert (found.weights, found.gradients, found.optimizer) == (5000 * 2 + 400 * 4, 1600, 3200)
    layer = 8 * (4 * 20 + 9 * 10) * 2
    assert found.activations == 400 * 2 + 2 * layer + 2 * 100 * 10
    assert found.checkpointed == 400 * 2 + 2 * 8 * 10 * 2 + layer + 2000
    assert found.fixed + found.activations == found.most > found.least


def test_four_bits_are_of_linear_layers_alone() -> None:
    assert footprint(SHAPE, work(method="qlora")).weights == round(3000 * 0.516 + 2000 * 2) + 1600


def test_a_full_fine_tune_takes_16_bytes_a_weight_or_8() -> None:
    assert footprint(SHAPE, work(method="full")).fixed == 5000 * 16
    narrow = footprint(SHAPE, work(method="full", master="bfloat16"))
    assert narrow.fixed == 5000 * 8
    assert narrow.activations < footprint(SHAPE, work(method="full")).activations


def test_eager_attention_keeps_its_scores() -> None:
    more = footprint(SHAPE, work(eager=True)).activations - footprint(SHAPE, work()).activations
    assert more == 2 * 8 * 6 * 2 * 4


def test_rows_share_lines_and_a_long_one_has_its_own() -> None:
    assert [line_of(*sizes) for sizes in ((300, 100), (2000, 100), (2000, 700))] == [300, 512, 700]
    assert footprint_module.PACKED == batches.PACKED_TOKENS


@pytest.mark.parametrize("missing", ["hidden_size", "vocab_size"])
def test_a_model_that_says_its_size_in_other_words_is_left_out(missing: str) -> None:
    config = {
        "num_hidden_layers": 2, "hidden_size": 10, "intermediate_size": 20, "num_attention_heads": 2,
        "vocab_size": 100,
    }  # fmt: skip
    assert shape_of(config, 5000, 3000, 100) == SHAPE
    assert shape_of({"text_config": config}, 5000, 3000, 100) == SHAPE
    assert shape_of({**config, missing: None}, 5000, 3000, 100) is None
    assert shape_of(config, 0, 0, 0) is None
