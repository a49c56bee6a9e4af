"""The `scripted` backend: replies that are given in a file or computed by rule, without any model.

For trying a recipe in seconds, for people who answer by hand, and for tests: it can also fail on
purpose. Answers depend on the request alone, so they are the same in every run.
"""

from __future__ import annotations

import json
import math
import time
import zlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from itertools import islice
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from engine.backends.entry import Backend, ModelRef, Settings
from engine.backends.protocol import (
    Completion,
    LabelAnswer,
    Likelihood,
    Message,
    Progress,
    Request,
    Reserve,
    Sampling,
    TrainingJob,
    TrainingResult,
    Usage,
    Written,
    always,
)
from engine.backends.replies import completion, failed, read
from engine.backends.scripting.replies import ScriptedReply, read_replies
from engine.backends.scripting.values import invented
from engine.backends.scripting.words import features, last_user_message, overlap, words_of
from engine.bounds import Count
from engine.errors import BackendError
from engine.fingerprint import digest, file_digest
from engine.gate import passed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

GROUP = 16
"""Completions yielded together."""
DIMENSIONS = 256
"""Length of an embedding."""
FaultKind = Literal["invalid_json", "schema", "length", "refusal", "error"]


class ScriptedSettings(Settings):
    """Settings of replies without a model."""

    replies: str | None = None
    """JSONL or JSON file of replies, relative to the recipe; replies are invented without one.

    The first entry whose `match` (text) or `regex` occurs in the last user message answers, with its
    `reply` (JSON) or `text` (raw); where none does, a reply that fits the schema is invented. To a student's
    prompt it is what the student says; where none matches, the student goes by words.
    """
    fail_every: Count | None = Field(default=None, ge=1)
    """One request in this many fails, drawn by its id: a repeated attempt has another id."""
    fail_with: FaultKind = "invalid_json"
    """In which way a request of `fail_every` fails."""
    delay_ms: float = Field(default=0.0, ge=0, le=60_000)
    """Milliseconds that each request takes."""


class ScriptedGenerator:
    """Teacher or judge by script."""

    def __init__(self, ref: ModelRef, settings: ScriptedSettings) -> None:
        """Take the settings; the file of replies is read at the first request."""
        self._ref = ref
        self._settings = settings

    @cached_property
    def _replies(self) -> list[ScriptedReply]:
        return _replies(self._ref, self._settings)

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield completions in groups; see `Generator`. Raises BackendError for a bad file."""
        missing = (request for request in requests if request.id not in answered)
        while group := list(islice(missing, GROUP)):
            if not reserve(group):
                return
            yield [self._complete(request) for request in group]

    def _complete(self, request: Request) -> Completion:
        began = time.perf_counter()
        time.sleep(self._settings.delay_ms / 1000)
        message = last_user_message(request.messages)
        entry = _answering(self._replies, message)
        if self._fails(request):
            text = _fault(self._settings.fail_with)
            reply = failed(self._settings.fail_with, "failed on purpose (fail_every)")
        else:
            text = entry.raw if entry else invented(request)
            reply = read(request, text)
        prompt = sum(len(words_of(message.content)) for message in request.messages)
        return completion(
            request,
            reply,
            text=text,
            finish="" if reply.error == "error" else "stop",
            usage=Usage(prompt, len(words_of(text))),
            seconds=time.perf_counter() - began,
            method="scripted",
        )

    def _fails(self, request: Request) -> bool:
        every = self._settings.fail_every
        return every is not None and int(request.id, 16) % every == 0


class ScriptedStudent:
    """A student that says what the file of replies says, or else the label whose words the input shares."""

    def __init__(self, ref: ModelRef, settings: ScriptedSettings) -> None:
        """Take the settings; the file of replies is read at the first prompt."""
        self._ref = ref
        self._settings = settings

    @cached_property
    def _replies(self) -> list[ScriptedReply]:
        return _replies(self._ref, self._settings)

    def _said(self, prompt: Sequence[Message]) -> str | None:
        """Return what the file of replies says to a prompt; None where it says nothing."""
        entry = _answering(self._replies, last_user_message(prompt))
        return None if entry is None else entry.raw

    @property
    def likelihoods(self) -> bool:
        """It compares answers, if only by their words."""
        return True

    def with_adapter(self, adapter: Path) -> ScriptedStudent:
        """Return the same student: an adapter changes nothing."""
        return self

    def write(
        self,
        prompts: Iterable[tuple[Message, ...]],
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sampling: Sampling | None = None,
    ) -> list[Written]:
        """Return the last user message of each prompt, cut to `max_tokens` words, or JSON made of its words."""
        prompts = list(prompts)
        if progress is not None:
            progress(len(prompts))

        def by_words(prompt: tuple[Message, ...]) -> str:
            if schema is not None:
                return invented(Request(prompt, schema, max_tokens, 0.0, "scripted"))
            return " ".join(last_user_message(prompt).split()[:max_tokens])

        said = (self._said(prompt) for prompt in prompts)
        return [
            Written(by_words(prompt) if text is None else text)
            for prompt, text in zip(prompts, said, strict=True)
        ]

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        """Return for each prompt how many words its own answers share with it, as if that were a likelihood."""
        compared = []
        for prompt, own in zip(prompts, answers, strict=True):
            text = features(last_user_message(prompt))
            said = self._said(prompt)
            compared.append(
                [
                    Likelihood(0.0, len(answer.split()) + 1)
                    if answer == said
                    else _likelihood(text, answer)
                    for answer in own
                ]
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
        """Return for each prompt the nearest label; what all prompts have in common is left out."""
        texts = [features(last_user_message(prompt)) for prompt in prompts]
        common = reduce(and_, texts) if len(texts) > 1 else Counter()
        names = {label: features(label) for label in labels}
        answers = []
        for prompt, text in zip(prompts, texts, strict=True):
            scores = [overlap(text - common, names[label]) for label in labels]
            if (said := self._said(prompt)) in names:
                scores = [float(label == said) for label in labels]
            weights = [math.exp(4 * score) for score in scores]
            best = max(range(len(labels)), key=lambda index: scores[index])
            answers.append(LabelAnswer(labels[best], weights[best] / sum(weights)))
            if progress is not None:
                progress(1)
        return answers


class ScriptedEmbedder:
    """Embeddings that count words and parts of words: texts that share many lie close together."""

    def __init__(self, ref: ModelRef, settings: ScriptedSettings) -> None:
        """Take what every backend takes; none of it matters here."""

    def embed(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), DIMENSIONS)."""
        import numpy as np

        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            # The first number is the same for all texts, so that an empty text has a direction too.
            vectors[row, 0] = 1.0
            for feature, count in features(text).items():
                place = 1 + zlib.crc32(feature.encode()) % (DIMENSIONS - 1)
                vectors[row, place] += math.sqrt(count)
        if progress is not None:
            progress(len(texts))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def _likelihood(text: Counter[str], answer: str) -> Likelihood:
    shared = overlap(text, features(answer))
    return Likelihood(-4 / (1 + shared), len(answer.split()) + 1)


def train(job: TrainingJob, progress: Progress) -> TrainingResult:
    """Stand in for a fine-tune: a scripted student ignores its adapter, so nothing is learned."""
    job.output.mkdir(parents=True, exist_ok=True)
    taught = job.rows if job.preference is None else job.pairs
    rows = digest([[list(map(list, messages)), *said] for messages, *said in taught])
    (job.output / "scripted.json").write_text(json.dumps({"rows": rows, "seed": job.seed}), "utf-8")
    progress(job.steps)
    return TrainingResult(
        adapter=job.output,
        weights=digest([rows, job.seed]),
        steps=job.steps,
        epochs=job.steps * job.batch_size / max(1, len(taught)),
        train_loss=None,
        validation_loss=None,
        chosen_step=job.steps,
        seconds=0.0,
    )


def _replies_file(ref: ModelRef, settings: ScriptedSettings) -> Path | None:
    if settings.replies is None:
        return None
    return passed((ref.path or Path()) / settings.replies, ref.path, BackendError)


def _replies(ref: ModelRef, settings: ScriptedSettings) -> list[ScriptedReply]:
    path = _replies_file(ref, settings)
    return read_replies(path) if path is not None else []


def _answering(replies: Iterable[ScriptedReply], message: str) -> ScriptedReply | None:
    return next((reply for reply in replies if reply.answers(message)), None)


def _files(ref: ModelRef, settings: ScriptedSettings) -> Mapping[str, str]:
    path = _replies_file(ref, settings)
    if path is None:
        return {}
    try:
        return {str(path): file_digest(path)}
    except OSError as problem:
        raise BackendError(
            f"cannot read the replies in {path}: {problem}",
            "`replies` is a JSONL or JSON file, relative to the recipe's folder",
        ) from problem


def _fault(kind: FaultKind) -> str:
    return {
        "invalid_json": '{"broken": ',
        "schema": '["not what was asked for"]',
        "length": '{"cut": "in the mid',
        "refusal": "I cannot help with that.",
        "error": "",
    }[kind]


BACKEND = Backend(
    name="scripted",
    roles=("student", "teacher", "judge", "embedder"),
    settings=ScriptedSettings,
    local=False,
    # Its replies are one thing a call, and short.
    pack="small",
    # What the file of replies says is part of the model's identity.
    operational=frozenset({"delay_ms", "replies"}),
    generator=ScriptedGenerator,
    student=ScriptedStudent,
    embedder=ScriptedEmbedder,
    train=train,
    prefers=True,
    files=_files,
)
