"""Request files: written at the end of a run that waits, and the import of their results into the ledger.

What waits is what lies under `<state>/batch` and has no reply in the ledger; nothing else remembers it. So a folder
that is removed is forgotten, and what it asked is written again by the next run.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.backends import BACKENDS
from engine.backends.files.requests import (
    FOLDER,
    BatchRequest,
    Header,
    asked_ids,
    custom_id,
    read_asked,
    request_files,
)
from engine.backends.files.results import ResultLine, completion_of, read_results
from engine.backends.protocol import Askings, Completion, Deferred, PendingRequest, Reserve
from engine.errors import BackendError, EngineError
from engine.run.ledger import entry
from engine.spec.loader import LoadedRecipe
from engine.store import Store
from engine.system.files import sync_folder

D = TypeVar("D", bound=Deferred)


class Batch(NamedTuple):
    """A request file that a run waits for."""

    file: Path
    requests: int
    """Number of its requests that this run needs."""
    new: bool
    """Whether it was written now; otherwise it was before, by this run or another, and nothing is asked twice."""


def refuse_waiting(loaded: LoadedRecipe) -> None:
    """Raise EngineError for a recipe whose replies come after the run, where nothing of the run is kept."""
    for role in ("teacher", "judge"):
        name = loaded.recipe.models.of(role).backend
        if BACKENDS[name].deferred:
            raise EngineError(
                f"a preview keeps nothing, so it cannot wait for a {role} with the backend '{name}'",
                "preview with another backend, or run a few rows: pada run RECIPE --limit 20",
            )


def write_batch(
    deferred: Mapping[D, Askings], state: Path, run: str, reserve: Reserve
) -> list[Batch]:
    """Write the requests not yet asked, one file per model, all files or none; return the files that the run waits for.

    Requests that an earlier file holds are not written again. `reserve` is asked for each request, also for those
    under way; what it refuses is not written. In memory are the ids of what earlier files hold, and no request.

    Raises:
        BackendError: the files cannot be written, or those of an earlier run cannot be read.
    """
    known = asked_ids(state)
    waiting: Counter[Path] = Counter()
    new: dict[D, _Allowed] = {}
    for asks in deferred.values():
        for ask in asks:
            if (file := known.get(custom_id(ask))) is not None:
                waiting[file] += 1
                reserve([ask.request])
    for backend, asks in deferred.items():
        fresh = bytearray(custom_id(ask) not in known and reserve([ask.request]) for ask in asks)
        if any(fresh):
            new[backend] = _Allowed(asks, fresh)
    written_before = [Batch(file, count, False) for file, count in sorted(waiting.items())]
    return written_before + (_write(new, state / FOLDER, run) if new else [])


class _Allowed:
    """Those of some requests that are written."""

    def __init__(self, asks: Askings, chosen: bytearray) -> None:
        """Take the requests, and which of them, in their order."""
        self._asks, self._chosen = asks, chosen

    def __len__(self) -> int:
        return sum(self._chosen)

    def __iter__(self) -> Iterator[PendingRequest]:
        return compress(self._asks, self._chosen)


def _write(new: Mapping[D, Askings], folder: Path, run: str) -> list[Batch]:
    unfinished = folder / f".{run}.unfinished"
    try:
        for left in folder.glob(".*.unfinished"):  # by a kill
            shutil.rmtree(left)
        unfinished.mkdir(parents=True)
        names = _names(new)
        for backend, asks in new.items():
            backend.write_batch(asks, run, unfinished / names[backend])
        place = _free(folder, run)
        unfinished.rename(place)
        sync_folder(folder)
    except OSError as error:
        raise BackendError(
            f"cannot write the requests to {folder}: {error.strerror or error}",
            "free some space or make the folder writable, then run again: nothing was asked",
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [Batch(place / names[backend], len(asks), True) for backend, asks in new.items()]


def _names(new: Mapping[D, Askings]) -> dict[D, str]:
    """Return the files' names: batch services take one model per file, so two models are two files."""
    if len(new) == 1:
        return dict.fromkeys(new, "requests.jsonl")
    return {backend: f"requests-{next(iter(asks)).role}.jsonl" for backend, asks in new.items()}


def _free(folder: Path, run: str) -> Path:
    """Return a folder for the run's files; a number that is used again after a clean-up finds its old one."""
    place, number = folder / run, 1
    while place.exists():
        number += 1
        place = folder / f"{run}-{number}"
    return place


class FileState(NamedTuple):
    """How much of a request file is answered."""

    file: Path
    header: Header
    roles: Mapping[str, int]
    """Requests by role."""
    answered: int
    """With a usable reply, from this file or another."""
    failed: int
    """With an unusable one: written into the next file, unless this was the last attempt."""
    missing: int
    """Without any."""


@dataclass(slots=True)
class Imported:
    """The result of an import."""

    answers: int
    """Lines of the result file."""
    taken: int = 0
    """New usable replies."""
    failed: Counter[str] = field(default_factory=Counter)
    """New unusable replies, by kind."""
    given_up: int = 0
    """Unusable replies that were the last attempt."""
    known: int = 0
    """Answers to requests that had one already."""
    examples: dict[str, str] = field(default_factory=dict)
    """What was wrong with the first reply of each kind."""
    files: list[FileState] = field(default_factory=list)
    """The request files that it answers, as they stand now."""


class _Known:
    """Which attempts have an answer in the ledger."""

    def __init__(self, store: Store, asked: Iterable[BatchRequest]) -> None:
        requests = list(dict.fromkeys(ask.request.id for ask in asked))
        self._usable = set(store.replies(requests))
        failures = store.failures(requests) if requests else {}
        self._failures = Counter({request: len(calls) for request, calls in failures.items()})

    def usable(self, ask: BatchRequest) -> bool:
        return ask.request.id in self._usable

    def failed(self, ask: BatchRequest) -> bool:
        """Return whether this attempt failed: the n-th is only made when the ones before it have failed."""
        return self._failures[ask.request.id] > ask.number

    def add(self, ask: BatchRequest, done: Completion) -> None:
        if done.error is None:
            self._usable.add(ask.request.id)
        else:
            self._failures[ask.request.id] += 1


def import_results(store: Store, path: Path) -> Imported:
    """Import the answers of a result file into the ledger: all are durable when this returns, or none.

    The entries belong to the run that asked (`llm_call.run`), not to a run of their own: that run made these calls, its
    spending shows them, and `pada report` or `pada clean` never meet a run without a recipe or nodes.

    Of several answers to one request the first usable one counts; what has an answer already is left alone, so
    that importing a file twice changes nothing.

    Raises:
        BackendError: the file cannot be read, or answers what was never asked.
        RunError: a run is going on.
        StoreError: the store cannot be written.
    """
    answers = read_results(path)
    with store.lock_run():
        files = {file: read_asked(file) for file in _asked_in(store.state, answers, path)}
        asked = {ask.custom_id: ask for asks in files.values() for ask in asks}
        known = _Known(store, asked.values())
        result = Imported(len(answers))
        calls = [
            entry(ask.header.run, PendingRequest(ask.node, ask.role, ask.request), done)
            for ask, done in _new(answers, asked, known, result)
        ]
        if calls:
            store.reopen_run(max(call.run for call in calls))
            store.record_calls(calls)
            store.flush()
        result.files = [_state(file, asks, known) for file, asks in files.items()]
    return result


def _asked_in(state: Path, answers: Sequence[ResultLine], path: Path) -> list[Path]:
    """Return the request files that are answered; raises BackendError for an answer to none of them."""
    known = asked_ids(state)
    strangers = [answer for answer in answers if answer.custom_id not in known]
    if strangers:
        first = strangers[0]
        raise BackendError(
            f"{path}:{first.line}: no request has the custom_id {first.custom_id!r} "
            f"({len(strangers):,} of {len(answers):,} answers belong to no known request)",
            f"requests are known while their file is under {state / FOLDER}; name the folder that asked with --state; "
            "nothing was imported",
        )
    return sorted({known[answer.custom_id] for answer in answers})


def _new(
    answers: Sequence[ResultLine],
    asked: Mapping[str, BatchRequest],
    known: _Known,
    result: Imported,
) -> Iterator[tuple[BatchRequest, Completion]]:
    """Yield what the ledger lacks, at most one reply per attempt; counts into `result`."""
    best: dict[str, Completion] = {}
    for answer in answers:
        held = best.get(answer.custom_id)
        if held is None or held.error is not None:
            done = completion_of(asked[answer.custom_id], answer)
            if held is None or done.error is None:
                best[answer.custom_id] = done
    # Earlier attempts first: a later one is only known as such when those before it have failed.
    for name, done in sorted(best.items(), key=lambda item: asked[item[0]].number):
        ask = asked[name]
        if known.usable(ask) or (done.error is not None and known.failed(ask)):
            continue
        known.add(ask, done)
        if done.error is None:
            result.taken += 1
        else:
            result.failed[done.error] += 1
            result.given_up += done.final
            result.examples.setdefault(done.error, done.detail)
        yield ask, done
    result.known = len(answers) - result.taken - result.failed.total()


def file_states(store: Store) -> list[FileState]:
    """Return how much of each request file of a store's folder is answered, oldest first; raises BackendError."""
    files = {file: read_asked(file) for file in request_files(store.state)}
    known = _Known(store, (ask for asks in files.values() for ask in asks))
    return [_state(file, asks, known) for file, asks in files.items()]


def _state(file: Path, asked: Sequence[BatchRequest], known: _Known) -> FileState:
    usable = [ask for ask in asked if known.usable(ask)]
    failed = sum(known.failed(ask) and not known.usable(ask) for ask in asked)
    return FileState(
        file=file,
        header=asked[0].header,
        roles=Counter(ask.role for ask in asked),
        answered=len(usable),
        failed=failed,
        missing=len(asked) - len(usable) - failed,
    )
