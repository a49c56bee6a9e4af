"""A student whose answers vLLM computes: the same tokens in, the same rules for what comes out, as `transformers` has.

Prompts, turns' ends and what an answer is are the engine's own (`backends/local/chat.py`); vLLM gets tokens and gives
tokens back. Labels are compared by the log-probabilities that vLLM tells of a prompt's tokens: each label stands behind
the prompt as if it had been said.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from engine.backends.local import batching
from engine.backends.local.batching import Prompted, room_in_steps
from engine.backends.local.chat import decode, encode_prompt, encode_text, turn_end
from engine.backends.local.weights import load_tokenizer, loading
from engine.backends.protocol import (
    Completion,
    LabelAnswer,
    Likelihood,
    Message,
    Progress,
    Sampling,
    Student,
    Usage,
    Written,
    always,
    requests_of,
    written,
)
from engine.backends.replies import completion, does_not_fit, read
from engine.backends.serving.vllm_worker import Base, VLLMWorker
from engine.errors import BackendError, EngineError

_log = logging.getLogger(__name__)

METHOD = "structured_outputs:guidance"
BATCH = 256
"""Rows handed over at once; vLLM decides which of them it computes together."""
TOKENS = 400_000
"""Most tokens of rows that are scored at once: what is told of them is kept until all are done."""


class _Scored(NamedTuple):
    """A prompt with one of its answers, and where the answer begins."""

    tokens: list[int]
    start: int


class ServedStudent(Student):
    """The base model, or a fine-tuned student on it, as a vLLM process answers for it."""

    def __init__(self, worker: VLLMWorker, base: Base, adapter: Path | None = None) -> None:
        """Take the process that answers, the base model, and what a fine-tune left behind: an adapter, or a model."""
        self._worker, self._untuned = worker, base
        whole = adapter is not None and (adapter / "config.json").is_file()
        self._base = base._replace(model=adapter) if whole and adapter else base
        self._adapter = None if whole else adapter

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._base.model)

    @cached_property
    def _stops(self) -> list[int]:
        end = turn_end(self._tokenizer)
        return [end, *sorted(_own_stops(self._base.model) - {end})]

    @property
    def _context(self) -> int:
        return self._worker.context(self._base)

    def start(self) -> None:
        """Start what answers, where it is not at work; raises as `write`."""
        self._worker.ready(self._base)

    def with_adapter(self, adapter: Path) -> ServedStudent:
        """Return this student as fine-tuned, answered for by the same process; see `Student`."""
        return ServedStudent(self._worker, self._untuned, adapter.resolve())

    @property
    def likelihoods(self) -> bool:
        """VLLM tells log-probabilities of what stands in a prompt."""
        return True

    def write(
        self,
        prompts: Iterable[tuple[Message, ...]],
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sampling: Sampling | None = None,
    ) -> list[Written]:
        """Return the most likely turn of each prompt, or one that is drawn; see `Student`.

        Raises:
            BackendError: vLLM is not installed, or refuses what it is asked.
            ModelError: it cannot load the weights.
        """
        prompts = list(prompts)
        if schema is not None or sampling is not None:
            return self._complete(schema, prompts, max_tokens, progress, sampling)
        context = self._context
        encoded = [encode_prompt(self._tokenizer, prompt) for prompt in prompts]
        turns = [
            Written("", does_not_fit(len(tokens), max_tokens, context, setting=""))
            for tokens in encoded
        ]
        fitting = [row for row, turn in enumerate(turns) if not turn.failure]
        if progress is not None and len(fitting) < len(prompts):
            progress(len(prompts) - len(fitting))
        for start in range(0, len(fitting), BATCH):
            rows = fitting[start : start + BATCH]
            asked = [
                _row(encoded[row], room_in_steps(len(encoded[row]), max_tokens, context))
                for row in rows
            ]
            said = self._worker.generate(self._base, self._adapter, asked, self._stops)
            for row, answer in zip(rows, said, strict=True):
                turns[row] = Written(decode(self._tokenizer, self._turn(answer["tokens"])))
            if progress is not None:
                progress(len(rows))
        return turns

    def _turn(self, tokens: Sequence[int]) -> Sequence[int]:
        end = next((at for at, token in enumerate(tokens) if token in self._stops), None)
        return tokens[:end]

    def _complete(
        self,
        schema: Mapping[str, Any] | None,
        prompts: Sequence[tuple[Message, ...]],
        max_tokens: int,
        progress: Progress | None,
        sampling: Sampling | None,
    ) -> list[Written]:
        """Write JSON that fits a schema, or turns that are drawn."""
        requests = list(requests_of(prompts, schema, max_tokens, str(self._base.model), sampling))
        times = Counter(request.id for request in requests)
        to_tokens = partial(encode_prompt, self._tokenizer)
        encoded = batching.encode(requests, to_tokens, self._context, METHOD, setting="")
        rows = encoded.fitting
        batches = (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
        completions: dict[str, Completion] = {}
        for batch in batching.complete(encoded, batches, self._run, (), always):
            completions.update((done.request, done) for done in batch)
            if progress is not None:
                progress(sum(times[done.request] for done in batch))
        return [written(completions[request.id]) for request in requests]

    def _run(self, batch: Sequence[Prompted]) -> list[Completion]:
        asked = [
            _row(
                row.tokens,
                row.max_tokens,
                row.request.temperature,
                int(row.request.id[:7], 16),
                row.request.schema,
            )
            for row in batch
        ]
        said = self._worker.generate(self._base, self._adapter, asked, self._stops)
        return [self._completion(row, answer) for row, answer in zip(batch, said, strict=True)]

    def _completion(self, row: Prompted, answer: Mapping[str, Any]) -> Completion:
        text, cut = decode(self._tokenizer, self._turn(answer["tokens"])), answer["cut"]
        return completion(
            row.request,
            read(row.request, text, row.max_tokens if cut else 0, limited=row.limited),
            text=text,
            finish="length" if cut else "stop",
            usage=Usage(len(row.tokens), len(answer["tokens"])),
            method=METHOD,
        )

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        """Return how likely each prompt's own answers are; see `Student`.

        Raises:
            BackendError: a prompt with its answers does not fit into the context, or as `write`.
            ModelError: as `write`.
        """
        compared: list[list[Likelihood]] = []
        for likely in self._scored(prompts, answers):
            compared.append(likely)
            if progress is not None:
                progress(1)
        return compared

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        """Return the most likely label of each prompt; see `Student`. Raises as `compare`."""
        chosen = []
        for likely in self._scored(prompts, [labels] * len(prompts)):
            best = max(range(len(labels)), key=lambda number: likely[number].nats)
            most = likely[best].nats
            whole = math.fsum(math.exp(each.nats - most) for each in likely)
            chosen.append(LabelAnswer(labels[best], 1 / whole))
            if progress is not None:
                progress(1)
        return chosen

    def _scored(
        self, prompts: Sequence[tuple[Message, ...]], answers: Sequence[Sequence[str]]
    ) -> Iterator[list[Likelihood]]:
        """Yield for each prompt how likely its answers are; prompts are handed over in groups, in their order."""
        if not prompts:
            return
        tokenizer, end = self._tokenizer, turn_end(self._tokenizer)
        context = self._context
        said: dict[str, tuple[int, ...]] = {}
        group: list[list[_Scored]] = []
        tokens = 0
        for prompt, own in zip(prompts, answers, strict=True):
            asked = encode_prompt(tokenizer, prompt)
            for answer in own:
                if answer not in said:
                    said[answer] = (*encode_text(tokenizer, answer), end)
            rows = [_Scored([*asked, *said[answer]], len(asked)) for answer in own]
            longest = max((len(row.tokens) for row in rows), default=0)
            # vLLM says one token more, which nobody reads.
            if longest >= context:
                raise BackendError(
                    f"a prompt with its answer has {longest} tokens; vLLM takes {context - 1} here",
                    "shorten the task's prompt, leave out the row with the longest inputs, or raise "
                    "models.student.serve_memory",
                )
            if group and tokens + longest * len(rows) > TOKENS:
                yield from self._likelihoods(group)
                group, tokens = [], 0
            group.append(rows)
            tokens += longest * len(rows)
        yield from self._likelihoods(group)

    def _likelihoods(self, group: Sequence[Sequence[_Scored]]) -> Iterator[list[Likelihood]]:
        every = [row._asdict() for rows in group for row in rows]
        nats = iter(self._worker.score(self._base, self._adapter, every))
        for rows in group:
            yield [Likelihood(next(nats), len(row.tokens) - row.start) for row in rows]


class WritingStudent(Student):
    """A student that nobody was told how to serve: vLLM writes, transformers compares answers.

    To compare labels transformers reads a prompt once for all of them. Where vLLM cannot be had after all, for a kind
    of model it does not know or for want of memory, transformers writes, too.
    """

    def __init__(
        self, local: Student, served: ServedStudent, gone: threading.Event | None = None
    ) -> None:
        """Take the same student twice; `gone` is set, for all students on this base, once vLLM could not be had."""
        self._local, self._served = local, served
        self._gone = gone or threading.Event()

    @property
    def likelihoods(self) -> bool:
        """Weights on this machine tell how likely an answer is."""
        return True

    def with_adapter(self, adapter: Path) -> Student:
        """Return this student as fine-tuned; see `Student`."""
        tuned = self._local.with_adapter(adapter)
        return WritingStudent(tuned, self._served.with_adapter(adapter), self._gone)

    def write(
        self,
        prompts: Iterable[tuple[Message, ...]],
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sampling: Sampling | None = None,
    ) -> Iterable[Written]:
        """Return the turn of each prompt; see `Student`."""
        if not self._gone.is_set():
            try:
                self._served.start()
            except EngineError as error:
                _log.warning("the student's answers are written by transformers: %s", error.message)
                self._gone.set()
        writer = self._local if self._gone.is_set() else self._served
        return writer.write(prompts, max_tokens, schema, progress, sampling)

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        """Return for each prompt how likely its own answers are; see `Student`."""
        return self._local.compare(prompts, answers, progress)

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        """Return the most likely label of each prompt; see `Student`."""
        return self._local.choose(prompts, labels, progress)


def _own_stops(model: Path) -> set[int]:
    """Return the tokens after which a model's own configuration ends what is written."""
    for name in ("generation_config.json", "config.json"):
        file = model / name
        if file.is_file():
            with loading("model", model):
                own = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
            return set(own) if isinstance(own, list) else set() if own is None else {own}
    return set()


def _row(
    tokens: Sequence[int],
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    schema: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "tokens": list(tokens),
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
        "schema": schema,
    }
