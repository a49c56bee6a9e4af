"""What a stage asks at once, and what is replied to it: on disk, in order, and read by blocks."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from engine import json_text
from engine.backends.protocol import (
    Completion,
    FailedExchange,
    Message,
    Request,
    Usage,
    request_again,
)
from engine.errors import InternalError
from engine.run.asking.scratch import Scratch, listed

REQUESTS_AT_ONCE = 100
"""Requests in memory: whole prompts."""
REPLIES_AT_ONCE = 1_000
"""Replies in memory, or ids."""
FORMS = 64
"""Schemas in memory."""

_NOT_PLAIN = b" "
"""Begins what orjson would not read as it was."""

# A second asking of the same has no body.
_OF = "asked a WHERE a.place > ? AND a.place <= ? AND a.body IS NOT NULL"
_MISSING = "NOT EXISTS (SELECT 1 FROM reply WHERE reply.id = a.id)"
_NEW = "NOT EXISTS (SELECT 1 FROM asked e WHERE e.id = a.id AND e.ask IN (SELECT value FROM json_each(?)))"
"""Of what several ask, the first who did."""


class Asked(Collection[Request]):
    """What one role is asked at once, each request once and in order; in memory are two numbers."""

    def __init__(self, desk: Desk, role: str, ask: int, before: int, last: int, count: int) -> None:
        """Take where it was put down, who is asked, its number, the places that it has, and how many it is."""
        self._desk, self.role, self.ask = desk, role, ask
        self.places = (before, last)
        """After the first of these and up to the last."""
        self._count = count
        self.taken = False
        """Whether its node has gone on with the replies."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Request]:
        return self.requests()

    def __contains__(self, request: object) -> bool:
        return isinstance(request, Request) and bool(self.among([request.id]))

    def requests(
        self, earlier: Sequence[Asked] = (), *, missing: bool = False
    ) -> Iterator[Request]:
        """Yield requests, but for those that `earlier` has too; with `missing` those alone that have no reply."""
        query = f"SELECT a.place, a.body FROM {_OF} AND {_NEW}"
        if missing:
            query += f" AND {_MISSING}"
        for block in self._blocks(query, REQUESTS_AT_ONCE, _numbers(earlier)):
            for _, body in block:
                request = self._desk.request(body)
                if request is None:
                    # The file is another one: this was answered, and its node is done.
                    return
                yield request

    def missing(self) -> Iterator[list[str]]:
        """Yield the ids that have no reply, by blocks."""
        query = f"SELECT a.place, a.id FROM {_OF} AND {_MISSING}"
        for block in self._blocks(query, REPLIES_AT_ONCE):
            yield [identity for _, identity in block]

    def count(self, earlier: Sequence[Asked] = ()) -> int:
        """Return how many requests there are that `earlier` has not."""
        if not earlier:
            return self._count
        return self._number(f"SELECT count(*) FROM {_OF} AND {_NEW}", _numbers(earlier))

    def lacks(self, earlier: Sequence[Asked] = ()) -> int:
        """Return how many requests have no reply, but for those that `earlier` has too."""
        query = f"SELECT count(*) FROM {_OF} AND {_NEW} AND {_MISSING}"
        return self._number(query, _numbers(earlier))

    def among(self, requests: Sequence[str]) -> int:
        """Return how many of these ids are its own."""
        query = f"SELECT count(*) FROM {_OF} AND a.id IN (SELECT value FROM json_each(?))"
        return self._number(query, listed(requests))

    def completions(self) -> Iterator[Completion]:
        """Yield the reply to each request in order, again to what was asked again.

        Raises:
            InternalError: one is not there.
        """
        query = (
            "SELECT a.place, a.id, r.error, r.body FROM asked a LEFT JOIN reply r ON r.id = a.id"
            " WHERE a.place > ? AND a.place <= ?"
        )
        for block in self._blocks(query, REPLIES_AT_ONCE):
            for _, identity, error, body in block:
                if body is None:
                    raise InternalError(f"the reply to {identity} is gone")
                yield _completion(identity, error, body)

    def unusable(self) -> tuple[list[str], Completion] | None:
        """Return the kinds of what went wrong and the first reply, where no reply is usable; None where one is."""
        joined = f"reply r, {_OF} AND r.id = a.id"
        usable = f"SELECT 1 FROM {joined} AND r.error IS NULL LIMIT 1"
        if self._read(usable):
            return None
        kinds = self._read(f"SELECT DISTINCT r.error FROM {joined} ORDER BY r.error")
        first = next((done for done in self.completions()), None)
        return None if first is None else ([kind for (kind,) in kinds], first)

    def of_others(self, node: str, earlier: Sequence[Asked]) -> Iterator[list[str]]:
        """Yield the ids whose usable reply another node asked for, by blocks, but for those that `earlier` has too."""
        query = (
            f"SELECT a.place, a.id FROM {_OF} AND {_NEW}"
            " AND EXISTS (SELECT 1 FROM reply r WHERE r.id = a.id AND r.error IS NULL AND r.node <> ?)"
        )
        for block in self._blocks(query, REPLIES_AT_ONCE, _numbers(earlier), node):
            yield [identity for _, identity in block]

    def _blocks(self, query: str, most: int, *values: Any) -> Iterator[list[Any]]:
        """Yield the rows of a query by blocks; its first column is the place."""
        before, last = self.places
        query += " ORDER BY a.place LIMIT ?"
        while block := self._desk.scratch.read(query, before, last, *values, most):
            yield block
            before = block[-1][0]

    def _number(self, query: str, *values: Any) -> int:
        return self._desk.scratch.number(query, *self.places, *values)

    def _read(self, query: str, *values: Any) -> list[Any]:
        return self._desk.scratch.read(query, *self.places, *values)


def _numbers(asks: Sequence[Asked]) -> str:
    return listed([asked.ask for asked in asks])


class Desk:
    """Puts requests and replies down, and gives them back."""

    def __init__(self, scratch: Scratch) -> None:
        """Take the file."""
        self.scratch = scratch
        self._forms: OrderedDict[int, tuple[Mapping[str, Any], int]] = OrderedDict()
        """By object: the requests of a stage share theirs."""
        self._read: OrderedDict[int, Mapping[str, Any]] = OrderedDict()
        """By number. One object for all requests of a form: validators are made per object."""
        self._file = 0

    def put_down(self, role: str, requests: Iterable[Request]) -> Asked:
        """Put down requests as they come; raises RunError, and what making them raises."""
        scratch = self.scratch
        scratch.ask += 1
        ask, before, count = scratch.ask, scratch.place, 0
        coming = iter(requests)
        while block := list(islice(coming, REQUESTS_AT_ONCE)):
            rows = []
            for request in block:
                scratch.place += 1
                rows.append((scratch.place, ask, request.id, self._body(request)))
            with scratch.at_once() as file:
                file.executemany(
                    "INSERT INTO asked SELECT ?1, ?2, ?3,"
                    " CASE WHEN EXISTS (SELECT 1 FROM asked WHERE id = ?3 AND ask = ?2) THEN NULL ELSE ?4 END",
                    rows,
                )
                (new,) = file.execute(
                    "SELECT count(body) FROM asked WHERE place > ?", (scratch.place - len(rows),)
                ).fetchone()
                count += new
        return Asked(self, role, ask, before, scratch.place, count)

    def keep(self, completions: Iterable[tuple[Completion, str]]) -> None:
        """Put down replies that are durable, each with the node that asked for it."""
        rows = [(done.request, done.error, node, _written(done)) for done, node in completions]
        if rows:
            with self.scratch.at_once() as file:
                file.executemany("INSERT OR REPLACE INTO reply VALUES (?, ?, ?, ?)", rows)

    def __contains__(self, request: object) -> bool:
        """Return whether a request has a final reply here."""
        return bool(self.scratch.read("SELECT 1 FROM reply WHERE id = ?", request))

    def forget(self, asks: Sequence[Asked]) -> None:
        """Remove what a finished node asked, and the usable replies to it that nobody else waits for."""
        own = listed([asked.ask for asked in asks])
        with self.scratch.at_once() as file:
            for asked in asks:
                file.execute(
                    "DELETE FROM reply WHERE error IS NULL AND id IN ("
                    " SELECT a.id FROM asked a WHERE a.place > ? AND a.place <= ? AND NOT EXISTS ("
                    "  SELECT 1 FROM asked e WHERE e.id = a.id"
                    "  AND e.ask NOT IN (SELECT value FROM json_each(?))))",
                    (*asked.places, own),
                )
            for asked in asks:
                file.execute("DELETE FROM asked WHERE place > ? AND place <= ?", asked.places)

    def _body(self, request: Request) -> bytes:
        form = None if request.schema is None else self._number(request.schema)
        return orjson.dumps(
            [
                request.id,
                [list(turn) for turn in request.messages],
                form,
                request.max_tokens,
                request.temperature,
                request.model,
                request.attempt,
                request.thinking_tokens,
            ]
        )

    def request(self, body: bytes) -> Request | None:
        """Return a request that was put down; None where the file was removed since."""
        identity, turns, form, *rest = orjson.loads(body)
        messages = tuple([Message(*turn) for turn in turns])
        schema = None if form is None else self._form(form)
        if form is not None and schema is None:
            return None
        return request_again(identity, messages, schema, *rest)

    def _number(self, schema: Mapping[str, Any]) -> int:
        if self._file != self.scratch.files:
            self._forms.clear()
            self._file = self.scratch.files
        known = self._forms.get(id(schema))
        if known is not None and known[0] is schema:
            return known[1]
        # Not orjson: bounds beyond 64 bits stay whole numbers. The order of properties is kept.
        text = json_text.written(schema).decode()
        with self.scratch.at_once() as file:
            found = file.execute("SELECT number FROM form WHERE body = ?", (text,)).fetchone()
            if found is None:
                # Never one of another file: who still reads from that must not take this for its own.
                self.scratch.form += 1
                found = (self.scratch.form,)
                file.execute("INSERT INTO form VALUES (?, ?)", (*found, text))
        number = int(found[0])
        _remember(self._forms, id(schema), (schema, number))
        if number not in self._read:
            _remember(self._read, number, schema)
        return number

    def _form(self, number: int) -> Mapping[str, Any] | None:
        schema = self._read.get(number)
        if schema is None:
            for (text,) in self.scratch.read("SELECT body FROM form WHERE number = ?", number):
                schema = json.loads(text)
                _remember(self._read, number, schema)
        return schema


def _remember(held: OrderedDict[int, Any], key: int, value: Any) -> None:
    held[key] = value
    if len(held) > FORMS:
        held.popitem(last=False)


def _written(done: Completion) -> bytes:
    """Return a reply as the store gives it back, without what was sent, but read already."""
    plain = done.value is not None and done.value == done.text
    values = [
        done.text,
        plain,
        None if plain else done.value,
        done.finish_reason,
        list(done.usage),
        done.seconds,
        done.method,
        done.detail,
        done.cost,
        done.server,
        [list(exchange) for exchange in done.tries],
    ]
    try:
        return orjson.dumps(values)
    except TypeError:
        # Whole numbers beyond 64 bits, or half of a surrogate pair, which a server may well send.
        return _NOT_PLAIN + json.dumps(values).encode()


def _completion(identity: str, error: str | None, body: bytes) -> Completion:
    read = json.loads if body.startswith(_NOT_PLAIN) else orjson.loads
    text, plain, value, finish, usage, seconds, method, detail, cost, server, tries = read(body)
    return Completion(
        request=identity,
        text=text,
        value=text if plain else value,
        finish_reason=finish,
        usage=Usage(*usage),
        seconds=seconds,
        method=method,
        error=error,
        detail=detail,
        cost=cost,
        server=server,
        tries=tuple([FailedExchange(*exchange) for exchange in tries]),
    )
