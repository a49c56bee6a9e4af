"""Replies become completions: the one place where one is read, and where a `Completion` is made.

Knows no backend: local models, servers and files all end here, so that the same reply means the same everywhere.
"""

from __future__ import annotations

from engine.backends.protocol import (
    TEXT,
    Completion,
    FailedExchange,
    FinishReason,
    Message,
    Request,
    Usage,
)
from engine.backends.structured import Reply, read_reply

PROBE = "probe"
"""The error of a reply to a small call that found something out about the server."""
SHOWN = 4000
"""Characters of a wrong reply that are shown to the model again."""
UNKNOWN = Usage()


def read(request: Request, text: str, cut: str = "") -> Reply:
    """Return a reply read strictly against what was asked for.

    Args:
        request: What was asked.
        text: The reply.
        cut: Where the text was cut, in words; empty for one that came to its end. What is cut and for that reason
            cannot be used is a `length`.
    """
    reply = read_reply(text, request.schema)
    if cut and reply.error is not None:
        return Reply(None, "length", cut)
    return reply


def cut_at(max_tokens: int) -> str:
    """Return where a reply was cut that used up its tokens."""
    return f"cut after max_tokens ({max_tokens}) before its JSON closed"


def does_not_fit(
    tokens: int, max_tokens: int, context: int | None, about: str = "", setting: str = "context"
) -> str:
    """Return why a prompt of so many tokens cannot be answered; empty where it can.

    Args:
        tokens: Of the prompt.
        max_tokens: For the reply.
        context: Tokens of both together that the model takes; None where that is not known.
        about: Stands before the number where it is an estimate.
        setting: The setting that gives the backend its context length; empty where there is none.
    """
    if context is None or tokens + max_tokens <= context:
        return ""
    more = f", or raise `{setting}` if the model takes more" if setting else ""
    return (
        f"{about}{tokens:,} tokens of prompt and {max_tokens:,} for the reply do not fit into a context of "
        f"{context:,}: shorten the prompt or the row{more}"
    )


def failed(error: str, detail: str) -> Reply:
    """Return a failed reply, with its kind and what was wrong."""
    return Reply(None, error, detail)


def completion(
    request: Request,
    reply: Reply,
    *,
    method: str,
    text: str = "",
    finish: str = "",
    usage: Usage = UNKNOWN,
    seconds: float = 0.0,
    final: bool = True,
    sent: tuple[Message, ...] | None = None,
    in_words: bool = False,
    cost: float | None = None,
    server: str = "",
    tries: tuple[FailedExchange, ...] = (),
) -> Completion:
    """Return the completion of a request.

    Args:
        request: What was asked.
        reply: Its reply as it was read (`read`), or why there is none (`failed`).
        method: How the structure was obtained; of plain text it is always `text`.
        text: The reply, raw.
        finish: Why the text ended: `stop`, `length`, or whatever else was the reason.
        usage: Tokens.
        seconds: That the reply took.
        final: Whether nothing more is asked for this request.
        sent: The turns that were sent; None where they are the request's own.
        in_words: Whether the turns alone told the schema.
        cost: Money; None is unknown.
        server: Who answered.
        tries: Exchanges before this one that brought no reply.
    """
    plain = request.schema is None
    return Completion(
        request=request.id,
        text=text,
        value=reply.value,
        finish_reason=_finish_reason(reply.error, finish),
        usage=usage,
        seconds=seconds,
        method=TEXT if plain else method,
        error=reply.error,
        detail=reply.detail,
        final=final,
        sent=None if sent == request.messages else sent,
        in_words=in_words and not plain,
        cost=cost,
        server=server,
        tries=tries,
    )


def _finish_reason(error: str | None, finish: str) -> FinishReason:
    if error == "refusal":
        return "refusal"
    if error == "length" or (finish == "length" and error is None):
        return "length"
    return "stop" if error is None or finish == "stop" else "error"


def correction(text: str, detail: str) -> tuple[Message, Message]:
    """Return the turns after a reply that cannot be used: the reply, and what was wrong with it."""
    return (
        Message("assistant", text[:SHOWN]),
        Message(
            "user",
            f"That was not usable: {detail[:300]} Reply again with JSON that fits the schema, and nothing else.",
        ),
    )
