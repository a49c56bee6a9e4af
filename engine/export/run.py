"""The run that is exported, as the store has it: its recipe as it was run, its task, its prompts, its rows.

The recipe's file may have changed since, or be gone; what decides is what was run. Of the prompts the store keeps the
digests alone: they are read from their files again, and refused where these say something else by now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.plan.tasks import shots, task_view
from engine.report.facts.json_columns import json_object, text_values
from engine.report.records import MINE, Query
from engine.rows import Example
from engine.spec.named_files import Further
from engine.spec.prompts import Prompt, PromptLibrary
from engine.spec.recipe import StudentSpec, Task, Train
from engine.stages.task_view import PromptedTask, StudentPrompts
from engine.store import choose_run


class Which(NamedTuple):
    """Which run is wanted."""

    state: Path
    """The state folder."""
    run: str | None = None
    """Its id; the last one when left out."""
    recipe: str | None = None
    """Name of a recipe: then the last run is the last of that recipe."""
    base: Path | None = None
    """The recipe's folder, where it is known: its own prompts and models are looked for there."""


@dataclass(frozen=True)
class FinishedRun:
    """One run, read for an export."""

    query: Query
    state: Path
    id: str
    status: str
    ended: str
    """Day on which it ended, or began where it has no end."""
    recipe: Mapping[str, Any]
    """Its recipe with every default filled in."""
    source: str
    """The recipe as written."""
    versions: Mapping[str, str]
    base: Path
    """The recipe's folder."""

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.recipe.get("name", "recipe"))

    @cached_property
    def task(self) -> Task:
        """What the student does."""
        return Task.model_validate(self.recipe["task"])

    @cached_property
    def train(self) -> Train:
        """How it was fine-tuned."""
        return Train.model_validate(self.recipe.get("train", {}))

    @cached_property
    def student(self) -> StudentSpec:
        """The base model, and what runs it."""
        return StudentSpec.model_validate(self.recipe["models"]["student"])

    @cached_property
    def prompt_digests(self) -> dict[str, str]:
        """Every prompt that the run's nodes were made of, name -> SHA-256."""
        found: dict[str, str] = {}
        for identity in self._identities():
            found |= {str(name): str(value) for name, value in identity.get("prompts", {}).items()}
        return dict(sorted(found.items()))

    def student_identity(self) -> str:
        """Return the digest of the base model's weights as the run had them; empty where no node says."""
        for identity in self._identities():
            if found := identity.get("models", {}).get("student"):
                return str(found[0])
        return ""

    def _identities(self) -> list[dict[str, Any]]:
        rows = self.query(
            "SELECT n.identity FROM run_node r JOIN node n ON n.id = r.node WHERE r.run = ?"
            " ORDER BY n.started",
            [self.id],
        )
        return [json_object(row["identity"]) for row in rows]

    @cached_property
    def examples(self) -> Sequence[Example]:
        """The rows of the data, split by split, as the run loaded them."""
        rows = self.query(
            MINE
            + 'SELECT e.id, e.split, e.inputs, e.target, e.source, e.line, e."references" AS refs'
            " FROM example e SEMI JOIN mine USING (node, run) JOIN node n ON n.id = e.node"
            " WHERE n.stage = 'load' ORDER BY e.position",
            [self.id],
        )
        return [
            Example(
                r["id"], r["split"], text_values(r["inputs"]), r["target"], {}, r["source"], r["line"],
                tuple(r["refs"] or ()),
            )
            for r in rows
        ]  # fmt: skip

    def prompts(self, *, training: bool) -> StudentPrompts:
        """Return the turns that the student saw, in training or when it was asked.

        Raises:
            EngineError: the prompt is not what it was.
        """
        prompt = self.prompt(training=training)
        params = PromptedTask(
            task=task_view(self.task),
            prompt=prompt.name,
            shots=shots(self.task, training=training),
        )
        return StudentPrompts(params, prompt, self.examples)

    def prompt(self, *, training: bool) -> Prompt:
        """Return the student's prompt; raises EngineError where its file is gone or says something else by now."""
        own = self.train.prompt if training else None
        name = own or self.task.prompt or task_view(self.task).entry.prompt
        folders = (self.base / str(folder) for folder in self.recipe.get("look_in", ()))
        prompt = PromptLibrary(self.base, Further(tuple(folders))).get(name)
        if self.prompt_digests.get(name, prompt.digest) != prompt.digest:
            raise EngineError(
                f"the prompt {name} is not the one that run {self.id} used: {prompt.path} has changed since",
                "restore it, or run the recipe again: `pada run RECIPE`",
            )
        return prompt


def find_run(query: Query, which: Which) -> FinishedRun:
    """Return the run that is wanted; raises EngineError where there is none, or no recipe of that name was run."""
    identity, _ = choose_run(query, which.run, which.recipe)
    (row,) = query(
        "SELECT u.status, coalesce(u.ended, u.started) AS ended, u.versions, c.path, c.source, c.effective"
        " FROM run u LEFT JOIN recipe c ON c.id = u.recipe WHERE u.id = ?",
        [identity],
    )
    return FinishedRun(
        query=query,
        state=which.state,
        id=identity,
        status=row["status"],
        ended=f"{row['ended']:%Y-%m-%d}",
        recipe=json_object(row["effective"]),
        source=row["source"] or "",
        versions={str(k): str(v) for k, v in json_object(row["versions"]).items()},
        base=which.base or Path(row["path"] or ".").absolute().parent,
    )
