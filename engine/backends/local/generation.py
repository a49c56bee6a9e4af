"""Generation in batches: chat prompts in, JSON that keeps to its schema out, or plain text.

Outlines constrains the tokens (its llguidance back end), transformers generates, a row stops as soon
as its JSON closes. Batches are formed from the full list of requests, so that a resumed run
repeats them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.backends.local import batching, grammar
from engine.backends.local.batching import Prompted
from engine.backends.local.chat import decode, encode_prompt, turn_end
from engine.backends.local.finite import watched
from engine.backends.local.weights import Loaded
from engine.backends.protocol import Completion, Request, Reserve, Usage
from engine.backends.replies import completion, read
from engine.fingerprint import canonical, short

if TYPE_CHECKING:
    import torch

TOP_K = 50
"""Sampling keeps this many tokens: a model this small says nonsense below them."""


class Constraint:
    """Outlines around one model: the tokenizer prepared, and logits processors for a schema.

    Outlines' llguidance back end is used, by measurement (docs/decisions/0004): it compiles a schema at once
    where the others take one to three seconds, costs no speed, never allows special tokens inside a
    string, and writes what is fixed (braces, keys) in the tokens the model itself would use.
    """

    def __init__(self, loaded: Loaded) -> None:
        """Prepare the tokenizer's vocabulary (a fraction of a second)."""
        import llguidance.hf
        import outlines

        self._model = outlines.from_transformers(loaded.model, loaded.tokenizer)
        self._vocabulary = llguidance.hf.from_tokenizer(
            loaded.tokenizer,
            n_vocab=loaded.model.get_output_embeddings().weight.shape[0],
            eos_token=turn_end(loaded.tokenizer),
        )

    def processors(self, schema: Mapping[str, Any]) -> Any:
        """Return fresh logits processors for one batch under a schema.

        Raises:
            BackendError: the schema uses what the grammar does not know.
        """
        return grammar.processors(schema, self._vocabulary, self._model)


def complete(
    loaded: Loaded,
    constrain: Callable[[Mapping[str, Any]], Any],
    requests: Sequence[Request],
    answered: Container[str],
    reserve: Reserve,
    batch_size: int,
) -> Iterator[list[Completion]]:
    """Yield the completions of one batch after the other; see `Generator.complete_many`.

    `constrain` returns the logits processors of a schema (`Constraint.processors`); it is not called for plain text.
    """
    encoded = batching.encode(
        requests,
        partial(encode_prompt, loaded.tokenizer),
        loaded.context,
        grammar.METHOD,
        setting="",
    )

    def run(batch: Sequence[Prompted]) -> list[Completion]:
        with loaded.lock:
            return _run_batch(loaded, constrain, batch)

    batches = form_batches(encoded.fitting, batch_size)
    yield from batching.complete(encoded, batches, run, answered, reserve)


def form_batches(rows: Sequence[Prompted], batch_size: int) -> list[list[Prompted]]:
    """Return batches of one schema, length limit and temperature each, longest prompts first."""
    groups: dict[tuple[str, int, float], list[Prompted]] = {}
    for row in rows:
        request = row.request
        key = (canonical(request.schema), row.max_tokens, request.temperature)
        groups.setdefault(key, []).append(row)
    batches = []
    for group in groups.values():
        group.sort(key=lambda row: -len(row.tokens))
        batches += [group[at : at + batch_size] for at in range(0, len(group), batch_size)]
    return batches


def _run_batch(
    loaded: Loaded, constrain: Callable[[Mapping[str, Any]], Any], batch: Sequence[Prompted]
) -> list[Completion]:
    import torch

    request = batch[0].request
    began = time.perf_counter()
    stops = stop_tokens(loaded)
    ids, mask = _pad_left([row.tokens for row in batch], stops[0])
    sampling: dict[str, Any] = {"do_sample": False}
    if request.temperature > 0:
        sampling = {"do_sample": True, "temperature": request.temperature, "top_k": TOP_K}
    device = loaded.model.device
    on_gpu = [device] if device.type == "cuda" else []
    with torch.inference_mode(), torch.random.fork_rng(devices=on_gpu):
        torch.manual_seed(int(short([row.request.id for row in batch], 15), 16))
        generated = loaded.model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=batch[0].max_tokens,
            logits_processor=watched(() if request.schema is None else constrain(request.schema)),
            eos_token_id=stops,
            pad_token_id=stops[0],
            **sampling,
        )[:, ids.shape[1] :].tolist()
    seconds = (time.perf_counter() - began) / len(batch)
    return [
        _completion(loaded.tokenizer, row, tokens, stops, seconds)
        for row, tokens in zip(batch, generated, strict=True)
    ]


def _completion(
    tokenizer: Any, row: Prompted, tokens: list[int], stops: list[int], seconds: float
) -> Completion:
    """Return one row's completion; `seconds` is its share of the batch's time."""
    end = next((at for at, token in enumerate(tokens) if token in stops), None)
    text = decode(tokenizer, tokens[:end])
    return completion(
        row.request,
        read(row.request, text, row.max_tokens if end is None else 0, limited=row.limited),
        text=text,
        finish="length" if end is None else "stop",
        usage=Usage(len(row.tokens), len(tokens) if end is None else end + 1),
        seconds=seconds,
        method=grammar.METHOD,
    )


def _pad_left(prompts: Sequence[Sequence[int]], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and mask, prompts ending at the right edge.

    The mask comes from the lengths, never from the filler: that is the turn's end token, which
    prompts contain as well.
    """
    import torch

    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), filler, dtype=torch.long)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(list(prompt))
        mask[row, width - len(prompt) :] = 1
    return ids, mask


def stop_tokens(loaded: Loaded) -> list[int]:
    """Return the tokens after which a reply is over: the turn's end first, then the model's own."""
    own = loaded.model.generation_config.eos_token_id
    others = own if isinstance(own, list) else [] if own is None else [own]
    end = turn_end(loaded.tokenizer)
    return [end, *sorted(set(others) - {end})]
