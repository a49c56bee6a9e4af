"""What the pages say, as data: they are gathered in other processes than the one that writes."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import Problem


@dataclass(frozen=True, slots=True)
class Box:
    """A node of a plan, as it is drawn."""

    name: str
    """As in the plan."""
    title: str
    place: str
    """Of which round it is, in words."""
    asks: str
    """Whom it asks: the student, the teacher, the judge; empty where it asks no model."""
    reads: tuple[str, ...]
    """Names of the nodes that come before it, all of them."""
    conditions: frozenset[str] = frozenset()
    """Those among `reads` that must have decided that it is run."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The part of a plan that is drawn, and what goes as it does."""

    boxes: tuple[Box, ...]
    nodes: int
    """Of the whole plan."""
    alike: tuple[str, ...]
    """What is left out because it goes as what is drawn, in words."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A category with those that are part of it."""

    id: str
    description: str
    where: str | None
    examples: tuple[str, ...]
    parts: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class UsedOperator:
    """An operator that a recipe uses."""

    name: str
    description: str
    origin: str
    share: str
    """What the recipe says of it."""
    facts: tuple[tuple[str, str], ...]
    params: tuple[tuple[str, str, str, str], ...]
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    """A prompt: rendered with rows, or as it is written."""

    stage: str
    role: str
    file: str
    turns: tuple[tuple[str, str], ...]
    """Who speaks, and the text."""
    rendered: bool


@dataclass(frozen=True, slots=True)
class Package:
    """A package that recipes here may name files of."""

    name: str
    version: str
    source: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """What the page of one recipe says, but for its history."""

    file: str
    """Path in the tree."""
    name: str
    problems: tuple[Problem, ...]
    source: str
    version: str = ""
    description: str = ""
    kind: str = ""
    student: str = ""
    method: str = ""
    models: tuple[tuple[str, str, str], ...] = ()
    """Role, model, backend."""
    data: tuple[tuple[str, str], ...] = ()
    """Split, and where its rows are from."""
    resolved: str = ""
    """All settings, defaults included, as YAML."""
    graph: Graph | None = None
    taxonomy: tuple[Branch, ...] = ()
    sorting: str = ""
    taxonomy_file: str = ""
    operators: tuple[UsedOperator, ...] = ()
    prompts: tuple[ShownPrompt, ...] = ()
    prompts_note: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether it has errors, so that nothing but these can be shown."""
        return any(problem.level == "error" for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Student:
    """A student of a run, and what it scored on test rows."""

    label: str
    round: int
    """-1: the untuned one."""
    value: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True)
class RunScores:
    """A run of a recipe and how well its students did."""

    run: str
    version: str
    status: str
    started: str
    metric: str
    percent: bool
    students: tuple[Student, ...]
    """From the untuned one to that of the last round."""
    limit: int | None
    """Rows of each split, where it had not all."""
