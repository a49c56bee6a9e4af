"""Batches of a local model: which requests it can take, which of them are answered already, which may be sent.

Batches are formed from a node's full list of requests, so that a resumed run computes what an undisturbed one would
have computed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.backends.protocol import Completion, Message, Request, Reserve, Usage
from engine.backends.replies import LEAST, completion, does_not_fit, failed, reply_room


class Prompted(NamedTuple):
    """A request and its prompt's tokens."""

    request: Request
    tokens: tuple[int, ...]
    max_tokens: int
    """Most tokens of the reply: as many as the request allows, or as the prompt leaves in the context."""

    @property
    def limited(self) -> bool:
        """Whether the context leaves less than the request allows."""
        return self.max_tokens < self.request.max_tokens


class EncodedRequests(NamedTuple):
    """Requests as the model reads them, each once."""

    fitting: list[Prompted]
    refused: list[Completion]
    """The failures of those that do not fit into the model's context."""


def encode(
    requests: Iterable[Request],
    to_tokens: Callable[[Sequence[Message]], tuple[int, ...]],
    context: int | None,
    method: str,
    setting: str = "context",
) -> EncodedRequests:
    """Return requests as tokens.

    Args:
        requests: The full list.
        to_tokens: Returns the tokens of a prompt.
        context: Tokens of prompt and reply together that the model takes; None where that is not known.
        method: How structure is obtained.
        setting: The setting that gives the backend its context length; empty where there is none.
    """
    encoded = EncodedRequests([], [])
    for request in {request.id: request for request in requests}.values():
        tokens = to_tokens(request.messages)
        if detail := does_not_fit(len(tokens), request.max_tokens, context, setting=setting):
            reply, usage = failed("too_long", detail), Usage(len(tokens), 0)
            encoded.refused.append(completion(request, reply, usage=usage, method=method))
        else:
            most = room_in_steps(len(tokens), request.max_tokens, context)
            encoded.fitting.append(Prompted(request, tokens, most))
    return encoded


def room_in_steps(tokens: int, max_tokens: int, context: int | None) -> int:
    """Return how many tokens a reply may have after a prompt of so many tokens, which leaves it the least.

    What a context leaves is rounded down, so that prompts of about the same length still share a batch.
    """
    room = reply_room(tokens, max_tokens, context)
    return room if room == max_tokens else room // LEAST * LEAST


def complete(
    encoded: EncodedRequests,
    batches: Iterable[Sequence[Prompted]],
    run: Callable[[Sequence[Prompted]], list[Completion]],
    answered: Container[str],
    reserve: Reserve,
) -> Iterator[list[Completion]]:
    """Yield the failures of requests that do not fit, then the completions of one batch after the other.

    A batch of which only a part is answered is computed whole, because a row's reply depends on the rows beside it,
    and only its unanswered part is yielded. See `Generator.complete_many`.
    """
    if refused := [done for done in encoded.refused if done.request not in answered]:
        yield refused
    for batch in batches:
        missing = [row.request for row in batch if row.request.id not in answered]
        if not missing:
            continue
        if not reserve(missing):
            return
        yield [done for done in run(batch) if done.request not in answered]
