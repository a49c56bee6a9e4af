"""likeness: how like what failed, and what was said of it, rows are, pattern by pattern, as the embedder sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.rows import Pattern
from engine.stages.outputs import Loaded, Logged, NamedPatterns
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class _Looks(NamedTuple):
    failures: npt.NDArray[np.float32]
    """Embeddings of the rows that failed, shape (rows, dimensions)."""
    centroid: npt.NDArray[np.float32]
    """That of their diagnoses."""


class Likeness:
    """Compares rows with patterns."""

    def __init__(
        self,
        task: TaskView,
        patterns: Sequence[Pattern],
        named: NamedPatterns,
        load: Loaded,
        logged: Logged | None,
        ctx: Context,
    ) -> None:
        """Take the task, the patterns that count, what is in each, and the rows among which failures are.

        Test rows are not among these.
        """
        import numpy as np

        members = named.by_pattern
        log = logged.examples if logged else ()
        examples = [*(e for e in load.examples if e.split != "test"), *log]
        wanted = {member.example for pattern in patterns for member in members.get(pattern.id, ())}
        texts = {e.id: task.text_of(e.inputs) for e in examples if e.id in wanted}
        self.patterns: list[str] = []
        self._looks: list[_Looks] = []
        for pattern in patterns:
            own = [texts[m.example] for m in members.get(pattern.id, ()) if m.example in texts]
            if own:
                self.patterns.append(pattern.id)
                centroid = np.array(pattern.centroid, dtype=np.float32)
                self._looks.append(_Looks(ctx.embed(own), centroid))

    def __call__(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the likeness of rows to each pattern, shape (rows, patterns).

        It is the mean of two cosines: with the nearest of its failures, and with the centre of its diagnoses.
        """
        import numpy as np

        found = np.zeros((len(vectors), len(self._looks)), dtype=np.float32)
        for place, looks in enumerate(self._looks):
            nearest = (vectors @ looks.failures.T).max(axis=1)
            if len(looks.centroid) == vectors.shape[1]:
                nearest = (nearest + vectors @ looks.centroid) / 2
            found[:, place] = nearest
        return found
