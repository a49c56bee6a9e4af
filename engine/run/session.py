"""The models of a run, each loaded at first use and once per process."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from engine.backends import BACKENDS
from engine.backends.entry import Kind, ModelRef, Served
from engine.backends.protocol import (
    Deferred,
    Embedder,
    Generator,
    Progress,
    Student,
    TrainingJob,
    TrainingResult,
)
from engine.errors import BackendError, ModelError
from engine.plan.resources import RoleModel
from engine.rows import Example
from engine.run.progress import Reporter
from engine.run.repeated import Recorded, RecordedGenerator
from engine.stages.quality.leak_guard import LeakGuard, LeakGuards
from engine.tasks import TaskKind

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

    def __init__(
        self,
        models: Mapping[str, RoleModel],
        reporter: Reporter,
        first: Callable[[], Sequence[str]],
        recorded: Recorded | None = None,
    ) -> None:
        """Take the models by role, and the texts to embed before any others; nothing is loaded yet.

        Where replies are `recorded`, they answer in place of models that are asked in calls.
        """
        self._recorded = recorded
        self._models, self._reporter, self._first = models, reporter, first
        self._lasting: dict[str, npt.NDArray[np.float32]] = {}
        self._open: dict[tuple[str, ...], Any] = {}
        self._served: Served | None = None
        self._vectors: dict[str, dict[str, npt.NDArray[np.float32]]] = {"": {}}
        self._node = ""
        self._guards = LeakGuards(self.embed)

    def model(self, role: str) -> RoleModel:
        """Return what stands behind a role."""
        return self._models[role]

    def _present(self, role: str) -> None:
        """Raise ModelError where the weights of a role are not here."""
        model = self._models[role]
        if BACKENDS[model.backend].local and model.path is None:
            raise ModelError(
                f"the model '{model.name}' ({role}) is not on this machine",
                "run: pada models fetch",
            )

    def _backend(self, role: str) -> Any:
        model = self._models[role]
        backend = BACKENDS[model.backend]
        self._present(role)
        kind = KINDS[role]
        if kind == "student" and backend.student is None:
            kind = "generator"
        key = (kind, model.backend, model.identity, repr(sorted(model.settings.items())))
        if key not in self._open:
            self._open[key] = backend.open(kind, model.path, model.name, dict(model.settings))
        return self._open[key]

    def line(self, role: str) -> object:
        """Return what tells models that are asked apart: roles of one line are the same model, and asked in turn."""
        if self._recorded is not None:
            return role
        model = self._models[role]
        return (model.backend, model.identity, repr(sorted(model.settings.items())))

    def generator(self, role: str) -> Generator:
        """Return the backend of a role that is asked in calls."""
        if self._recorded is not None:
            return RecordedGenerator(self._recorded, role)
        return cast(Generator, self._backend(role))

    def deferred(self, role: str) -> Deferred | None:
        """Return the backend of the teacher or the judge where its replies come after the run, else None."""
        if self._recorded is not None or not BACKENDS[self._models[role].backend].deferred:
            return None
        return cast(Deferred, self._backend(role))

    def close(self) -> None:
        """End what was started for the run; what is asked afterwards starts it again."""
        if self._served is not None:
            self._served.stop()

    def _student(self) -> Served:
        if self._served is None:
            model = self._models["student"]
            serve = BACKENDS[model.backend].served
            if serve is None or model.serving is None:
                student = cast(Student, self._backend("student"))
                self._served = Served(student, lambda: None, lambda: None)
            else:
                self._present("student")
                settings = BACKENDS[model.backend].parse(model.settings)
                self._served = serve(ModelRef(model.name, model.path), settings, model.serving)
        return self._served

    def trainer(self) -> Callable[[TrainingJob, Progress], TrainingResult]:
        """Return how the student is fine-tuned; raises BackendError where it cannot be."""
        name = self._models["student"].backend
        train = BACKENDS[name].train
        if train is None:
            raise BackendError(
                f"a student on the backend '{name}' cannot be fine-tuned",
                "use weights on this machine: backend transformers",
            )
        # What answers for the student is started before it is trained: a fine-tune that nobody can ask is hours lost.
        self._student().start()
        return train

    def student(self) -> Student | None:
        """Return the student's backend; None where it only answers in calls, as a model behind a server does."""
        if BACKENDS[self._models["student"].backend].student is None:
            return None
        return self._student().student

    def embed(self, texts: Sequence[str], *, keep: bool = True) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), dimensions).

        The last digits of an embedding depend on what is embedded beside it. So the examples are embedded first,
        together, and other texts anew in each node: a resumed run forms the batches of an undisturbed one.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        if not self._lasting:
            self._lasting.update(self._embedded(list(dict.fromkeys(self._first()))))
        own, lasting = self._vectors[self._node], self._lasting
        new = self._embedded(
            [text for text in dict.fromkeys(texts) if text not in own and text not in lasting]
        )
        if keep:
            own.update(new)
        # Not one mapping of all: many small questions would copy it again and again.
        found = ChainMap(new, own, lasting)
        return np.stack([found[text] for text in texts])

    def leak_guard(
        self, kind: TaskKind, examples: Sequence[Example], ngram: int, quantile: float
    ) -> LeakGuard:
        """Return the guard over the evaluation rows among `examples`, built once per setting."""
        return self._guards.get(kind, examples, ngram, quantile)

    def enter(self, node: str) -> None:
        """Go on with a node: what it embeds is kept for it alone, while it waits for replies too."""
        self._node = node
        self._vectors.setdefault(node, {})

    def leave(self, node: str) -> None:
        """Forget what a finished node embedded."""
        self._node = ""
        del self._vectors[node]

    def _embedded(self, texts: list[str]) -> dict[str, npt.NDArray[np.float32]]:
        if not texts:
            return {}
        embedder = cast(Embedder, self._backend("embedder"))
        bar = self._reporter.open("embed", len(texts)) if len(texts) > 256 else None
        return dict(zip(texts, embedder.embed(texts, bar), strict=True))
