from typing import Any

import pytest
import torch
from transformers import (
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from engine.backends.local import greedy
from engine.backends.local.prefix import SharedPrefix, common_prefix_length
from engine.errors import ModelError

pytestmark = pytest.mark.models

STOPS = [2, 7, 11, 23, 40, 55, 61, 78, 90]
SIZE: dict[str, Any] = {
    "vocab_size": 101, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "initializer_range": 0.3,
}  # fmt: skip


def llama() -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZE)).eval()


def sliding() -> Any:
    torch.manual_seed(0)
    return MistralForCausalLM(MistralConfig(**SIZE, sliding_window=8)).eval()


def convolving() -> Any:
    torch.manual_seed(0)
    kinds = ["conv", "full_attention", "conv"]
    return Lfm2ForCausalLM(Lfm2Config(**SIZE, layer_types=kinds)).eval()


def prompts(count: int, shared: int) -> list[list[int]]:
    rng = torch.Generator().manual_seed(count)
    beginning = list(range(20, 20 + shared))
    return [
        beginning + torch.randint(3, 101, (1 + n % 7,), generator=rng).tolist()
        for n in range(count)
    ]


def alone(model: Any, prompt: list[int], max_tokens: int) -> list[int]:
    """One row by transformers' own `generate`, without padding."""
    with torch.inference_mode():
        said: list[int] = model.generate(
            input_ids=torch.tensor([prompt]), attention_mask=torch.ones((1, len(prompt))),
            max_new_tokens=max_tokens, do_sample=False, eos_token_id=STOPS, pad_token_id=0,
        )[0, len(prompt) :].tolist()  # fmt: skip
    return said[:-1] if said[-1] in STOPS else said


@pytest.mark.parametrize("make", [llama, sliding, convolving])
@pytest.mark.parametrize("shared", [0, 1, 30])
@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_each_row_says_what_it_says_alone(make: Any, shared: int, batch_size: int) -> None:
    model, rows = make(), prompts(11, shared)
    batches = list(greedy.write(model, rows, STOPS, 12, batch_size))
    assert max(map(len, batches)) <= batch_size
    said = {turn.row: turn.tokens for batch in batches for turn in batch}
    expected = {row: alone(model, prompt, 12) for row, prompt in enumerate(rows)}
    assert said == expected
    lengths = {len(tokens) for tokens in expected.values()}
    assert 12 in lengths, "no row was cut"
    assert len(lengths) > 2, "rows did not leave the batch one after the other"


def test_a_model_that_hands_no_memory_over_is_named() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=101, hidden_size=32, num_hidden_layers=2))
    with pytest.raises(ModelError, match="type 'mamba' cannot write here"):
        list(greedy.write(model.eval(), prompts(2, 3), STOPS, 4, 4))


def test_no_prompts_no_answers() -> None:
    assert list(greedy.write(llama(), [], STOPS, 12, 4)) == []


def test_the_beginning_is_what_all_prompts_have_and_leaves_each_a_token() -> None:
    assert common_prefix_length([[1, 2, 3], [1, 2, 4, 5]]) == 2
    assert common_prefix_length([[1, 2, 3], [1, 2, 3]]) == 2
    assert common_prefix_length([[1], [1, 2]]) == 0


def test_a_layer_that_is_no_list_of_keys_is_not_shared() -> None:
    rows = prompts(3, 30)
    assert SharedPrefix(llama(), rows).length == 30
    assert SharedPrefix(sliding(), rows).length == 0
