"""The leak guard: does a text resemble an evaluation row more than real training rows do?

Three measures: equality after normalisation; containment, the share of a text's word n-grams that occur in one
evaluation row; and cosine similarity to the nearest evaluation row. The last two are calibrated on the data: the
threshold is a quantile of what the real training rows show, because honest rows of one task share wording too.
Limits: a leak that is reworded and also farther than that quantile passes; texts shorter than an n-gram are
compared whole. Targets that are texts (reasoning, replies) are compared by their wording alone, and only from an n-gram
on: a short one is an answer that many rows may have.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine.identity import Params
from engine.rows import Example
from engine.spec.row_checks import golds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Embed = Callable[[Sequence[str]], "npt.NDArray[np.float32]"]

_SHORTEST = 4
"""Words of an evaluation text that is looked for whole: shorter ones stand in many a prompt by chance."""
_WORD = re.compile(r"\w+", re.UNICODE)


def words(text: str) -> tuple[str, ...]:
    """Return the lower-case words of a text, without punctuation."""
    return tuple(_WORD.findall(text.casefold()))


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """Return the word n-grams of a text; a shorter text is one n-gram, an empty one has none."""
    found = words(text)
    if len(found) <= n:
        return {found} if found else set()
    return {found[i : i + n] for i in range(len(found) - n + 1)}


def text_of(example: Example) -> str:
    """Return an example's inputs as one text, as they are embedded and compared."""
    return "\n".join(example.inputs.values())


def _golds_of(example: Example) -> tuple[str, ...]:
    return golds({**example.columns, "target": example.target}, "target")


@dataclass(frozen=True, kw_only=True)
class GuardParams(Params):
    """What counts as a leak."""

    ngram: int
    """Length in words of the n-grams compared."""
    quantile: float
    """Quantile of what real training rows show against evaluation rows; more than that is a leak."""


class Thresholds(NamedTuple):
    """What real training rows show against evaluation rows, at the recipe's quantile."""

    containment: float
    similarity: float
    target: float
    """Containment of targets."""


class _Wording:
    """Which of some texts hold a word n-gram."""

    def __init__(self, texts: Sequence[str], n: int) -> None:
        self._n = n
        self.grams: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for number, text in enumerate(texts):
            for gram in ngrams(text, n):
                self.grams[gram].add(number)

    def containment(self, text: str) -> float:
        """Return the largest share of a text's n-grams that one of the texts holds, 0 to 1."""
        grams = ngrams(text, self._n)
        shared: dict[int, int] = defaultdict(int)
        for gram in grams:
            for number in self.grams.get(gram, ()):
                shared[number] += 1
        return max(shared.values(), default=0) / len(grams) if grams else 0.0


class LeakGuard:
    """Checks texts against the validation and test rows; one per node."""

    def __init__(self, examples: Sequence[Example], embed: Embed, n: int, quantile: float) -> None:
        """Index the evaluation rows and calibrate on the training rows that are not evaluation rows themselves."""
        import numpy as np

        self._embed, self._n = embed, n
        evaluation = [text_of(e) for e in examples if e.split != "train"]
        self._whole = {words(text) for text in evaluation}
        shared = {words(text) for e in examples if e.split == "train" for text in e.inputs.values()}
        # Each column by itself, as prompts show it; what training rows hold too is no secret.
        parts = {words(text) for e in examples if e.split != "train" for text in e.inputs.values()}
        self._parts: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
        for part in parts - shared:
            if len(part) >= _SHORTEST:
                self._parts[part[:_SHORTEST]].append(part)
        self._wording = _Wording(evaluation, n)
        self._vectors = embed(evaluation)
        train = [e for e in examples if e.split == "train"]
        self.equal_training_rows = {e.id for e in train if words(text_of(e)) in self._whole}
        honest = [e for e in train if e.id not in self.equal_training_rows]
        self._index_targets([e for e in examples if e.split != "train"], honest)
        if honest:
            texts = [text_of(e) for e in honest]
            contained = [self._wording.containment(text) for text in texts]
            targets = [self._targets.containment(e.target) for e in honest if self._long(e.target)]
            self.thresholds = Thresholds(
                float(np.quantile(contained, quantile)),
                float(np.quantile(self._similarity(texts), quantile)),
                float(np.quantile(targets or [0.0], quantile)),
            )
        else:
            self.thresholds = Thresholds(0.0, 1.0, 0.0)

    def _long(self, target: str) -> bool:
        return len(words(target)) >= self._n

    def _index_targets(self, evaluation: Sequence[Example], train: Sequence[Example]) -> None:
        """Index the evaluation rows' targets that are texts; what training rows hold too is no secret."""
        self._known = {words(e.target) for e in train}
        targets = {t for e in evaluation for t in (e.target, *_golds_of(e)) if self._long(t)}
        self._targets = _Wording(sorted(t for t in targets if words(t) not in self._known), self._n)
        self._secret = set(self._targets.grams)
        for example in train if self._secret else ():
            for text in (*example.inputs.values(), example.target):
                self._secret -= ngrams(text, self._n)

    def _similarity(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return each text's cosine similarity to its nearest evaluation row."""
        nearest: npt.NDArray[np.float32] = (self._embed(texts) @ self._vectors.T).max(axis=1)
        return nearest

    def check(self, texts: Sequence[str]) -> list[str | None]:
        """Return for each text why it counts as a leak, None when it is clean. The reason quotes no row."""
        if not texts:
            return []
        reasons: list[str | None] = []
        for text, similarity in zip(texts, self._similarity(texts), strict=True):
            contained = self._wording.containment(text)
            if words(text) in self._whole:
                reasons.append("equals an evaluation row")
            elif contained > self.thresholds.containment:
                reasons.append(
                    f"shares {contained:.0%} of its word {self._n}-grams with an evaluation row "
                    f"(training rows: at most {self.thresholds.containment:.0%})"
                )
            elif similarity > self.thresholds.similarity:
                reasons.append(
                    f"similarity {similarity:.3f} to an evaluation row "
                    f"(training rows: at most {self.thresholds.similarity:.3f})"
                )
            else:
                reasons.append(None)
        return reasons

    def check_target(self, target: str) -> str | None:
        """Return why a row's own target counts as a leak, None when it is clean or a training row's."""
        if not self._long(target) or words(target) in self._known:
            return None
        contained = self._targets.containment(target)
        if contained <= self.thresholds.target:
            return None
        return (
            f"its target shares {contained:.0%} of its word {self._n}-grams with an evaluation row's "
            f"(training rows: at most {self.thresholds.target:.0%})"
        )

    def quotes(self, text: str) -> str | None:
        """Return why a pattern or strategy text may not be rendered: it quotes or is close to an evaluation row."""
        grams = {gram for gram in ngrams(text, self._n) if len(gram) >= self._n}
        if not grams.isdisjoint(self._wording.grams.keys()):
            return f"shares a word {self._n}-gram with an evaluation row"
        if not grams.isdisjoint(self._secret):
            return f"shares a word {self._n}-gram with the target of an evaluation row"
        if self.found_in(text):
            return "quotes a whole evaluation row"
        return self.check([text])[0]

    def found_in(self, prompt: str) -> bool:
        """Return whether an evaluation row of four words or more stands whole inside a prompt."""
        # Values stand in prompts as JSON: a line break or a quote must not join or split words.
        inside = words(prompt.replace("\\n", " ").replace('\\"', '"'))
        return any(
            inside[at : at + len(part)] == part
            for at in range(len(inside) - _SHORTEST + 1)
            for part in self._parts.get(inside[at : at + _SHORTEST], ())
        )
