from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from engine.backends.local import fused, greedy
from engine.backends.local.fused import FusedMemory
from engine.backends.local.greedy import ModelMemory
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


def biased() -> Any:
    torch.manual_seed(0)
    return Qwen2ForCausalLM(Qwen2Config(**SIZE)).eval()


def tuned(make: Any = llama, **settings: Any) -> Any:
    torch.manual_seed(0)
    settings = {"target_modules": "all-linear", **settings}
    config = LoraConfig(
        r=4, lora_alpha=12, init_lora_weights=False, task_type="CAUSAL_LM", **settings
    )
    return get_peft_model(make(), config).eval().get_base_model()


def partly_tuned() -> Any:
    return tuned(exclude_modules=["k_proj", "up_proj"])


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


EVERY = [
    (make, shared, size)
    for make in (llama, sliding, convolving)
    for shared in (0, 1, 30)
    for size in (1, 4, 32)
]


@pytest.mark.parametrize(
    ("make", "shared", "batch_size"), [*EVERY, (biased, 30, 4), (partly_tuned, 30, 4)]
)
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


@pytest.mark.parametrize("make", [llama, biased, tuned, partly_tuned])
@pytest.mark.parametrize("shared", [0, 30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_passes_written_out_give_the_models_own_logits(make: Any, shared: int, dtype: Any) -> None:
    model, rows = make().to(dtype), prompts(9, shared)
    # Of bfloat16 the last of eight bits.
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    written_out = fused.of(model)
    assert written_out is not None
    with torch.inference_mode():
        common = SharedPrefix(model, rows)
        batch = common.batch(rows)
        own = ModelMemory(common, len(rows))
        fast = FusedMemory(
            written_out, SharedPrefix(model, rows, written_out.prefix), len(rows), 60
        )
        for step in range(4):
            expected, found = own.read(batch).float(), fast.read(batch).float()
            assert torch.allclose(expected, found, rtol=0, atol=tolerance)
            mask, kept = batch["attention_mask"], torch.arange(0, len(expected), 2)
            batch = {
                "input_ids": expected.argmax(-1)[:, None],
                "attention_mask": torch.cat([mask, mask.new_ones((len(mask), 1))], dim=1),
                "position_ids": batch["position_ids"][:, -1:] + 1,
            }
            if step == 1:
                own.keep(kept)
                fast.keep(kept)
                batch = {name: value[kept] for name, value in batch.items()}


def test_what_is_not_known_is_left_to_the_models_own_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fused.of(llama()) is not None
    for model in (
        sliding(),
        convolving(),
        tuned(use_dora=True),
        tuned(biased, lora_bias=True, target_modules=["q_proj"]),
    ):
        assert fused.of(model) is None
    eager = llama()
    eager.set_attn_implementation("eager")
    assert fused.of(eager) is None
    monkeypatch.setattr(fused, "LARGEST", 1000)
    assert fused.of(llama()) is None


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
