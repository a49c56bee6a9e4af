"""The `sentence-transformers` backend: text embedding models on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from engine.backends.entry import Backend, ModelRef, Settings
from engine.backends.local.weights import pick_device, quiet
from engine.backends.protocol import Progress
from engine.errors import BackendError, ModelError, boundary

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class SentenceTransformersSettings(Settings):
    """Settings of an embedding model that runs here with sentence-transformers."""

    batch_size: int = Field(default=64, ge=1, le=4096)
    """Texts computed together."""
    device: str = "auto"
    """`auto` (the first CUDA device, else the CPU), or a torch device such as `cpu` or `cuda:1`."""


class LocalEmbedder:
    """An embedding model in a folder; nothing is loaded before the first text."""

    def __init__(self, ref: ModelRef, settings: SentenceTransformersSettings) -> None:
        """Take what to load."""
        self._ref = ref
        self._settings = settings

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        if self._ref.path is None:
            raise BackendError(
                f"the weights of {self._ref.name} are not on this machine",
                "run `pada models fetch`",
            )
        _refuse_pickles(self._ref.path)
        hint = "the folder must hold a model of sentence-transformers (modules.json, config.json)"
        where = f"cannot load the embedding model in {self._ref.path}"
        with boundary(lambda reason: ModelError(f"{where}: {reason}", hint)), quiet():
            return SentenceTransformer(
                str(self._ref.path),
                device=pick_device(self._settings.device),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )

    def embed(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), dimensions).

        Batches are formed from the full list, longest texts first.
        """
        import numpy as np

        size = self._settings.batch_size
        order = sorted(range(len(texts)), key=lambda row: (-len(texts[row]), row))
        embeddings = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            embeddings[rows] = self._model.encode(
                [texts[row] for row in rows],
                batch_size=size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
            if progress is not None:
                progress(len(rows))
        return embeddings

    @property
    def _dimensions(self) -> int:
        return int(self._model.get_embedding_dimension())


def _refuse_pickles(folder: Path) -> None:
    """Refuse weights that would be unpickled: the library takes them for a module that has no others."""
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(pickled.parent.glob("*.safetensors")):
            raise ModelError(
                f"{pickled} is not read: unpickling can run code",
                "save the model again with sentence-transformers: it writes model.safetensors",
            )


BACKEND = Backend(
    name="sentence-transformers",
    roles=("embedder",),
    settings=SentenceTransformersSettings,
    local=True,
    embedder=LocalEmbedder,
)
