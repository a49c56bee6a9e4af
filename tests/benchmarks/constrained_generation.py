"""Tokens per second of constrained against unconstrained generation, on the embedded model, in one run.

    python -m tests.benchmarks.constrained_generation

Batch 32, equal forced length: the constrained rows are inside a string too long to close, the unconstrained
ones may not stop. Pairs take turns, the order within a pair changes; the ratio is the median over the pairs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from engine import models
from engine.backends.local.generation import Constraint, _pad_left, stop_tokens
from engine.backends.local.weights import Loaded, load

MODEL = "embedded/smollm2-135m-instruct"
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 4000, "maxLength": 5000}},
    "required": ["text"],
    "additionalProperties": False,
}


def prompts(loaded: Loaded, count: int) -> list[list[int]]:
    """Return `count` prompts of about 40 tokens."""
    return [
        loaded.tokenizer.apply_chat_template(
            [
                {
                    "role": "user",
                    "content": f"Write story number {n} about a river, a bridge and a market.",
                }
            ],
            add_generation_prompt=True,
        )["input_ids"]
        for n in range(count)
    ]


def seconds(
    loaded: Loaded, constraint: Constraint, batch: int, tokens: int, constrained: bool
) -> float:
    """Generate `tokens` tokens for each row of a batch and return how long it took."""
    import torch

    stops = stop_tokens(loaded)
    ids, mask = _pad_left(prompts(loaded, batch), stops[0])
    how: dict[str, Any] = {"min_new_tokens": tokens}
    if constrained:
        how = {"logits_processor": constraint.processors(SCHEMA)}
    began = time.perf_counter()
    with torch.inference_mode():
        said = loaded.model.generate(
            input_ids=ids.to(loaded.model.device), attention_mask=mask.to(loaded.model.device),
            max_new_tokens=tokens, do_sample=False, eos_token_id=stops, pad_token_id=stops[0], **how,
        )  # fmt: skip
    took = time.perf_counter() - began
    length = said.shape[1] - ids.shape[1]
    if length != tokens:
        raise SystemExit(f"{length} tokens were generated instead of {tokens}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=96)
    given = parser.parse_args()
    path = models.locate(MODEL) or models.fetch(MODEL, say=print)
    loaded = load(path, "auto", "auto")
    constraint = Constraint(loaded)
    for constrained in (True, False):  # once each, so that nothing is made for the first time below
        seconds(loaded, constraint, given.batch, 8, constrained)
    ratios = []
    for pair in range(given.pairs):
        order = (True, False) if pair % 2 else (False, True)
        took = {
            each: seconds(loaded, constraint, given.batch, given.tokens, each) for each in order
        }
        ratios.append(took[False] / took[True])
        rate = {each: given.batch * given.tokens / took[each] for each in took}
        print(
            f"pair {pair + 1}: unconstrained {rate[False]:.0f} tokens/s, constrained {rate[True]:.0f}, "
            f"ratio {ratios[-1]:.3f}",
            flush=True,
        )
    print(f"median ratio of {given.pairs} pairs: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
