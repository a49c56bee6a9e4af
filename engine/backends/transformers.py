"""The `transformers` backend: models on this machine, as student, teacher or judge, on shared weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from engine.backends.entry import Backend, ModelRef, Settings
from engine.backends.local import label_tree
from engine.backends.local.weights import Loaded, load, with_adapter
from engine.backends.protocol import (
    Completion,
    LabelAnswer,
    Likelihood,
    Message,
    Progress,
    Request,
    Reserve,
    TrainingJob,
    TrainingResult,
    Written,
    always,
    written,
)
from engine.backends.replies import does_not_fit
from engine.backends.training.batches import encode_prompt, turn_end
from engine.errors import BackendError

if TYPE_CHECKING:
    from engine.backends.local.generation import Constraint


class TransformersSettings(Settings):
    """Settings of a model that runs here with transformers."""

    batch_size: int = Field(default=32, ge=1, le=4096)
    """Rows computed together. In bfloat16 the last digits depend on it, so it is part of the result."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of the weights; auto is bfloat16."""
    device: str = "auto"
    """`auto` (the first CUDA device, else the CPU), or a torch device such as `cpu` or `cuda:1`."""


class LocalModel:
    """One model in both its uses: `choose` as a student, `complete_many` as teacher or judge."""

    def __init__(self, ref: ModelRef, settings: TransformersSettings) -> None:
        """Take what to load; nothing is loaded before it is used."""
        self._ref = ref
        self._settings = settings
        self._tuned: tuple[Path, Any] | None = None

    @cached_property
    def _loaded(self) -> Loaded:
        if self._ref.path is None:
            raise BackendError(
                f"the weights of {self._ref.name} are not on this machine",
                "run `pada models fetch`",
            )
        return load(self._ref.path, self._settings.dtype, self._settings.device)

    @cached_property
    def _constraint(self) -> Constraint:
        from engine.backends.local.generation import Constraint

        return Constraint(self._loaded)

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield the completions of one batch after the other; see `Generator`."""
        from engine.backends.local.generation import complete

        asked = list(requests)
        if all(request.id in answered for request in asked):
            return
        yield from complete(
            self._loaded, self._constrain, asked, answered, reserve, self._settings.batch_size
        )

    def _constrain(self, schema: Mapping[str, Any]) -> Any:
        return self._constraint.processors(schema)

    @property
    def likelihoods(self) -> bool:
        """Weights on this machine tell how likely an answer is."""
        return True

    def write(
        self,
        prompts: Sequence[tuple[Message, ...]],
        max_tokens: int,
        adapter: Path | None,
        progress: Progress | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> list[Written]:
        """Return the most likely turn of each prompt; see `Student`.

        Raises:
            ModelError: the weights or the adapter cannot be loaded.
        """
        from engine.backends.local import generation, greedy

        if schema is not None:
            return self._written_to(schema, prompts, max_tokens, adapter, progress)
        loaded = self._loaded
        encoded = [encode_prompt(loaded.tokenizer, prompt) for prompt in prompts]
        found = [
            Written("", does_not_fit(len(tokens), max_tokens, loaded.context, setting=""))
            for tokens in encoded
        ]
        asked = [row for row, said in enumerate(found) if not said.failure]
        if progress is not None and len(asked) < len(prompts):
            progress(len(prompts) - len(asked))
        with loaded.lock:
            for turns in greedy.write(
                self._with(adapter),
                [encoded[row] for row in asked],
                generation.stop_tokens(loaded),
                max_tokens,
                self._settings.batch_size,
            ):
                for turn in turns:
                    text = loaded.tokenizer.decode(
                        turn.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
                    )
                    found[asked[turn.row]] = Written(text)
                if progress is not None:
                    progress(len(turns))
        return found

    def _written_to(
        self,
        schema: Mapping[str, Any],
        prompts: Sequence[tuple[Message, ...]],
        max_tokens: int,
        adapter: Path | None,
        progress: Progress | None,
    ) -> list[Written]:
        """Write JSON that fits a schema."""
        from engine.backends.local.generation import complete

        asked = [Request(prompt, schema, max_tokens, 0.0, self._ref.name) for prompt in prompts]
        tuned = replace(self._loaded, model=self._with(adapter))
        times = Counter(request.id for request in asked)
        found: dict[str, Completion] = {}
        for group in complete(tuned, self._constrain, asked, (), always, self._settings.batch_size):
            found.update((done.request, done) for done in group)
            if progress is not None:
                progress(sum(times[done.request] for done in group))
        return [written(found[request.id]) for request in asked]

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        """Return how likely each prompt's own answers are; see `Student`.

        Raises:
            BackendError: a prompt with its answers does not fit into the model's context.
            ModelError: the weights or the adapter cannot be loaded.
        """
        tokenizer = self._loaded.tokenizer
        found = []
        for prompt, own in zip(prompts, answers, strict=True):
            ((_, nats),) = self.label_scores([prompt], own, adapter)
            # One more than its own: the token that ends the turn.
            lengths = [len(tokenizer.encode(each, add_special_tokens=False)) + 1 for each in own]
            found.append([Likelihood(float(n), k) for n, k in zip(nats[0], lengths, strict=True)])
            if progress is not None:
                progress(1)
        return found

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        adapter: Path | None,
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
        for rows, found in self.label_scores(prompts, labels, adapter):
            likelihoods[rows] = found
            if progress is not None:
                progress(len(rows))
        shares = likelihoods.double().softmax(-1)
        best = likelihoods.argmax(-1).tolist()
        return [
            LabelAnswer(labels[label], float(shares[row, label])) for row, label in enumerate(best)
        ]

    def label_scores(
        self, prompts: Sequence[tuple[Message, ...]], labels: Sequence[str], adapter: Path | None
    ) -> Iterator[tuple[list[int], Any]]:
        """Yield batches of prompt indices and log-likelihoods in nats, shape (rows, labels)."""
        loaded = self._loaded
        tokenizer = loaded.tokenizer
        tree = label_tree.build(
            [tokenizer.encode(label, add_special_tokens=False) for label in labels],
            turn_end(tokenizer),
        )
        encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
        longest = max(len(tokens) for tokens in encoded) + max(tree.depths, default=0)
        if loaded.context is not None and longest > loaded.context:
            raise BackendError(
                f"a prompt with its answer has {longest} tokens; {self._ref.name} takes "
                f"{loaded.context}",
                "shorten the task's prompt, or leave out the row with the longest inputs",
            )
        with loaded.lock:
            model = self._with(adapter)
            yield from label_tree.score(model, encoded, tree, self._settings.batch_size)

    def _with(self, adapter: Path | None) -> Any:
        """Return the model with an adapter; the last one used is kept."""
        if adapter is None:
            return self._loaded.model
        if self._tuned is None or self._tuned[0] != adapter:
            self._tuned = None
            self._tuned = (adapter, with_adapter(self._loaded, adapter))
        return self._tuned[1]


def _train(job: TrainingJob, progress: Progress) -> TrainingResult:
    from engine.backends.training.finetune import train

    return train(job, progress)


BACKEND = Backend(
    name="transformers",
    roles=("student", "teacher", "judge"),
    settings=TransformersSettings,
    local=True,
    generator=LocalModel,
    student=LocalModel,
    train=_train,
)
