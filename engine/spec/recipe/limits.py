"""The blocks of a recipe that decide no row: how much one step may take, what runs at the same time, and where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.bounds import Count
from engine.spec.parts import Spec

_MOST_SLOTS = 1000


class Limits(Spec):
    """What one step of a recipe's SQL, templates and patterns may take; a run that needs more ends and says where.

    A step is an expression over a batch of rows, the next rows of a query, a prompt. They decide no row.
    """

    seconds: float = Field(default=10, gt=0, le=3600)
    """Seconds of computing that one step may take."""
    memory: float = Field(default=1.5, ge=0.1, le=1000)
    """Gigabytes of memory that one step may take, never more than half of what the machine has."""
    rows: int = Field(default=10_000_000, ge=1, le=1_000_000_000)
    """Most rows that a query may give."""


class Executor(Spec):
    """What of a run goes on at the same time, and where. It decides no row: all kinds give the same results."""

    kind: Literal["local", "serial", "ray"] = "local"
    """`local`: on this machine; servers are asked while the student is trained or asked, and nodes that do not depend
    on each other run side by side, as far as there are slots. `serial`: one thing at a time, in the plan's order.
    `ray`: trainings and the student's answers are tasks of a Ray cluster (`pip install 'pada-engine[ray]'`)."""
    slots: Annotated[Count, Field(ge=1, le=_MOST_SLOTS)] | None = None
    """Trainings, and nodes that ask the student's weights, that may run at once; each takes memory for a student. Left
    out, one; with `gpus` one for each; with `ray` one for each machine."""
    threads: Annotated[Count, Field(ge=1, le=1024)] | None = None
    """CPU threads of each slot; the cores of this machine when left out, however many slots there are: the last digits
    of what is trained depend on it, so it is never chosen by what runs beside. With `ray` also the CPUs that a task
    asks for."""
    gpus: Annotated[Count, Field(ge=1, le=_MOST_SLOTS)] | None = None
    """Graphics cards that are used, one for each slot; when left out, whatever the models' `device` says."""
    address: str | None = Field(default=None, min_length=1)
    """Of `ray`: the cluster's head, `HOST:PORT` or `ray://HOST:PORT`; `auto`, the one that this machine belongs to,
    when left out."""

    @model_validator(mode="after")
    def _fit_the_kind(self) -> Executor:
        if self.address is not None and self.kind != "ray":
            raise ValueError(f"`address` is for `kind: ray`, and the kind is {self.kind}")
        if self.kind == "serial" and (self.slots or self.threads or self.gpus):
            raise ValueError(
                "`kind: serial` does one thing at a time: it has no slots, threads or gpus"
            )
        if self.gpus and self.slots and self.kind == "local" and self.slots > self.gpus:
            raise ValueError(
                f"{self.slots} slots share {self.gpus} gpus: give each its own, or leave `slots` out"
            )
        return self

    @property
    def apart(self) -> bool:
        """Whether a local executor needs processes of its own."""
        return bool(self.threads or self.gpus or (self.slots or 1) > 1)
