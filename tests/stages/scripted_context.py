"""A stage's context without a run: replies by a function, embeddings by words or as a test gives them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from engine.backends.protocol import (
    Completion,
    Message,
    Progress,
    Request,
    Student,
    TrainingJob,
    TrainingResult,
)
from engine.backends.replies import completion, failed
from engine.backends.structured import Reply as Usable
from engine.rows import Example
from engine.spec.prompts import Prompt, PromptLibrary
from engine.stages.quality.leak_guard import Embed, LeakGuard, LeakGuards
from engine.stages.schemas import token_limit
from engine.tasks import TaskKind
from engine.wording import words

T = TypeVar("T")
Reply = Callable[[str, Request], Any]
"""(role, request) -> the value of the reply; None for an unusable one."""


def embed_words(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Hashed word counts, unit length: near texts share words."""
    vectors = np.zeros((len(texts), 4093), dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in words(text) or ("",):
            row[crc32(word.encode()) % 4093] += 1
    unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def no_reply(role: str, request: Request) -> Any:
    raise AssertionError(f"the {role} was asked: {request.messages[-1].content}")


class ScriptedContext:
    """What a stage needs of a run; keeps the requests that it was asked."""

    def __init__(
        self,
        reply: Reply = no_reply,
        *,
        embed: Embed = embed_words,
        seed: int = 0,
        round_: int = 0,
        attempt: int = 0,
        pack: str = "small",
    ) -> None:
        self.node, self.seed, self.round, self.attempt = "node", seed, round_, attempt
        self.state = Path("nowhere")
        self.asked: list[Request] = []
        self._reply, self._embed, self._guards = reply, embed, LeakGuards(embed)
        self._prompts, self._pack = PromptLibrary(Path(".")), pack

    @property
    def prompts(self) -> list[str]:
        """The last turn of every request, in order."""
        return [request.messages[-1].content for request in self.asked]

    def prompt(self, name: str) -> Prompt:
        return self._prompts.get(name, self._pack)

    def model(self, role: str) -> str:
        return f"the {role}"

    def model_path(self, role: str) -> Path:
        raise AssertionError(role)

    def request(
        self,
        role: str,
        prompt: Prompt,
        variables: Mapping[str, Any],
        schema: Mapping[str, Any],
        temperature: float = 0.0,
    ) -> Request:
        messages = tuple(Message(name, text) for name, text in prompt.render(variables))
        return Request(messages, schema, token_limit(schema), temperature, self.model(role))

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        asked = list(requests)
        self.asked.extend(asked)
        return iter([self._completion(role, request) for request in asked])

    def remembered(self, what: str, make: Callable[[], T]) -> T:
        return make()

    def _completion(self, role: str, request: Request) -> Completion:
        value = self._reply(role, request)
        reply = failed("schema", "") if value is None else Usable(value)
        return completion(request, reply, finish="stop", method="scripted")

    def embed(self, texts: Sequence[str], *, keep: bool = True) -> npt.NDArray[np.float32]:
        return self._embed(texts)

    def leak_guard(
        self, kind: TaskKind, examples: Sequence[Example], ngram: int, quantile: float
    ) -> LeakGuard:
        return self._guards.get(kind, examples, ngram, quantile)

    def student(self) -> Student:
        raise AssertionError("no student")

    def train(self, job: TrainingJob) -> TrainingResult:
        raise AssertionError("no training")

    def progress(self, what: str, total: int) -> Progress:
        return lambda done: None

    def warn(self, text: str) -> None:
        raise AssertionError(text)
