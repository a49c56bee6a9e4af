"""The models of a run, each loaded at first use and once per process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from engine.backends import BACKENDS
from engine.backends.entry import Kind
from engine.backends.protocol import Embedder, Generator, Student
from engine.errors import ModelError
from engine.plan.resources import RoleModel
from engine.run.progress import Reporter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


KINDS: dict[str, Kind] = {
    "student": "student",
    "teacher": "generator",
    "judge": "generator",
    "embedder": "embedder",
}


class Session:
    """Opens backends by role; equal models share one backend, and texts are embedded once."""

    def __init__(self, models: Mapping[str, RoleModel], reporter: Reporter) -> None:
        """Take the models by role; nothing is loaded yet."""
        self._models, self._reporter = models, reporter
        self._open: dict[tuple[str, ...], Any] = {}
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}

    def model(self, role: str) -> RoleModel:
        """Return what stands behind a role."""
        return self._models[role]

    def _backend(self, role: str) -> Any:
        model = self._models[role]
        backend = BACKENDS[model.backend]
        if backend.local and model.path is None:
            raise ModelError(
                f"the model '{model.name}' ({role}) is not on this machine",
                "run: pada models fetch",
            )
        kind = KINDS[role]
        key = (kind, model.backend, model.identity, repr(sorted(model.settings.items())))
        if key not in self._open:
            self._open[key] = backend.open(kind, model.path, model.name, dict(model.settings))
        return self._open[key]

    def generator(self, role: str) -> Generator:
        """Return the backend of the teacher or the judge."""
        return cast(Generator, self._backend(role))

    def student(self) -> Student:
        """Return the student's backend."""
        return cast(Student, self._backend("student"))

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), dimensions); each distinct text is embedded once."""
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            embedder = cast(Embedder, self._backend("embedder"))
            bar = self._reporter.open("embed", len(new)) if len(new) > 256 else None
            self._vectors.update(zip(new, embedder.embed(new, bar), strict=True))
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        return np.stack([self._vectors[text] for text in texts])
