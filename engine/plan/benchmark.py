"""A recipe's `benchmark`: which server is measured, what decides the numbers, and what `pada validate` checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from engine.backends import BACKENDS
from engine.backends.serving import guidellm, server
from engine.errors import BackendError, Location, Problem
from engine.plan.checks.money import missing_keys
from engine.plan.resources import RoleModel
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe import Benchmark
from engine.stages.evaluate.benchmark import MeasuredServer


def place_of(benchmark: Benchmark, student: RoleModel) -> MeasuredServer | None:
    """Return the server to measure; None where the engine starts one for the student's weights."""
    if benchmark.endpoint is not None:
        endpoint = benchmark.endpoint
        key = endpoint.api_key.env if endpoint.api_key else None
        return MeasuredServer(
            base_url=endpoint.base_url, model=endpoint.model, extra={}, key=key, subject="endpoint"
        )
    backend = BACKENDS[student.backend]
    if backend.endpoint is None:
        return None
    base_url, model, key, extra = backend.endpoint(student.name, backend.parse(student.settings))
    return MeasuredServer(base_url=base_url, model=model, extra=extra, key=key, subject="student")


def check_benchmark(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield a student that nothing can serve, a server that is not installed, and keys that are not there."""
    benchmark = loaded.recipe.benchmark
    if benchmark is None:
        return
    yield from _missing(loaded.at("benchmark", key=True), guidellm.require)
    if benchmark.endpoint is not None:
        if key := benchmark.endpoint.api_key:
            yield from missing_keys(loaded, (key.env,), ("benchmark", "endpoint"))
        return
    backend = BACKENDS.get(loaded.recipe.models.student.backend)
    if backend is None or backend.endpoint is not None:
        return
    if not (backend.local and backend.weights == "folder"):
        message = f"the engine cannot serve a student of the backend '{backend.name}'"
        hint = "serve it yourself and name the server: `endpoint: {base_url: …, model: …}`"
        yield Problem(loaded.at("benchmark", key=True), message, hint, code="benchmark")
    else:
        at = loaded.at("benchmark", "server")
        yield from _missing(at, partial(server.require, benchmark.server))


def _missing(at: Location, require: Callable[[], None]) -> Iterator[Problem]:
    try:
        require()
    except BackendError as error:
        yield Problem(at, error.message, error.hint, code="benchmark")
