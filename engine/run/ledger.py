"""The run's view of the call ledger: replies by request id, from this run and from all earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from engine.backends.protocol import Completion, Request
from engine.rows import Call
from engine.store import Store, now


@dataclass(slots=True)
class Spent:
    """What this run asked for itself; replies served from the ledger are not counted."""

    calls: int = 0
    tokens: int = 0
    failed: int = 0


class Ledger:
    """Finds and records replies. Usable replies are served for ever; failed ones only until the run ends."""

    def __init__(self, store: Store, run: str) -> None:
        """Read from `store`, and write calls as made by `run`."""
        self._store, self._run = store, run
        self._replies: dict[str, Completion] = {}
        self.spent = Spent()

    def known(self, requests: Sequence[Request]) -> dict[str, Completion]:
        """Return the completions of those requests that have one."""
        missing = [r.id for r in requests if r.id not in self._replies]
        if missing:
            for identity, call in self._store.replies(missing).items():
                self._replies[identity] = _completion(call)
        return {r.id: self._replies[r.id] for r in requests if r.id in self._replies}

    def record(
        self, node: str, role: str, requests: dict[str, Request], completions: Iterable[Completion]
    ) -> int:
        """Make new completions durable and return their tokens; an id that has a reply keeps it."""
        calls, tokens = [], 0
        for completion in completions:
            if completion.request in self._replies:
                continue
            self._replies[completion.request] = completion
            calls.append(self._call(node, role, requests[completion.request], completion))
            tokens += completion.prompt_tokens + completion.completion_tokens
            self.spent.failed += completion.value is None
        self._store.record_calls(calls)
        self.spent.calls += len(calls)
        self.spent.tokens += tokens
        return tokens

    def _call(self, node: str, role: str, request: Request, completion: Completion) -> Call:
        return Call(
            id=request.id,
            run=self._run,
            node=node,
            role=role,
            model=request.model,
            messages=[{"role": m.role, "content": m.content} for m in request.messages],
            schema=dict(request.schema),
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            attempt=request.attempt,
            reply=completion.text,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seconds=completion.seconds,
            method=completion.method,
            error=completion.error,
            detail=completion.detail,
            created=now(),
        )


def _completion(call: Call) -> Completion:
    value: Any = orjson.loads(call.reply) if call.error is None else None
    return Completion(
        request=call.id,
        text=call.reply,
        value=value,
        finish_reason=cast(Any, call.finish_reason),
        prompt_tokens=call.prompt_tokens,
        completion_tokens=call.completion_tokens,
        seconds=call.seconds,
        method=call.method,
        error=call.error,
        detail=call.detail,
    )
