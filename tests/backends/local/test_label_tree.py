import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from engine.backends.local import label_tree
from engine.backends.local.weights import Loaded, with_adapter
from engine.errors import ModelError

pytestmark = pytest.mark.models

END = 2
LABELS = [(5,), (5, 6), (5, 6, 7), (8, 9), (8, 10, 11), (12,)]


SIZE: dict[str, Any] = {
    "vocab_size": 101, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "initializer_range": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZE)).eval()


OTHERS: dict[str, Callable[[], Any]] = {
    "learned positions": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=101, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3)
    ),
    "scaled logits": lambda: GraniteForCausalLM(GraniteConfig(**SIZE, logits_scaling=4.0)),
    "sliding windows": lambda: MistralForCausalLM(MistralConfig(**SIZE, sliding_window=8)),
    "convolutions": lambda: Lfm2ForCausalLM(
        Lfm2Config(**SIZE, layer_types=["conv", "full_attention", "conv"])
    ),
}


def prompts(count: int, shared: int) -> list[list[int]]:
    rng = torch.Generator().manual_seed(count)
    beginning = list(range(20, 20 + shared))
    return [
        beginning + torch.randint(3, 101, (1 + n % 7,), generator=rng).tolist()
        for n in range(count)
    ]


def naive(model: Any, prompt: list[int], label: tuple[int, ...]) -> float:
    """One forward pass for one label, without padding, mask or cache."""
    tokens = [*label, END]
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *tokens]])).logits[0].float().log_softmax(-1)
    return float(sum(logits[len(prompt) - 1 + at, token] for at, token in enumerate(tokens)))


def scored(model: Any, rows: list[list[int]], batch_size: int = 4) -> torch.Tensor:
    found = torch.full((len(rows), len(LABELS)), torch.nan)
    for batch, scores in label_tree.score(model, rows, label_tree.build(LABELS, END), batch_size):
        found[batch] = scores
    return found


@pytest.mark.parametrize("shared", [0, 1, 40])
@pytest.mark.parametrize("count", [1, 11])
@pytest.mark.parametrize("line", [1, 3, 128])
def test_the_tree_gives_what_one_pass_per_label_gives(
    model: Any, monkeypatch: pytest.MonkeyPatch, shared: int, count: int, line: int
) -> None:
    monkeypatch.setattr(label_tree, "LINE", line)
    rows = prompts(count, shared)
    expected = torch.tensor([[naive(model, row, label) for label in LABELS] for row in rows])
    found = scored(model, rows)
    assert torch.allclose(found, expected, atol=1e-3)
    assert torch.equal(found.argmax(-1), expected.argmax(-1))


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize(("shared", "batch_size"), [(3, 2), (30, 32)])
def test_models_of_other_kinds_get_the_same(kind: str, shared: int, batch_size: int) -> None:
    torch.manual_seed(0)
    other, rows = OTHERS[kind]().eval(), prompts(5, shared)
    expected = torch.tensor([[naive(other, row, label) for label in LABELS] for row in rows])
    assert torch.allclose(scored(other, rows, batch_size), expected, atol=1e-3)


def test_equal_prompts_are_scored_alike(model: Any) -> None:
    found = scored(model, [[3, 4, 5]] * 3)
    assert torch.allclose(found[0], found[1], atol=1e-5)
    assert torch.allclose(found[0], found[2], atol=1e-5)


def test_shared_beginnings_of_labels_are_one_node() -> None:
    tree = label_tree.build(LABELS, END)
    assert tree.tokens == (5, 6, 7, 8, 9, 10, 11, 12)
    assert tree.parents == (0, 1, 2, 0, 4, 4, 6, 0)
    assert tree.depths == [1, 2, 3, 1, 2, 2, 3, 1]
    assert len(tree.edges) == len(tree.tokens) + len(LABELS)


def test_lines_hold_every_node_once_and_whole_subtrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_tree, "LINE", 4)
    assert label_tree.build(LABELS, END).lines() == [[4, 5, 6, 7], [1, 2, 3, 8]]


def test_a_wide_tree_is_scored_in_smaller_batches(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = prompts(9, 5)
    whole = scored(model, rows, 9)
    monkeypatch.setattr(label_tree, "TOKENS_PER_BATCH", 30)
    monkeypatch.setattr(label_tree, "POSITIONS_PER_HEAD", 10)
    tree = label_tree.build(LABELS, END)
    sizes = [len(batch) for batch, _ in label_tree.score(model, rows, tree, 9)]
    assert max(sizes) <= 3
    assert torch.allclose(scored(model, rows, 9), whole, atol=1e-4)


def save_adapter(model: Any, folder: Path, seed: int) -> Path:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(copy.deepcopy(model), config).save_pretrained(folder)
    return folder


def test_adapters_change_the_answers_and_leave_nothing_behind(model: Any, tmp_path: Path) -> None:
    rows = prompts(6, 10)
    base = Loaded(model, None)
    one = save_adapter(model, tmp_path / "one", 1)
    two = save_adapter(model, tmp_path / "two", 2)
    plain = scored(model, rows)
    first = scored(with_adapter(base, one), rows)
    second = scored(with_adapter(base, two), rows)
    assert not torch.allclose(first, plain, atol=0.1)
    assert not torch.allclose(first, second, atol=0.1)
    assert torch.equal(scored(with_adapter(base, one), rows), first)
    assert torch.equal(scored(model, rows), plain)


def test_an_adapter_shares_the_base_weights(model: Any, tmp_path: Path) -> None:
    tuned = with_adapter(Loaded(model, None), save_adapter(model, tmp_path / "a", 3))
    assert tuned.get_input_embeddings().weight is model.get_input_embeddings().weight


def test_a_folder_without_a_student_is_named(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no fine-tuned student in"):
        with_adapter(Loaded(model, None), tmp_path)
