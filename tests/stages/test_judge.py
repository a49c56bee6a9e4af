"""judge: what its rules let through, from rows and candidates, without a judge."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.rows import Candidate, Example, Split, Verdict
from engine.stages.guard import words
from engine.stages.judge import judge
from engine.stages.protocol import Inputs, Output

SOLVED = "She sells 48 clips in April, then half of that in May, so in all 72 clips.\n#### 72"
PARAMS: dict[str, Any] = {
    "kind": "numeric", "labels": None, "description": "", "ngram": 5, "quantile": 1.0,
    "similarity": {"low": 0.0, "high": 1.0}, "neighbours": 0, "dedup": 1.1, "judge": "off",
}  # fmt: skip


def _embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Hashed word counts, unit length: near texts share words."""
    found = np.zeros((len(texts), 256), dtype=np.float32)
    for row, text in zip(found, texts, strict=True):
        for word in words(text):
            row[sum(map(ord, word)) % 256] += 1
    unit: npt.NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def _example(split: Split, text: str, target: str) -> Example:
    return Example(f"{split} {text}", split, {"question": text}, target, {}, "f", 1)


def _reasons(*rows: tuple[str, str]) -> list[str]:
    """Return why each (question, target), as a teacher wrote it, is not taken; empty for one that is."""
    said = "She has {} plums, which she has picked from a tree in her own garden today.\n#### {}"
    train = [
        _example("train", f"how many plums has number {n}", said.format(n, n)) for n in range(5)
    ]
    seen = _example("validation", "Natalia sells clips to her friends", SOLVED)
    candidates = tuple(
        Candidate(str(i), train[0].id, "p", "s", "similar", 1, {"question": text}, target, "", "", "")
        for i, (text, target) in enumerate(rows)
    )  # fmt: skip
    inputs = Inputs({"load": Output((*train, seen)), "generate": Output(candidates)})
    context = SimpleNamespace(embed=_embed)
    found = judge(PARAMS, inputs, context).of(Verdict)
    return ["" if verdict.accepted else f"{verdict.reason}: {verdict.detail}" for verdict in found]


def test_a_target_is_held_to_what_inputs_are_held_to() -> None:
    good, cut, copied = _reasons(
        ("how many figs has he", "He had 4 figs and ate 1.\n#### 3"),
        ("how many figs has she", "1 fig and " * 20),
        ("how many figs has Ann", SOLVED.replace("She", "Ann")),
    )
    assert good == ""
    assert cut.startswith("malformed: it was cut at ")
    assert copied.startswith("leak: its target shares")


def test_spaces_and_joiners_of_any_script_are_no_control_characters() -> None:
    french, persian, family, bell = _reasons(
        ("combien de figues a\u00a0Léa\u202f?", "1"),
        ("چند کتاب می\u200cخواهد", "2"),
        ("how many in \U0001f468\u200d\U0001f469\u200d\U0001f467", "3"),
        ("how many rings \x07 are these", "4"),
    )
    assert (french, persian, family) == ("", "", "")
    assert bell == "malformed: it has control characters"
