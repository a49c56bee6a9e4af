"""How a run begins: models that are missing are fetched, and it is entered in the store or gone on with."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

from engine import models
from engine.backends import BACKENDS
from engine.errors import Problem
from engine.fingerprint import short
from engine.plan.graph import Plan
from engine.plan.resources import ROLES, Resources
from engine.run import executors
from engine.run.expected import expect
from engine.run.kept import Kept, keep, kept_of
from engine.run.progress import Reporter
from engine.spec.loader import LoadedRecipe
from engine.store import Store
from engine.version import versions


def begin(
    loaded: LoadedRecipe,
    plan: Plan,
    resources: Resources,
    store: Store,
    row_limit: int | None,
    watcher: Reporter,
    problems: Sequence[Problem],
    kept: Kept | None = None,
) -> str:
    """Go on with the run of this very plan that is not done, else start one; return its id.

    `problems` are the warnings of its check. `kept` is what it is made of where it is made again; else that is found
    out.

    Raises:
        EngineError: work cannot be done where the recipe says (`executor`).
    """
    name, used = loaded.recipe.name, versions()
    # Not the recipe's hash: what decides no row, such as a budget that is raised, makes no other run.
    mark = short([name, [node.id for node in plan.nodes.values()]])
    executors.check(loaded.recipe.executor, store.state)
    recipe: dict[str, Any] = {
        "recipe": short(loaded.effective),
        "name": name,
        "path": str(loaded.path),
        "source": loaded.source,
        "effective": loaded.effective,
    }
    run = store.unfinished_run(mark, used)
    if run is not None:
        store.resume_run(run, **recipe)
    else:
        expected = expect(loaded, plan, resources, store, row_limit)
        run = store.start_run(
            **recipe,
            versions=used,
            row_limit=row_limit,
            estimate=expected.estimate.stored(expected.minutes),
            plan=mark,
        )
    keep(store, run, kept or kept_of(loaded, resources, watcher.say), problems)
    again = " goes on" if store.run_row(run).resumed else ""
    watcher.say(
        f"run {run}{again}: recipe {name}, {len(plan.nodes)} nodes, state in {store.path.parent}"
    )
    return run


def fetch_missing(
    loaded: LoadedRecipe, say: Callable[[str], None], without: Container[str] = ()
) -> bool:
    """Fetch the models that the recipe names and this machine lacks, but some roles'; return whether there were any."""
    fetched = False
    for role in ROLES:
        if role in without:
            continue
        spec = loaded.recipe.models.of(role)
        backend = BACKENDS[spec.backend]
        if backend.local and models.locate(spec.model, loaded.base, backend.weights) is None:
            models.fetch(spec.model, say=say, base=loaded.base)
            fetched = True
    return fetched
