"""given: the student that exists already: its adapter, copied into the state folder as it is; nothing is trained.

It stands where round 0's fine-tune stands elsewhere, and later rounds train it further. The copy is what the run goes
on with, whatever becomes of the recipe's folder. Writes the one `Model`, of no training rows and no steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelError
from engine.fingerprint import digest, file_digest
from engine.identity import Params, outside
from engine.models.adapter import WEIGHTS, adapter_digest, copy_adapter
from engine.rows import Model
from engine.stages.outputs import Trained
from engine.stages.protocol import Context, Inputs, Stage


@dataclass(frozen=True, kw_only=True)
class GivenParams(Params):
    """Which adapter."""

    digest: str
    """Over its files."""
    folder: Path = outside()


@dataclass(frozen=True)
class GivenInputs(Inputs):
    """Nothing: what was trained elsewhere comes from no node."""


def given(params: GivenParams, inputs: GivenInputs, ctx: Context) -> Trained:
    """Copy the adapter and return the one `Model` row; raises ModelError where it cannot be read, or has changed."""
    folder = ctx.state / "models" / ctx.node / "adapter"
    copy_adapter(params.folder, folder)
    if adapter_digest(folder) != params.digest:
        raise ModelError(
            f"the adapter in {params.folder} has changed since this run was planned",
            "start the run again",
        )
    model = Model(
        path=folder.resolve().relative_to(ctx.state.resolve()).as_posix(),
        weights=file_digest(folder / WEIGHTS),
        data=digest([]),
        rows=0,
        steps=0,
        epochs=0.0,
        train_loss=None,
        validation_loss=None,
        chosen_step=0,
        seconds=0.0,
    )
    return Trained((model,))


GIVEN = Stage(
    "given", 1, GivenParams, GivenInputs, Trained, given,
    description="Takes over the adapter that the recipe names; nothing is trained.",
    asks=("student",),
)  # fmt: skip
