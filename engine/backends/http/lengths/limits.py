"""How long a reply is asked for: what settings say, what a server refused, and what is left beside a prompt.

A schema's bounds ask for room that replies seldom need, and servers refuse more than their model gives, or than a
prompt leaves in its context. Where a refusal holds no number the limit is halved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.backends.http.lengths.refusals import RefusedLength
from engine.backends.protocol import Message, Request
from engine.backends.replies import LEAST, reply_room

SMALL = 1024
"""Tokens up to which a limit is asked for whole: less of them would save nothing."""
CHARACTERS_PER_TOKEN = 4.0
_MARGIN = 32
"""Tokens that an estimated prompt may have more, for what a chat template writes around it."""
_MOST_RATIO = 2.0
"""Times that a server may count more, or fewer, than is estimated: too few cost a refusal, too many a reply."""


@dataclass(slots=True)
class ReplyLength:
    """How long a reply one request asks for, in tokens."""

    wanted: int
    """As many as it may need; twice as many after a reply that was cut."""
    room: int | None = None
    """As many as a refusal of the server left it."""
    sent: int = 0
    """As many as it asked for, the last time."""
    is_estimated: bool = False
    """Whether an estimate of the prompt kept them few."""
    insists: bool = False
    """Whether a reply was cut: an estimate keeps it no shorter any more, the server must say so."""

    @property
    def limited(self) -> bool:
        """Whether it asked for fewer than it wants, and asking for more is no use."""
        return self.sent < self.wanted and not self.is_estimated

    def double(self) -> None:
        """Ask for twice as many, after a reply that was cut."""
        self.wanted *= 2
        self.insists = True


def first_length(request: Request) -> ReplyLength:
    """Return how long a reply is asked for at first: of what a schema allows, beyond little, half.

    A limit counts a token for each character, of which text has three or four in a token, and replies are far from
    their bounds. Services count the whole limit against the tokens of a minute. A reply that is cut gets all of it.
    """
    needed = request.max_tokens - request.thinking_tokens
    if request.schema is None or needed <= SMALL:
        return ReplyLength(request.max_tokens)
    return ReplyLength(max(SMALL, math.ceil(needed / 2)) + request.thinking_tokens)


def estimated(turns: Sequence[Message]) -> int:
    """Return about how many tokens a prompt has."""
    return int(sum(len(turn.content) for turn in turns) / CHARACTERS_PER_TOKEN)


class ReplyLimits:
    """How long replies of one server may be, as far as that is known; shared by all that write requests to it."""

    def __init__(
        self,
        most: int | None = None,
        context: int | None = None,
        count: Callable[[Sequence[Message]], int] | None = None,
    ) -> None:
        """Take what settings say, in tokens: of a reply, of prompt and reply together; and what counts a prompt's.

        Without that they are estimated.
        """
        self._most, self._context = most, context
        self._count, self._estimates = count or estimated, count is None
        self._learned: dict[str, str] = {}
        self._ratio, self._measured = 1.0, 0

    @property
    def adapted(self) -> tuple[str, ...]:
        """What refusals said, in words."""
        return tuple(self._learned.values())

    def ask(self, length: ReplyLength, turns: Sequence[Message]) -> int:
        """Return how many tokens to ask for, and note it.

        Where a prompt seems to leave less than the least, the least is asked for: the server knows.
        """
        tokens = length.wanted if self._most is None else min(length.wanted, self._most)
        if length.room is not None:
            tokens = min(tokens, length.room)
        elif self._context is not None:
            prompt = 0 if length.insists and self._estimates else self._counted(turns)
            room = max(reply_room(prompt, tokens, self._context), min(tokens, LEAST))
            length.is_estimated = self._estimates and room < tokens
            tokens = room
        length.sent = tokens
        return tokens

    def learn(self, refused: RefusedLength, length: ReplyLength, turns: Sequence[Message]) -> bool:
        """Take note of a refusal; return whether its request is worth sending again, with fewer tokens for the reply.

        Args:
            refused: What it says.
            length: Of the reply that the request asked for.
            turns: The request's turns.
        """
        if length.sent <= LEAST:
            return False
        if refused.context is not None:
            return self._learn_context(refused, refused.context, length, turns)
        if self._most is not None and self._most < length.sent:
            return True  # learned while this request was on its way
        most = max(length.sent // 2, LEAST) if refused.most is None else refused.most
        if not LEAST <= most < length.sent:
            return False
        if refused.is_both:
            # The prompt may be all that is too long: other requests are none the wiser.
            length.room = most
            return True
        self._most = most
        self._learned["most"] = f"takes at most {most:,} tokens for a reply: no more are asked for"
        return True

    def _learn_context(
        self, refused: RefusedLength, context: int, length: ReplyLength, turns: Sequence[Message]
    ) -> bool:
        prompt = refused.prompt
        if refused.total is not None:
            prompt = refused.total - length.sent
        room = context - (self._counted(turns) if prompt is None else prompt)
        if prompt is None and room >= length.sent:
            room = max(length.sent // 2, LEAST)
        if not LEAST <= room < length.sent:
            return False
        length.room, length.is_estimated = room, False
        if prompt is not None:
            self._measure(prompt, turns)
        if self._context is None or context < self._context:
            self._context = context
            self._learned["context"] = (
                f"takes {context:,} tokens of prompt and reply together: a reply gets what its prompt leaves"
            )
        return True

    def _measure(self, prompt: int, turns: Sequence[Message]) -> None:
        """Compare a count with the server's; the longest prompt tells best, and a short one may be all template."""
        counted = self._count(turns)
        if counted > self._measured:
            self._ratio = min(max(prompt / counted, 1 / _MOST_RATIO), _MOST_RATIO)
            self._measured = counted

    def _counted(self, turns: Sequence[Message]) -> int:
        return math.ceil(self._count(turns) * self._ratio) + (_MARGIN if self._estimates else 0)
