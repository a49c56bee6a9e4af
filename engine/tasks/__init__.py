"""Task kinds, one file each: what is right for a row and how an answer is read; a kind knows no model.

A new kind is one file, one prompt in `prompts/tasks/` and one line in `TASKS`.
"""

from engine.registry import Registry
from engine.tasks.answers import Answer, Asked, answers, probabilities, write
from engine.tasks.chat import Chat
from engine.tasks.classification import Classification
from engine.tasks.extraction import Extraction
from engine.tasks.generation import Generation
from engine.tasks.multiple_choice import MultipleChoice
from engine.tasks.numeric import Numeric
from engine.tasks.protocol import Reference, Task, TaskKind, TaskParams
from engine.tasks.structured import Structured

TASKS: Registry[TaskKind] = Registry(
    "task kind",
    [
        Classification(),
        MultipleChoice(),
        Extraction(),
        Structured(),
        Numeric(),
        Generation(),
        Chat(),
    ],
)

__all__ = [
    "TASKS",
    "Answer",
    "Asked",
    "Reference",
    "Task",
    "TaskKind",
    "TaskParams",
    "answers",
    "probabilities",
    "write",
]
