"""The `vllm_offline` backend: weights on this machine, through vLLM in this process.

As teacher, judge, or a student that is measured as it is. Outlines shapes the constraint, vLLM applies it (its
guidance back end, which is llguidance) and decides which rows of a batch it computes together. Batches are formed
from the full list of requests, so that a resumed run repeats them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from engine.backends.entry import Backend, Extra, ModelRef, Settings
from engine.backends.local import batching
from engine.backends.local.batching import Prompted
from engine.backends.local.chat import encode_prompt
from engine.backends.local.generation import TOP_K
from engine.backends.local.grammar import LAYOUT
from engine.backends.local.weights import load_tokenizer
from engine.backends.protocol import Completion, Request, Reserve, Usage, always
from engine.backends.replies import completion, read
from engine.bounds import Count
from engine.errors import BackendError, ModelError

EXTRA = Extra("vLLM", "vllm", "vllm")
METHOD = "structured_outputs:guidance"
_STRUCTURED = {"backend": "guidance", "disable_any_whitespace": True}
_ENVIRONMENT = {
    # In a process of its own vLLM begins with the first requests before it has the others: which rows are computed
    # together, and with it their last digits, would be left to chance.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",  # it would tell its makers about this machine
    "VLLM_LOGGING_LEVEL": "ERROR",  # it logs to standard output, which is ours
}
"""Read by vLLM when it is imported; what the user has set stands."""


class VLLMOfflineSettings(Settings):
    """Settings of a model that runs here with vLLM."""

    batch_size: int = Field(default=256, ge=1, le=65536)
    """Requests handed over at once; the last digits depend on it, so it is part of the result."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Number format of the weights; auto is vLLM's choice: 16 bits, as they are stored."""
    context: Count | None = Field(default=None, ge=64)
    """Tokens of prompt and reply together; what the model was trained with when left out. Fewer need less memory."""
    gpu_memory_utilization: float = Field(default=0.5, gt=0, le=1)
    """Share of the graphics card's memory that vLLM takes at once and keeps; the student needs some of the rest."""
    enforce_eager: bool = False
    """Begin at once instead of compiling the model first; replies then come more slowly on a graphics card."""


class _Loaded:
    """One model: vLLM around the weights, and the tokenizer that writes its prompts."""

    def __init__(self, folder: Path, settings: VLLMOfflineSettings) -> None:
        """Load the weights; raises BackendError without the library, ModelError for what it cannot run."""
        EXTRA.require()
        self.tokenizer = load_tokenizer(folder)
        self.llm = _load(folder, settings)
        self.context = int(self.llm.model_config.max_model_len)


def _load(folder: Path, settings: VLLMOfflineSettings) -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import LLM
    except (ImportError, OSError, RuntimeError) as problem:  # a library for another machine
        raise BackendError(
            f"vLLM cannot be loaded: {_first_line(problem)}",
            "install the build for this machine's graphics card or CPU, as vLLM's documentation says",
        ) from problem
    try:
        return LLM(
            str(folder),
            tokenizer_mode="hf",
            trust_remote_code=False,
            dtype=settings.dtype,
            max_model_len=settings.context,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            enforce_eager=settings.enforce_eager,
            structured_outputs_config=_STRUCTURED,
            use_tqdm_on_load=False,
        )
    except Exception as problem:
        raise ModelError(
            f"vLLM cannot load {folder}: {_first_line(problem)}",
            "the model may be of a kind that vLLM does not know, or too large: a smaller `context` needs less memory, "
            "and `gpu_memory_utilization` says how much of it vLLM may take",
        ) from problem


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:300]


class VLLMOfflineModel:
    """One model in this process."""

    def __init__(self, ref: ModelRef, settings: VLLMOfflineSettings) -> None:
        """Take what to load; nothing is loaded before it is used."""
        self._ref, self._settings = ref, settings

    @cached_property
    def _loaded(self) -> _Loaded:
        if self._ref.path is None:
            raise BackendError(
                f"the weights of {self._ref.name} are not on this machine",
                "run `pada models fetch`",
            )
        return _Loaded(self._ref.path, self._settings)

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield the completions of one batch after the other; see `Generator`."""
        listed = list(requests)
        if all(request.id in answered for request in listed):
            return
        loaded, size = self._loaded, self._settings.batch_size
        to_tokens = partial(encode_prompt, loaded.tokenizer)
        encoded = batching.encode(listed, to_tokens, loaded.context, METHOD)
        rows = encoded.fitting
        batches = (rows[start : start + size] for start in range(0, len(rows), size))
        run = partial(_run_batch, loaded.llm)
        yield from batching.complete(encoded, batches, run, answered, reserve)


def _run_batch(llm: Any, batch: Sequence[Prompted]) -> list[Completion]:
    from vllm.exceptions import VLLMValidationError

    began = time.perf_counter()
    llm.reset_prefix_cache()  # what earlier batches left there must not decide anything
    try:
        outputs = llm.generate(
            [{"prompt_token_ids": list(row.tokens)} for row in batch],
            [_sampling(row) for row in batch],
            use_tqdm=False,
        )
    except (VLLMValidationError, ValueError) as problem:  # vLLM refuses before it computes anything
        raise BackendError(
            f"vLLM refuses a request: {_first_line(problem)}",
            "if it is the reply's schema, use plain JSON Schema: type, properties, enum, items, bounds, anyOf, pattern",
        ) from problem
    seconds = (time.perf_counter() - began) / len(batch)
    return [
        _completion(row, output.outputs[0], seconds)
        for row, output in zip(batch, outputs, strict=True)
    ]


def _sampling(row: Prompted) -> Any:
    from vllm import SamplingParams

    request = row.request
    sampling: Mapping[str, Any] = {"temperature": 0.0}
    if request.temperature > 0:
        seed = int(request.id[:7], 16)
        sampling = {"temperature": request.temperature, "top_k": TOP_K, "seed": seed}
    shape = None if request.schema is None else constraint(request.schema)
    return SamplingParams(max_tokens=row.max_tokens, structured_outputs=shape, **sampling)


def constraint(schema: Mapping[str, Any]) -> Any:
    """Return vLLM's parameter for a schema, by Outlines' type adapter for it."""
    from outlines.models.vllm_offline import VLLMOfflineTypeAdapter
    from outlines.types import JsonSchema
    from vllm.sampling_params import StructuredOutputsParams

    # llguidance reads its options out of the schema. Without white space vLLM would write JSON with no space at
    # all; models were shown it with one after each comma and colon.
    laid_out = JsonSchema({"x-guidance": LAYOUT, **schema})
    return StructuredOutputsParams(**VLLMOfflineTypeAdapter().format_output_type(laid_out))


def _completion(row: Prompted, output: Any, seconds: float) -> Completion:
    """Return one row's completion; `seconds` is its share of the batch's time."""
    cut = output.finish_reason == "length"
    return completion(
        row.request,
        read(row.request, output.text, row.max_tokens if cut else 0, limited=row.limited),
        text=output.text,
        finish="length" if cut else "stop",
        usage=Usage(len(row.tokens), len(output.token_ids)),
        seconds=seconds,
        method=METHOD,
    )


BACKEND = Backend(
    name="vllm_offline",
    roles=("student", "teacher", "judge"),
    settings=VLLMOfflineSettings,
    local=True,
    extra=EXTRA,
    operational=frozenset({"gpu_memory_utilization"}),
    generator=VLLMOfflineModel,
)
