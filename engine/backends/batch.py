"""The backend `batch`: requests go into a file in the OpenAI Batch format, replies come when somebody has them.

For batch endpoints of hosted services (half the price), `vllm run-batch`, or a person. The run writes the file and
ends; `pada batch import` takes the results. Knows the file it writes, not what comes back (`batch_results`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import Field

from engine.backends.entry import Backend, ModelRef, Settings
from engine.backends.files.requests import (
    BatchRequest,
    Header,
    asked_line,
    custom_id,
    header_line,
    sidecar,
)
from engine.backends.http.body import BodyWriter
from engine.backends.http.complaint import complaint_of
from engine.backends.http.exchange import Exchange
from engine.backends.http.lengths.limits import ReplyLength, ReplyLimits
from engine.backends.http.lengths.refusals import refused_length
from engine.backends.http.quirks import Quirks
from engine.backends.http.settings import Price
from engine.backends.openai import NEWER_LIMIT, NO_SEED, PROTOCOL, ModeName
from engine.backends.protocol import Askings, Completion, Message, PendingRequest
from engine.backends.replies import CUT, correction
from engine.bounds import Count
from engine.errors import BackendError
from engine.system.files import replacing


class BatchSettings(Settings):
    """Settings of a model that answers request files."""

    url: str = Field(default="/v1/chat/completions", pattern=r"^/")
    """Path of the endpoint, as the service that takes the file wants it."""
    structured: ModeName = "json_schema"
    """How the schema of a reply is sent; nobody can be asked what works, so there is no `auto`.

    `json_schema` for OpenAI and most others, `structured_outputs` for `vllm run-batch`.
    """
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Name of the token limit: hosted models that reason want `max_completion_tokens`."""
    max_reply: Count | None = Field(default=None, ge=256)
    """Most tokens that a reply is asked for; when left out, the next file asks for what the service says it gives."""
    seed: bool = True
    """Whether sampled requests carry a seed, which some services refuse."""
    attempts: int = Field(default=3, ge=1, le=20)
    """How often a request is written before its failure is final: each time is a round trip."""
    revision: str | None = None
    """What the model's name does not say (a date, a quantisation): part of what decides a reply."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further parameters of every request: `top_p`, `reasoning_effort`, …; one that is null is not sent at all."""
    price: Price | None = None
    """What the batch costs, which is often half of the usual price."""


class BatchFile:
    """Teacher or judge whose replies come after the run."""

    def __init__(self, ref: ModelRef, settings: BatchSettings) -> None:
        """Take the model's name and the settings."""
        self._model, self._settings = ref.name, settings
        mode = PROTOCOL.mode(settings.structured)
        quirks = {NEWER_LIMIT} & {settings.token_limit} | (
            {NO_SEED} if not settings.seed else set()
        )
        known = Quirks(PROTOCOL.quirks, quirks)
        self._writer = BodyWriter(PROTOCOL, mode, ref.name, settings.extra, known)

    @property
    def attempts(self) -> int:
        """How often a request is written before its failure is final."""
        return self._settings.attempts

    def write_batch(self, outstanding: Askings, run: str, file: Path) -> None:
        """Write the requests to `file` and what was asked beside it; see `Deferred`."""
        header = Header(
            run=run,
            model=self._model,
            method=self._settings.structured,
            attempts=self.attempts,
            requests=len(outstanding),
            price=self._settings.price,
        )
        limits = ReplyLimits(self._settings.max_reply)
        # Of all, before any is written: what the service refused says how long the others may be.
        lengths = [self._length(pending, limits) for pending in outstanding]
        try:
            with (
                replacing(file) as part,
                replacing(sidecar(file)) as beside,
                part.open("wb") as requests,
                beside.open("wb") as records,
            ):
                records.write(header_line(header))
                for pending, length in zip(outstanding, lengths, strict=True):
                    asked = self._asked(pending, header, limits, length)
                    requests.write(self._line(asked))
                    records.write(asked_line(asked))
        except OSError as error:
            raise BackendError(
                f"cannot write {file}: {error.strerror or error}",
                "free some space or make the folder writable, then run again: nothing was asked",
            ) from error

    def _turns(self, pending: PendingRequest) -> tuple[Message, ...]:
        return (*self._writer.turns(pending.request), *_correction(pending.failed))

    def _length(self, pending: PendingRequest, limits: ReplyLimits) -> ReplyLength:
        """Return how long a reply to ask for; what the service refused before is learned."""
        turns = self._turns(pending)
        cut = sum(reply.error in CUT for reply in pending.failed)
        # Twice as much after each reply that was cut.
        length = ReplyLength(pending.request.max_tokens * 2**cut)
        for reply in pending.failed:
            limits.ask(length, turns)
            if (refused := refused_length(_refusal(reply))) is not None:
                limits.learn(refused, length, turns)
        return length

    def _asked(
        self, pending: PendingRequest, header: Header, limits: ReplyLimits, length: ReplyLength
    ) -> BatchRequest:
        turns = self._turns(pending)
        return BatchRequest(
            custom_id=custom_id(pending),
            node=pending.node,
            role=pending.role,
            request=pending.request,
            number=pending.number,
            sent=turns,
            max_tokens=limits.ask(length, turns),
            limited=length.limited,
            header=header,
        )

    def _line(self, asked: BatchRequest) -> bytes:
        body = self._writer.body(asked.request, asked.sent, asked.max_tokens)
        return orjson.dumps(
            {
                "custom_id": asked.custom_id,
                "method": "POST",
                "url": self._settings.url,
                "body": orjson.Fragment(body),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def _refusal(reply: Completion) -> Exchange:
    """Return what a failed reply says, as the refusal that it may have been."""
    said = reply.detail if reply.error in {"bad_request", "too_long"} else ""
    return Exchange("bad_request", status=400, detail=said, complaint=complaint_of(said.encode()))


def _correction(replies: Sequence[Completion]) -> tuple[Message, ...]:
    """Return the turns after a reply that was no JSON or broke its schema."""
    if not replies or replies[-1].error not in {"invalid_json", "schema"} or not replies[-1].text:
        return ()
    return correction(replies[-1].text, replies[-1].detail)


BACKEND = Backend(
    name="batch",
    roles=("teacher", "judge"),
    settings=BatchSettings,
    local=False,
    deferred=True,
    operational=frozenset(BatchSettings.model_fields) - {"revision", "extra"},
    price=lambda settings: settings.price,
    generator=BatchFile,
)
