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
from engine.backends.structured import Reply, only_thinks, read_reply

PROBE = "probe"
"""The error of a reply to a small call that found something out about the server."""
SHOWN = 4000
"""Characters of a wrong reply that are shown to the model again."""
UNKNOWN = Usage()
THINKING = "thinking"
"""The error of a reply that ended in the model's thinking."""
CUT = frozenset({"length", THINKING})
"""The errors of replies that used up their tokens: more of them may help."""
LEAST = 256
"""Tokens for a reply below which it is not worth asking, where it may need more."""
_NO_MORE = (
    "and no more can be had here: take a pack that asks for less in one call (`models.teacher.pack`, "
    "`models.judge.pack`), a model with longer replies, or more of `max_reply` or `context` where they are set"
)


def read(
    request: Request,
    text: str,
    cut: int = 0,
    reasoning: int | None = None,
    limited: bool = False,
) -> Reply:
    """Return a reply read strictly against what was asked for.

    Args:
        request: What was asked.
        text: The reply.
        cut: Tokens after which it was cut; 0 for one that came to its end. What cannot be used for that reason is a
            `length`, or `thinking` where the model was not done with it.
        reasoning: Tokens of hidden reasoning among them; None where that is not told.
        limited: Whether more tokens could not be asked for.
    """
    reply = read_reply(text, request.schema)
    if reply.error is None:
        return reply
    if cut_in_thought(text, cut, reasoning):
        return failed(THINKING, _cut_in_thought(cut, reasoning, limited))
    return failed("length", _cut_at(cut, limited)) if cut else reply


def cut_in_thought(text: str, cut: int, reasoning: int | None = None) -> bool:
    """Return whether a reply ended before the model had thought enough to give it; see `read`.

    It opens with thinking that does not end, or was cut and says nothing, or most of its tokens were hidden reasoning.
    """
    return only_thinks(text) or (cut > 0 and (not text.strip() or 2 * (reasoning or 0) >= cut))


def _cut_in_thought(cut: int, reasoning: int | None, limited: bool) -> str:
    where = f"after max_tokens ({cut}) " if cut else ""
    spent = f", {reasoning} of them hidden reasoning" if cut and reasoning else ""
    said = f"cut {where}in the model's thinking{spent}"
    if cut and limited:
        return f"{said}, {_NO_MORE}"
    return (
        f"{said}: raise models.teacher.thinking_tokens (models.judge.thinking_tokens for the judge)"
    )


def _cut_at(max_tokens: int, limited: bool) -> str:
    more = f", {_NO_MORE}" if limited else ""
    return f"cut after max_tokens ({max_tokens}) before its JSON closed{more}"


def reply_room(tokens: int, max_tokens: int, context: int | None) -> int:
    """Return how many tokens a reply may have: as many as it wants, or as a prompt of so many tokens leaves it."""
    return max_tokens if context is None else min(max_tokens, context - tokens)


def does_not_fit(
    tokens: int, max_tokens: int, context: int | None, about: str = "", setting: str = "context"
) -> str:
    """Return why a prompt of so many tokens cannot be answered; empty where it can.

    A reply with less room than it wants is cut at worst; one needs the least, or all of a small limit.

    Args:
        tokens: Of the prompt.
        max_tokens: As many as the reply may need.
        context: Tokens of both together that the model takes; None where that is not known.
        about: Stands before the number where it is an estimate.
        setting: The setting that gives the backend its context length; empty where there is none.
    """
    least = min(max_tokens, LEAST)
    if reply_room(tokens, max_tokens, context) >= least:
        return ""
    more = f", or raise `{setting}` if the model takes more" if setting else ""
    return (
        f"{about}{tokens:,} tokens of prompt and {least:,} for the reply do not fit into a context of "
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
    adapted: tuple[str, ...] = (),
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
        adapted: What the server wanted otherwise than usual.
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
        adapted=adapted,
        cost=cost,
        server=server,
        tries=tries,
    )


def _finish_reason(error: str | None, finish: str) -> FinishReason:
    if error == "refusal":
        return "refusal"
    if error in CUT or (finish == "length" and error is None):
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
