"""A causal language model of a few thousand weights, with a tokenizer made in code: real, and fast."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.backends.protocol import Message, TrainingJob, TrainingRow

WORDS = [
    "red",
    "blue",
    "green",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "colour",
    "number",
]
SPECIAL = ["<unk>", "<|start|>", "<|end|>"]
TEMPLATE = (
    "{% for m in messages %}<|start|> {{ m['role'] }} {{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|> assistant{% endif %}"
)


def write_model(folder: Path) -> Path:
    """Write a two-layer Llama and its tokenizer, which pads with the turn's end token as real ones do."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {
        word: index for index, word in enumerate([*SPECIAL, *WORDS, "user", "system", "assistant"])
    }
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|start|>",
        eos_token="<|end|>",
        pad_token="<|end|>",
        unk_token="<unk>",
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def rows(count: int, answer: str | None = None) -> tuple[TrainingRow, ...]:
    """Return rows of one to four words whose answer is `colour` or `number` by their first word."""
    made = []
    for number in range(count):
        words = [WORDS[(number * 3 + step) % 11] for step in range(1 + number % 4)]
        right = "colour" if words[0] in WORDS[:3] else "number"
        made.append(TrainingRow((Message("user", " ".join(words)),), answer or right))
    return tuple(made)


def job(model: Path, output: Path, **changes: Any) -> TrainingJob:
    """Return a small job; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "rows": rows(12),
        "validation": (),
        "method": "lora",
        "steps": 10,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "warmup": 0.2,
        "schedule": "linear",
        "weight_decay": 0.01,
        "r": 4,
        "alpha": 8,
        "dropout": 0.1,
        "checkpoint": "last",
        "evaluations": 3,
        "max_length": 64,
        "seed": 3,
        "device": "cpu",
        "dtype": "auto",
    }
    return TrainingJob(model=model, output=output, **{**fields, **changes})


def losses_fall(losses: Sequence[float]) -> bool:
    """Tell whether the last third of a training's losses is lower than its first."""
    third = len(losses) // 3
    return sum(losses[-third:]) < sum(losses[:third])
