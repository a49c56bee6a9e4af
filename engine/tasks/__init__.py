"""Task kinds, one file each; a new kind is one file and one line in `TASKS`."""

from engine.registry import Registry
from engine.tasks.classification import Classification
from engine.tasks.protocol import Answer, TaskKind

TASKS: Registry[TaskKind] = Registry("task kind", [Classification()])

__all__ = ["TASKS", "Answer", "TaskKind"]
