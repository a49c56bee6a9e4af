"""The `transformers` backend: models on this machine, as student, teacher or judge, on shared weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from engine.backends.entry import Backend, ModelRef, Served, Serving, Settings
from engine.backends.local import generation, greedy, label_tree, weights
from engine.backends.local.batching import room_in_steps
from engine.backends.local.chat import decode, encode_prompt, encode_text, turn_end
from engine.backends.local.weights import Loaded
from engine.backends.protocol import (
    Completion,
    LabelAnswer,
    Likelihood,
    Message,
    Progress,
    Request,
    Reserve,
    Sampling,
    Written,
    always,
    requests_of,
    written,
)
from engine.backends.replies import does_not_fit
from engine.backends.serving import vllm_worker
from engine.backends.serving.student import ServedStudent, WritingStudent
from engine.backends.training.finetune import train
from engine.errors import BackendError


class TransformersSettings(Settings):
    """Settings of a model that runs here with transformers."""

    batch_size: int = Field(default=32, ge=1, le=4096)
    """Rows computed together. In bfloat16 the last digits depend on it, so it is part of the result."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of the weights; auto is bfloat16."""
    device: str = "auto"
    """`auto` (the first CUDA device, else the CPU), or a torch device such as `cpu` or `cuda:1`."""


class BaseWeights:
    """A base model, loaded at its first use, and the constraint around it."""

    def __init__(self, ref: ModelRef, settings: TransformersSettings) -> None:
        """Take what to load; nothing is loaded before it is used."""
        self.name, self.batch_size = ref.name, settings.batch_size
        self._ref, self._settings = ref, settings

    @cached_property
    def loaded(self) -> Loaded:
        """The model in memory; raises BackendError or ModelError where there is none to load."""
        if self._ref.path is None:
            raise BackendError(
                f"the weights of {self.name} are not on this machine", "run `pada models fetch`"
            )
        return weights.load(self._ref.path, self._settings.dtype, self._settings.device)

    @cached_property
    def _constraint(self) -> generation.Constraint:
        return generation.Constraint(self.loaded)

    def constrain(self, schema: Mapping[str, Any]) -> Any:
        """Return fresh logits processors for one batch under a schema."""
        return self._constraint.processors(schema)


class LocalGenerator:
    """A teacher or judge."""

    def __init__(self, ref: ModelRef, settings: TransformersSettings) -> None:
        """Take what to load; nothing is loaded before it is used."""
        self._base = BaseWeights(ref, settings)

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield the completions of one batch after the other; see `Generator`."""
        listed = list(requests)
        if all(request.id in answered for request in listed):
            return
        base = self._base
        yield from generation.complete(
            base.loaded, base.constrain, listed, answered, reserve, base.batch_size
        )


class LocalStudent:
    """A student: the base model, or that model as a fine-tune left it."""

    def __init__(self, base: BaseWeights, adapter: Path | None = None) -> None:
        """Take the base model, and what a fine-tune left behind."""
        self._base, self._adapter = base, adapter
        self._tuned: LocalStudent | None = None

    @cached_property
    def _loaded(self) -> Loaded:
        base = self._base.loaded
        if self._adapter is None:
            return base
        return replace(base, model=weights.with_adapter(base, self._adapter))

    def with_adapter(self, adapter: Path) -> LocalStudent:
        """Return this student as fine-tuned, around the same base weights; see `Student`."""
        if self._tuned is None or self._tuned._adapter != adapter:
            # The one before goes with it: two whole models may not fit into memory.
            self._tuned = LocalStudent(self._base, adapter)
        return self._tuned

    @property
    def likelihoods(self) -> bool:
        """Weights on this machine tell how likely an answer is."""
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
            ModelError: the weights or the adapter cannot be loaded.
        """
        prompts = list(prompts)
        if schema is not None or sampling is not None:
            return self._complete(schema, prompts, max_tokens, progress, sampling)
        loaded = self._loaded
        encoded = [encode_prompt(loaded.tokenizer, prompt) for prompt in prompts]
        turns = [
            Written("", does_not_fit(len(tokens), max_tokens, loaded.context, setting=""))
            for tokens in encoded
        ]
        fitting = [row for row, turn in enumerate(turns) if not turn.failure]
        if progress is not None and len(fitting) < len(prompts):
            progress(len(prompts) - len(fitting))
        by_room: dict[int, list[int]] = {}
        for row in fitting:
            room = room_in_steps(len(encoded[row]), max_tokens, loaded.context)
            by_room.setdefault(room, []).append(row)
        with loaded.lock:
            for room, rows in by_room.items():
                for batch in greedy.write(
                    loaded.model,
                    [encoded[row] for row in rows],
                    generation.stop_tokens(loaded),
                    room,
                    self._base.batch_size,
                ):
                    for place, tokens in batch:
                        turns[rows[place]] = Written(decode(loaded.tokenizer, tokens))
                    if progress is not None:
                        progress(len(batch))
        return turns

    def _complete(
        self,
        schema: Mapping[str, Any] | None,
        prompts: Sequence[tuple[Message, ...]],
        max_tokens: int,
        progress: Progress | None,
        sampling: Sampling | None,
    ) -> list[Written]:
        """Write JSON that fits a schema, or turns that are drawn."""
        base = self._base
        requests = list(requests_of(prompts, schema, max_tokens, base.name, sampling))
        times = Counter(request.id for request in requests)
        completions: dict[str, Completion] = {}
        for batch in generation.complete(
            self._loaded, base.constrain, requests, (), always, base.batch_size
        ):
            completions.update((done.request, done) for done in batch)
            if progress is not None:
                progress(sum(times[done.request] for done in batch))
        return [written(completions[request.id]) for request in requests]

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        """Return how likely each prompt's own answers are; see `Student`.

        Raises:
            BackendError: a prompt with its answers does not fit into the model's context.
            ModelError: the weights or the adapter cannot be loaded.
        """
        tokenizer = self._loaded.tokenizer
        compared = []
        for prompt, own in zip(prompts, answers, strict=True):
            ((_, nats),) = self.label_scores([prompt], own)
            # One more than its own: the token that ends the turn.
            lengths = [len(encode_text(tokenizer, completion)) + 1 for completion in own]
            compared.append(
                [Likelihood(float(n), k) for n, k in zip(nats[0], lengths, strict=True)]
            )
            if progress is not None:
                progress(1)
        return compared

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        """Return the most likely label of each prompt; see `Student`.

        Raises:
            BackendError: a prompt with its label does not fit into the model's context.
            ModelError: the weights or the adapter cannot be loaded.
        """
        import torch

        if not prompts:
            return []
        likelihoods = torch.empty((len(prompts), len(labels)))
        for rows, scores in self.label_scores(prompts, labels):
            likelihoods[rows] = scores
            if progress is not None:
                progress(len(rows))
        probabilities = likelihoods.double().softmax(-1)
        best = likelihoods.argmax(-1).tolist()
        return [
            LabelAnswer(labels[label], float(probabilities[row, label]))
            for row, label in enumerate(best)
        ]

    def label_scores(
        self, prompts: Sequence[tuple[Message, ...]], labels: Sequence[str]
    ) -> Iterator[tuple[list[int], Any]]:
        """Yield batches of prompt indices and log-likelihoods in nats, shape (rows, labels)."""
        loaded = self._loaded
        tokenizer = loaded.tokenizer
        tree = label_tree.build(
            [encode_text(tokenizer, label) for label in labels],
            turn_end(tokenizer),
        )
        encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
        longest = max(len(tokens) for tokens in encoded) + max(tree.depths, default=0)
        if loaded.context is not None and longest > loaded.context:
            raise BackendError(
                f"a prompt with its answer has {longest} tokens; {self._base.name} takes "
                f"{loaded.context}",
                "shorten the task's prompt, or leave out the row with the longest inputs",
            )
        with loaded.lock:
            yield from label_tree.score(loaded.model, encoded, tree, self._base.batch_size)


def open_student(ref: ModelRef, settings: TransformersSettings) -> LocalStudent:
    """Return the untuned student; nothing is loaded before it is asked."""
    return LocalStudent(BaseWeights(ref, settings))


def open_served(ref: ModelRef, settings: TransformersSettings, serving: Serving) -> Served:
    """Return the untuned student, answered for by vLLM where `serving` says so or this machine has a card for it."""
    local = open_student(ref, settings)
    if ref.path is None or not vllm_worker.answers(serving, settings.device):
        return Served(local, lambda: None, lambda: None)
    worker = vllm_worker.VLLMWorker(serving)
    base = vllm_worker.Base(ref.path.resolve(), weights.pick_dtype(settings.dtype), settings.device)
    served = ServedStudent(worker, base)
    if serving.serve == "vllm":
        return Served(served, lambda: worker.ready(base), worker.stop)
    return Served(WritingStudent(local, served), lambda: None, worker.stop)


BACKEND = Backend(
    name="transformers",
    roles=("student", "teacher", "judge"),
    settings=TransformersSettings,
    local=True,
    generator=LocalGenerator,
    student=open_student,
    served=open_served,
    train=train,
    prefers=True,
)
