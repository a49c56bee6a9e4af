"""A recipe's `benchmark`: which server is measured, what decides the numbers, and what `pada validate` says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from engine.backends import BACKENDS
from engine.backends.serving import guidellm, server
from engine.errors import BackendError, Location, Problem
from engine.plan.resources import RoleModel
from engine.plan.validate_money import missing_keys
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe_benchmark import Benchmark


class Place(NamedTuple):
    """A server that runs already: the recipe's endpoint, or the one behind which the student is."""

    base_url: str
    model: str
    extra: Mapping[str, Any]
    key: str | None
    """Name of the environment variable with the API key."""


def place_of(benchmark: Benchmark, student: RoleModel) -> Place | None:
    """Return the server to measure; None where the engine starts one for the student's weights."""
    if benchmark.endpoint is not None:
        given = benchmark.endpoint
        return Place(given.base_url, given.model, {}, given.api_key.env if given.api_key else None)
    settings = student.settings
    if "base_url" not in settings:
        return None
    key = settings.get("api_key")
    return Place(settings["base_url"], student.name, settings["extra"], key["env"] if key else None)


def identity_settings(benchmark: Benchmark, student: RoleModel) -> dict[str, Any]:
    """Return what decides the numbers, as parameters of the stage.

    Unlike what a model says, how fast it does depends on the machine behind an address: that is part of it.
    """
    place = place_of(benchmark, student)
    params = benchmark.model_dump(exclude={"endpoint"})
    if place is not None:
        endpoint = {"base_url": place.base_url, "model": place.model, "extra": dict(place.extra)}
        return {
            **params,
            "given": benchmark.endpoint is not None,
            "endpoint": endpoint,
            "student": None,
        }
    how = {key: student.settings.get(key, "auto") for key in ("device", "dtype")}
    served = {"identity": student.identity, **how}
    return {**params, "given": False, "endpoint": None, "student": served}


def check_benchmark(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield a student that nothing can serve, a server that is not installed, and keys that are not there."""
    benchmark = loaded.recipe.benchmark
    if benchmark is None:
        return
    yield from _missing(loaded.at("benchmark", key=True), guidellm.require)
    if benchmark.endpoint is not None:
        given = benchmark.endpoint.model_dump(exclude_none=True)
        yield from missing_keys(loaded, given, ("benchmark", "endpoint"))
        return
    backend = BACKENDS.get(loaded.recipe.models.student.backend)
    if backend is None or "base_url" in backend.settings.model_fields:
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
