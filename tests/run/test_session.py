"""What a run keeps for all its nodes: one leak guard, and vectors that do not depend on who asked first."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engine.plan.resources import RoleModel
from engine.rows import Example
from engine.run.progress import Callback
from engine.run.session import Session
from engine.stages.outputs import Loaded
from engine.stages.quality import leak_guard
from engine.tasks import TASKS, TaskKind
from tests.stages.scripted_context import embed_words
from tests.stages.small_task import LOADED

TEXTS = TASKS["classification"]


class CountingEmbedder:
    """Keeps what it was asked to embed."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def embed(self, texts: Sequence[str], progress: object = None) -> npt.NDArray[np.float32]:
        self.batches.append(list(texts))
        return embed_words(texts)


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def session(embedder: CountingEmbedder, monkeypatch: pytest.MonkeyPatch) -> Session:
    model = RoleModel("scripted", "embedder", "e", Path("."), {})
    texts = [TEXTS.text_of(e.inputs) for e in LOADED.examples]
    session = Session({"embedder": model}, Callback(), lambda: texts)
    monkeypatch.setattr(session, "_backend", lambda role: embedder)
    return session


def test_a_run_has_one_leak_guard_for_all_nodes_and_each_time_that_one_is_run_again(
    session: Session, embedder: CountingEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Sequence[Example]] = []
    build = leak_guard.LeakGuard.__init__

    def count(self: object, kind: TaskKind, examples: Sequence[Example], *rest: object) -> None:
        made.append(examples)
        build(self, kind, examples, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(leak_guard.LeakGuard, "__init__", count)
    guards = []
    for node in ("name", "strategy", "generate-1", "judge-1", "judge-1"):
        session.enter(node)
        # What is read from the store again is equal, not the same.
        examples = Loaded(tuple(LOADED.rows)).examples
        guards.append(session.leak_guard(TEXTS, examples, 5, 0.99))
        guards[-1].check([f"a text of {node}"])
        session.leave(node)
    assert len({id(guard) for guard in guards}) == len(made) == 1
    assert session.leak_guard(TEXTS, LOADED.examples, 4, 0.99) is not guards[0]
    first, *others = embedder.batches
    assert first == list(dict.fromkeys(TEXTS.text_of(e.inputs) for e in LOADED.examples))
    assert others == [
        [f"a text of {n}"] for n in ("name", "strategy", "generate-1", "judge-1", "judge-1")
    ]
