"""Which pack a teacher or a judge is talked to with: named, by its declared size, or `standard` where nobody tells.

Also what follows from it where the recipe leaves it open, and what the user is told of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.backends import BACKENDS
from engine.errors import Problem, RecipeError
from engine.spec.loader import LoadedRecipe
from engine.spec.pack import Pack, load_pack
from engine.spec.parts import GateMode
from engine.spec.recipe import JudgeMode, ModelSpec, Recipe, WriterSpec
from engine.stages.quality import GATES

UNKNOWN = "standard"
"""The pack for a model of unknown size."""
_UNITS = {"M": 1e6, "B": 1e9, "T": 1e12}
_BOUNDS = ((3e9, "small"), (100e9, "standard"))
"""Parameters under which a model gets a pack."""
LARGEST = "frontier"
WRITERS = ("teacher", "judge")
"""Roles with a pack."""


class Choice(NamedTuple):
    """The pack of one role."""

    name: str
    known: bool
    """Whether the recipe, or what the backend says of its models, decides it."""


def choose(spec: ModelSpec) -> Choice:
    """Return the pack for a model: the one named, else by its size; `standard` where its size is unknown."""
    if isinstance(spec, WriterSpec) and spec.pack is not None:
        return Choice(spec.pack, True)
    if isinstance(spec, WriterSpec) and spec.size is not None:
        return Choice(pack_of(float(spec.size[:-1]) * _UNITS[spec.size[-1]]), True)
    if spec.model.startswith("embedded/"):
        return Choice("small", True)
    backend = BACKENDS.get(spec.backend)
    if backend is not None and backend.pack is not None:
        return Choice(backend.pack, True)
    return Choice(UNKNOWN, False)


def pack_of(parameters: float) -> str:
    """Return the pack for a number of parameters."""
    return next((name for bound, name in _BOUNDS if parameters < bound), LARGEST)


def packs_of(loaded: LoadedRecipe) -> dict[str, Pack]:
    """Return the packs of teacher and judge; raises RecipeError for one that is not there or wrong."""
    models = loaded.recipe.models
    return {
        role: load_pack(
            choose(models.of(role)).name,
            loaded.base,
            loaded.at("models", role, "pack"),
            loaded.further,
        )
        for role in WRITERS
    }


def thinking_tokens(spec: ModelSpec, pack: Pack) -> int:
    """Return the tokens that a reply may spend on thinking: the model's own setting, or the pack's."""
    own = spec.thinking_tokens if isinstance(spec, WriterSpec) else None
    return pack.thinking_tokens if own is None else own


def judged_by_teacher(recipe: Recipe) -> bool:
    """Return whether the judge is the model that wrote the rows, because nobody else is named or because it is."""
    judge, teacher = recipe.models.of("judge"), recipe.models.teacher
    return _place(judge) == _place(teacher)


def _place(spec: ModelSpec) -> tuple[str, str, object]:
    return spec.backend, spec.model, spec.settings.get("base_url")


def judge_mode(loaded: LoadedRecipe) -> JudgeMode:
    """Return what the judge does: as the recipe says, else it advises on rows of its own, else as its pack says.

    A teacher that judges because nobody else is named only advises, whatever the recipe says.
    """
    mode = loaded.recipe.quality.judge
    if mode is not None:
        unnamed = loaded.recipe.models.judge is None
        return "advises" if unnamed and mode == "decides" else mode
    if judged_by_teacher(loaded.recipe):
        return "advises"
    try:
        return packs_of(loaded)["judge"].judge.verdict
    except RecipeError:
        # What is wrong with the pack is told where recipes are checked.
        return "advises"


def softened(pack: Pack, recipe: Recipe) -> Mapping[str, GateMode]:
    """Return the gates that do not reject with a teacher of this pack."""
    modes = {name: gate.mode(pack.gates, recipe.quality.gates) for name, gate in GATES.items()}
    return {name: mode for name, mode in modes.items() if mode != "reject"}


def generates(loaded: LoadedRecipe) -> bool:
    """Return whether the recipe has rows written at all."""
    loop = loaded.recipe.loop
    try:
        method = loaded.method
    except RecipeError:
        return True
    return method.rounds_of(loop.rounds) > 0


def check_packs(loaded: LoadedRecipe, packs: Mapping[str, Pack]) -> Iterator[Problem]:
    """Yield warnings of what the engine has to guess of teacher and judge; none where no rows are written."""
    if not generates(loaded):
        return
    recipe = loaded.recipe
    if not recipe.task.description.strip():
        message = "the task has no description, so teacher and judge are told its kind and no more"
        hint = "write task.description: what the rows are, and what the answer says of them"
        at = loaded.at("task", key=True)
        yield Problem(at, message, hint, "warning", "description")
    yield from _guessed(loaded, packs)
    yield from _judge(loaded)
    rows = recipe.patterns.confirm
    if isinstance(rows, int) and not packs["judge"].confirm.rows:
        message = (
            f"patterns are tested by a judge with the pack '{packs['judge'].name}', which tests none by itself:"
            " models of its size hardly tell which rows fall under a description"
        )
        hint = "write `confirm: off`, or name a larger model as models.judge"
        yield Problem(loaded.at("patterns", "confirm"), message, hint, "warning", "confirm")


def _guessed(loaded: LoadedRecipe, packs: Mapping[str, Pack]) -> Iterator[Problem]:
    """Yield for each model of unknown size which pack it gets, and for the teacher what follows from it."""
    recipe = loaded.recipe
    if not choose(recipe.models.teacher).known:
        what = f"the teacher's size is not known: it gets the pack '{packs['teacher'].name}'"
        advising = [
            gate for gate, mode in softened(packs["teacher"], recipe).items() if mode == "advise"
        ]
        if advising:
            what += f" ({' and '.join(advising)} only advise)"
        hint = "write models.teacher.size, such as 8B, or pack: small, standard or frontier"
        if _judges_itself(loaded):
            what += "; as the judge of its own rows it only advises"
            hint += "; name another model as models.judge"
        at = loaded.at("models", "teacher", key=True)
        yield Problem(at, what, hint, "warning", "pack")
    judge = recipe.models.judge
    if judge is None or recipe.quality.judge == "off" or judged_by_teacher(recipe):
        return
    if not choose(judge).known:
        what = f"the judge's size is not known: it gets the pack '{packs['judge'].name}'"
        hint = "write models.judge.size, such as 8B, or pack: small, standard or frontier"
        yield Problem(loaded.at("models", "judge", key=True), what, hint, "warning", "pack")


def _judges_itself(loaded: LoadedRecipe) -> bool:
    """Return whether the teacher judges what it wrote without the recipe's having said what such a judge does."""
    return judged_by_teacher(loaded.recipe) and _written(loaded) is None


def _written(loaded: LoadedRecipe) -> str | None:
    """Return what the recipe itself says that the judge does; None where it leaves it open."""
    mode: str | None = (loaded.document.data.get("quality") or {}).get("judge")
    return mode


def _judge(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield that the judge is the teacher, where the recipe leaves open what follows, or lets it decide."""
    recipe = loaded.recipe
    if recipe.models.judge is None and _written(loaded) == "decides":
        message = "no judge is named: the teacher judges its own rows, in calls of its own, and only advises"
        hint = "name another model as models.judge, or write `quality: {judge: advises}`"
        yield Problem(loaded.at("quality", "judge"), message, hint, "warning", "judge")
        return
    decides = recipe.quality.judge == "decides" and judged_by_teacher(recipe)
    if not decides and (not _judges_itself(loaded) or not choose(recipe.models.teacher).known):
        return
    at = loaded.at("models", "teacher" if recipe.models.judge is None else "judge", key=True)
    message = "the judge is the teacher: it tends to like what it wrote itself"
    if decides:
        hint = "use another model as the judge, or `quality: {judge: advises}` to let rules decide"
    else:
        message += ", so it only advises"
        hint = "name another model as models.judge, or write `quality: {judge: advises}`"
    yield Problem(at, message, hint, "warning", "judge")
