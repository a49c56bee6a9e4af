"""What the engine asks of vLLM, without a model: it says what it was asked, and scores tokens by their number."""

from types import SimpleNamespace
from typing import Any

SamplingParams = SimpleNamespace
CACHED = 4
"""Tokens that a shared beginning must have to be read from the cache: of these there are no log-probabilities."""


class LLM:
    def __init__(self, model: str, **settings: Any) -> None:
        if settings["gpu_memory_utilization"] < 0.001:
            raise ValueError("No memory for the KV cache\nand a long explanation")
        self.settings = settings
        self.model_config = SimpleNamespace(max_model_len=64)

    def reset_prefix_cache(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def generate(self, prompts: Any, params: Any, lora_request: Any, use_tqdm: bool) -> list[Any]:
        if lora_request is not None and "broken" in lora_request.path:
            raise ValueError("the adapter has a module that is not there\nand more")
        place = 0.0 if lora_request is None else float(lora_request.number)
        return [
            self._said(tuple(prompt["prompt_token_ids"]), its, place)
            for prompt, its in zip(prompts, params, strict=True)
        ]

    def _said(self, tokens: tuple[int, ...], params: Any, place: float) -> SimpleNamespace:
        told = None
        if getattr(params, "prompt_logprobs", None) is not None:
            cached = 0
            if getattr(params, "skip_reading_prefix_cache", None) is False:
                cached = max((_common(tokens, other) for other in self.seen), default=0)
                cached = cached // CACHED * CACHED
            told = [
                None if at < max(cached, 1) else {token: SimpleNamespace(logprob=-token - place)}
                for at, token in enumerate(tokens)
            ]
        self.seen.append(tokens)
        said = [tokens[0], int(place), 2][: params.max_tokens]
        output = SimpleNamespace(
            token_ids=said, finish_reason="stop" if said[-1] == 2 else "length"
        )
        return SimpleNamespace(outputs=[output], prompt_logprobs=told)


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
