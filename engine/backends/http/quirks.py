"""What servers of one protocol want otherwise than usual: known by their refusals, adapted to one by one, said once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from re import Pattern
from typing import NamedTuple

from engine.backends.http.exchange import FATAL, Exchange, Kind
from engine.backends.http.lengths.limits import ReplyLength, ReplyLimits
from engine.backends.http.lengths.refusals import refused_length
from engine.backends.protocol import Message

NO_SYSTEM = "no system turn"
"""The quirk of models whose chat template knows no system turn; any protocol may have it."""
_TOLD: frozenset[Kind] = FATAL - {"auth", "quota", "bad_address", "proxy"} | {"server_error"}
"""Kinds of refusals that may be about a parameter; servers answer 500, too, to what they did not expect."""
_STATUS = frozenset({400, 404, 422, 500})


class Quirk(NamedTuple):
    """One thing that some servers want otherwise."""

    params: frozenset[str]
    """The parameters that their refusal names, where it names any."""
    says: Pattern[str]
    """What their refusal says, in its words or in code and parameter."""
    adapted: str
    """What is done then, as it is said of "the server of the teacher"."""


class Quirks:
    """What one server wants otherwise, as far as that is known; shared by all that write requests to it."""

    def __init__(
        self,
        known: Mapping[str, Quirk],
        met: Iterable[str] = (),
        limits: ReplyLimits | None = None,
    ) -> None:
        """Take the protocol's quirks by name, those that are set beforehand, and how long replies may be."""
        self._known = known
        self.met = frozenset(met)
        self.limits = limits or ReplyLimits()
        self._adapted: tuple[str, ...] = ()

    @property
    def adapted(self) -> tuple[str, ...]:
        """What was adapted because a refusal said so, in words."""
        return self._adapted + self.limits.adapted

    def learn(
        self,
        exchange: Exchange,
        sent: frozenset[str],
        length: ReplyLength | None = None,
        turns: Sequence[Message] = (),
    ) -> bool:
        """Take note of one thing that a server wants otherwise; return whether the request is worth sending again.

        One at a time: a refusal may name what the next request no longer does wrong.

        Args:
            exchange: The refusal.
            sent: The quirks that were met when the request was written: others were on their way at the same time.
            length: Of the reply that the request asked for.
            turns: The request's turns.
        """
        if (refused := refused_length(exchange)) is not None:
            # Some name both names of the limit, and want neither otherwise.
            return length is not None and self.limits.learn(refused, length, turns)
        if exchange.kind not in _TOLD or exchange.status not in _STATUS:
            return False
        for name, quirk in self._known.items():
            if name not in sent and _is_about(exchange, quirk):
                if name not in self.met:
                    self.met |= {name}
                    self._adapted += (quirk.adapted,)
                return True
        return False


def _is_about(exchange: Exchange, quirk: Quirk) -> bool:
    """Return whether a refusal is about a quirk: by the parameter that it names, by its words where it names none."""
    complaint = exchange.complaint
    named = sorted(complaint.heads & quirk.params)
    if complaint.params and not named:
        return False
    places = sorted(complaint.params) if named else ()
    said = " ".join((*places, *sorted(complaint.codes), complaint.words or exchange.detail))
    return bool(quirk.says.search(said))
