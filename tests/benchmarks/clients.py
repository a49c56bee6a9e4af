"""The clients that are compared, one per process: `python -m tests.benchmarks.clients NAME …` prints a JSON line.

`bare` is what one Python process can do (aiohttp, uvloop, orjson, pydantic, one JSONL file); `script` is what
people write by hand (AsyncOpenAI, a semaphore, pydantic, JSONL); `engine` is the boundary as a run uses it:
backend, ledger, spool and DuckDB, every reply validated.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.rows import SCHEMA, prompts

FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "out", "schema": SCHEMA, "strict": True},
}


def bare(url: str, rows: int, concurrency: int, folder: Path) -> int:
    import aiohttp
    import orjson
    import uvloop

    out = _model()

    async def work() -> int:
        waiting, done = prompts(rows), 0
        with (folder / "data.jsonl").open("wb") as file:
            connector = aiohttp.TCPConnector(limit=0)
            headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
            async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

                async def worker() -> None:
                    nonlocal done
                    for prompt in waiting:
                        body = {
                            "model": "bench", "response_format": FORMAT,
                            "messages": [{"role": "user", "content": prompt}],
                        }  # fmt: skip
                        async with session.post(
                            f"{url}/chat/completions", data=orjson.dumps(body)
                        ) as response:
                            answer = orjson.loads(await response.read())
                        text = answer["choices"][0]["message"]["content"]
                        value = out.model_validate_json(text)
                        file.write(orjson.dumps({"prompt": prompt, **value.model_dump()}) + b"\n")
                        done += 1

                await asyncio.gather(*(worker() for _ in range(concurrency)))
        return done

    return uvloop.run(work())


def script(url: str, rows: int, concurrency: int, folder: Path) -> int:
    # By name: it is no dependency of the project, and its types must not decide what mypy says.
    openai: Any = importlib.import_module("openai")
    out = _model()

    async def work() -> int:
        client = openai.AsyncOpenAI(base_url=url, api_key="x", timeout=120)
        limit, done = asyncio.Semaphore(concurrency), 0
        with (folder / "data.jsonl").open("w", buffering=1) as file:

            async def one(prompt: str) -> None:
                nonlocal done
                async with limit:
                    answer = await client.chat.completions.create(
                        model="bench",
                        messages=[{"role": "user", "content": prompt}],
                        response_format=FORMAT,
                    )
                    value = out.model_validate_json(answer.choices[0].message.content or "")
                    file.write(json.dumps({"prompt": prompt, **value.model_dump()}) + "\n")
                    done += 1

            await asyncio.gather(*(one(prompt) for prompt in prompts(rows)))
        return done

    return asyncio.run(work())


def engine(url: str, rows: int, concurrency: int, folder: Path) -> int:
    """The boundary of a run; `concurrency` 0 lets it find its own."""
    from engine.backends import BACKENDS
    from engine.backends.protocol import Generator, Message, PendingRequest, Request
    from engine.run.budget import BudgetTracker
    from engine.run.ledger import Ledger
    from engine.spec.recipe import Budget
    from engine.store import Spent, Store
    from engine.store import rows as ask

    settings: dict[str, Any] = {"base_url": url, "structured": "json_schema"}
    if concurrency:
        settings["concurrency"] = concurrency
    backend = BACKENDS["openai"].open("generator", None, "bench", settings)
    asks = (
        PendingRequest(
            "bench", "teacher", Request((Message("user", text),), SCHEMA, 300, 0.0, "openai:bench")
        )
        for text in prompts(rows)
    )
    store = Store.open(folder / "state")
    with store.lock_run():
        run = store.start_run(
            recipe="b", name="bench", path="", source="", effective={}, versions={}
        )
        ledger = Ledger(store, run, BudgetTracker(Budget(), Spent(0, 0, 0.0)))
        generator: Generator = backend  # type: ignore[assignment]
        for _ in ledger.ask(generator, asks, frozenset()):
            pass
        store.end_run(run, "done")
    found = ask(folder / "state", "SELECT count(*) AS n FROM llm_call WHERE error IS NULL")
    return int(found[0]["n"])


def _model() -> Any:
    from pydantic import BaseModel

    class Scores(BaseModel):
        adherence: int
        utility: int
        relevance: int

    class Out(BaseModel):
        text: str
        label: str
        scores: Scores

    return Out


CLIENTS: dict[str, Callable[[str, int, int, Path], int]] = {
    "bare": bare, "script": script, "engine": engine,
}  # fmt: skip


LIBRARIES = {
    "bare": ("aiohttp", "orjson", "pydantic", "uvloop"),
    "script": ("openai", "pydantic"),
    "engine": (
        "aiohttp", "duckdb", "engine.backends", "engine.run.ledger", "jsonschema_rs", "orjson",
        "outlines.models.openai", "outlines.models.vllm", "pyarrow", "uvloop",
    ),
}  # fmt: skip
"""Imported before the clock starts: a run of hours imports once."""


def _memory(every: float, found: list[tuple[float, float]]) -> Iterator[None]:
    """Note (seconds, MiB resident) while the caller works."""
    import psutil

    process, began, stop = psutil.Process(), time.monotonic(), threading.Event()

    def watch() -> None:
        while not stop.wait(every):
            found.append((time.monotonic() - began, process.memory_info().rss / 2**20))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    given = parser.parse_args()
    memory: list[tuple[float, float]] = []
    for library in LIBRARIES[given.client]:
        importlib.import_module(library)
    watcher = _memory(max(0.25, given.rows / 200_000), memory)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        next(watcher)
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        done = CLIENTS[given.client](given.url, given.rows, given.concurrency, Path(place))
        seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
        next(watcher, None)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"rows": done, "seconds": seconds, "cpu": cpu, "memory": memory}))
