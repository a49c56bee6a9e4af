"""The leak guard: does a row resemble an evaluation row more than real training rows do?

Texts about rows (patterns, strategies) are compared by `text_guard`, and by cosine similarity here: they are no rows.
Three measures of rows: equality after normalisation; containment, the share of a text's word n-grams that occur in one
evaluation row; and cosine similarity to the nearest evaluation row. The last two are calibrated on the data: the
threshold is a quantile of what the real training rows show, because honest rows of one task share wording too.
Limits: a leak that is reworded and also farther than that quantile passes; texts shorter than an n-gram are
compared whole. Targets that are texts (reasoning, replies) are compared by their wording alone, and only from an n-gram
on: a short one is an answer that many rows may have; where no training target is that long, by what those of evaluation
rows share among themselves. Lengths are in words, of whatever script (`engine.wording`).

Calibration compares every training row with every evaluation row, in chunks: memory grows with their sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from engine.rows import Example
from engine.stages.quality.calibration import Embed as Embed
from engine.stages.quality.calibration import near_copy
from engine.stages.quality.text_guard import TextGuard
from engine.tasks import TaskKind
from engine.turns import Message, is_transcript, turns_in
from engine.wording import (
    NgramIndex,
    PartIndex,
    Vocabulary,
    word_count,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_SHORTEST = 4
"""Fewest words of an evaluation text that is searched for whole: shorter ones occur in many prompts by chance."""
_TEXTS_AT_ONCE = 4096
"""Training texts whose embeddings are held at a time."""
_SIMILARITIES_AT_ONCE = 2**24
"""Entries of the similarity matrix that are held at a time: 64 MB."""


class Thresholds(NamedTuple):
    """What real training rows show against evaluation rows, at the recipe's quantile."""

    containment: float
    similarity: float
    target: float
    """Containment of targets."""


class LeakGuard:
    """Checks texts against the validation and test rows."""

    def __init__(
        self,
        kind: TaskKind,
        examples: Sequence[Example],
        embed: Embed,
        ngram: int,
        quantile: float,
    ) -> None:
        """Index the evaluation rows and calibrate on the training rows that are not evaluation rows themselves."""
        self.text_of, self._texts_of = kind.text_of, kind.texts_of
        self._embed, self._n, self._quantile = embed, ngram, quantile
        self._vocabulary = Vocabulary()
        evaluation = self._evaluation = [e for e in examples if e.split != "train"]
        train = [e for e in examples if e.split == "train"]
        texts = [self.text_of(e.inputs) for e in evaluation]
        encoded = [self._vocabulary.learn(text) for text in texts]
        self._whole = set(encoded)
        self._wording = NgramIndex(self._vocabulary, encoded, ngram)
        self._vectors = embed(texts)
        self._index_parts(evaluation, train)
        self.equal_training_rows = {
            e.id for e in train if self._vocabulary.encode(self.text_of(e.inputs)) in self._whole
        }
        honest = [e for e in train if e.id not in self.equal_training_rows]
        self._index_targets(evaluation, honest)
        self.thresholds = self._calibrate(honest, quantile)

    def _index_parts(self, evaluation: Sequence[Example], train: Sequence[Example]) -> None:
        """Index each input column, of a conversation each turn, by itself; what stands in training rows is no secret.

        A short evaluation row is often the middle of a training row: every prompt that shows this one would be refused.
        """
        self._inputs = {
            self._vocabulary.learn(text) for e in evaluation for text in self._texts_of(e.inputs)
        }
        every = PartIndex(self._vocabulary, self._inputs, _SHORTEST)
        parts = self._secret = set(self._inputs)
        for example in train:
            for text in self._texts_of(example.inputs):
                parts.difference_update(every.within(self._vocabulary.encode(text)))
        self._parts = PartIndex(self._vocabulary, parts, _SHORTEST)

    def _index_targets(self, evaluation: Sequence[Example], train: Sequence[Example]) -> None:
        """Index the evaluation rows' targets that are texts; what training rows hold too is no secret."""
        vocabulary = self._vocabulary
        self._train = train
        self._known = set(filter(self._long, (vocabulary.learn(e.target) for e in train)))
        targets = {
            vocabulary.learn(target) for e in evaluation for target in (e.target, *e.references)
        }
        self._answers = set(filter(self._long, targets - self._known))
        self._targets = NgramIndex(vocabulary, self._answers, self._n)

    @cached_property
    def _texts(self) -> TextGuard:
        """The guard of texts; made when the first is checked, which only the stages that write texts do."""
        return TextGuard(self._vocabulary, self._inputs | self._answers, self._known_texts())

    @cached_property
    def _nearly_said(self) -> float:
        """The cosine above which a text says what an evaluation row says.

        Texts about rows are no rows: where training rows are far from evaluation rows, any text about them is nearer.
        """
        copied = near_copy([self.text_of(e.inputs) for e in self._evaluation], self._embed)
        return max(self.thresholds.similarity, 1.0 if copied is None else copied)

    def _known_texts(self) -> Iterator[bytes]:
        for example in self._train:
            for text in (*self._texts_of(example.inputs), example.target):
                yield self._vocabulary.encode(text)

    def _long(self, text: bytes) -> bool:
        return self._at_least(self._n, text)

    def _at_least(self, length: int, text: bytes) -> bool:
        return word_count(text) >= round(length * self._vocabulary.per_word(text))

    def _calibrate(self, train: Sequence[Example], quantile: float) -> Thresholds:
        """Return the thresholds that the share `quantile` of the training rows does not exceed."""
        import numpy as np

        self._told_by = "training rows"
        if not train:
            return Thresholds(0.0, 1.0, 0.0)
        encode = self._vocabulary.encode
        texts = [self.text_of(e.inputs) for e in train]
        contained = [self._wording.containment(encode(text)) for text in texts]
        targets = [
            self._targets.containment(target)
            for target in (encode(e.target) for e in train)
            if self._long(target)
        ]
        # Where training targets are bare answers, none is a text that could tell what honest ones share.
        self._told_by = "training rows" if targets else "evaluation rows among themselves"
        targets = targets or self._among_answers()
        chunks = [texts[i : i + _TEXTS_AT_ONCE] for i in range(0, len(texts), _TEXTS_AT_ONCE)]
        similarities = np.concatenate([self._similarity(chunk) for chunk in chunks])
        return Thresholds(
            float(np.quantile(contained, quantile)),
            float(np.quantile(similarities, quantile)),
            float(np.quantile(targets or [0.0], quantile)),
        )

    def _among_answers(self) -> list[float]:
        """Return what every second target of the evaluation rows shares with one of the others."""
        answers = sorted(self._answers)
        others = NgramIndex(self._vocabulary, answers[::2], self._n)
        return [others.containment(answer) for answer in answers[1::2]]

    def _similarity(
        self, texts: Sequence[str], vectors: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return each text's cosine similarity to its nearest evaluation row, -1 where there is none."""
        import numpy as np

        if not len(self._vectors):
            return np.full(len(texts), -1.0, dtype=np.float32)
        if vectors is None:
            vectors = self._embed(texts)
        rows = max(1, _SIMILARITIES_AT_ONCE // len(self._vectors))
        nearest = [
            (vectors[i : i + rows] @ self._vectors.T).max(axis=1)
            for i in range(0, len(texts), rows)
        ]
        return np.concatenate(nearest)

    def check(
        self, texts: Sequence[str], vectors: npt.NDArray[np.float32] | None = None
    ) -> list[str | None]:
        """Return for each text why it counts as a leak, None when it is clean. The reason quotes no row.

        `vectors` are the texts' embeddings, where they are at hand.
        """
        if not texts:
            return []
        reasons: list[str | None] = []
        for text, similarity in zip(texts, self._similarity(texts, vectors), strict=True):
            encoded = self._vocabulary.encode(text)
            contained = self._wording.containment(encoded)
            if encoded in self._whole:
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

    def check_turns(self, inputs: Mapping[str, str]) -> str | None:
        """Return why a turn of a row, by itself, counts as a leak; None when all are clean or training rows' turns.

        A long conversation around it would hide an evaluation row, and a system turn, which `check` does not compare
        because many rows share it, could hold one. A text of any other kind of task may begin as a turn does.
        """
        for role, said in self._turns_of(inputs):
            if said in self._known_turns:
                continue
            encoded = self._vocabulary.encode(said)
            if encoded in self._secret and self._at_least(_SHORTEST, encoded):
                return "a turn of it equals an evaluation row, or one of its turns"
            if self._long(encoded):
                contained = self._wording.containment(encoded)
                if contained > self._turn_limit:
                    return (
                        f"a turn of it shares {contained:.0%} of its word {self._n}-grams with an evaluation row "
                        f"(training rows: at most {self._turn_limit:.0%})"
                    )
            if role == "assistant" and (why := self.check_target(said)):
                return f"in a turn of it: {why}"
        return None

    @staticmethod
    def _turns_of(inputs: Mapping[str, str]) -> Iterator[Message]:
        for text in filter(is_transcript, inputs.values()):
            yield from turns_in(text)

    @cached_property
    def _known_turns(self) -> frozenset[str]:
        """What turns of training rows say: a row that is made from one has them from there."""
        return frozenset(said for e in self._train for _, said in self._turns_of(e.inputs))

    @cached_property
    def _turn_limit(self) -> float:
        """The containment that turns of training rows, at the recipe's quantile, do not exceed; of rows without any."""
        import numpy as np

        encoded = map(self._vocabulary.encode, self._known_turns)
        contained = [self._wording.containment(turn) for turn in encoded if self._long(turn)]
        turns = float(np.quantile(contained, self._quantile)) if contained else 0.0
        return max(turns, self.thresholds.containment)

    def check_target(self, target: str) -> str | None:
        """Return why a row's own target counts as a leak, None when it is clean or a training row's."""
        encoded = self._vocabulary.encode(target)
        if not self._long(encoded) or encoded in self._known:
            return None
        contained = self._targets.containment(encoded)
        if contained <= self.thresholds.target:
            return None
        return (
            f"its target shares {contained:.0%} of its word {self._n}-grams with an evaluation row's "
            f"({self._told_by}: at most {self.thresholds.target:.0%})"
        )

    def quotes(self, text: str, own: Sequence[str] = ()) -> str | None:
        """Return why a pattern or strategy text may not be rendered: it quotes or is close to an evaluation row.

        Args:
            text: What the teacher wrote.
            own: The task's own words, which are no secret: its description, what its labels and columns mean.

        Returns:
            None for a text that may be rendered, else a reason that quotes no row: it can be stored, shown, and told
            the teacher when it is asked for another wording.
        """
        quote = self._texts.find(text, own)
        if quote is not None:
            return str(quote)
        (similarity,) = self._similarity([text])
        if similarity > self._nearly_said:
            return (
                f"as a whole it says nearly what an evaluation row says (similarity {similarity:.3f}, "
                f"allowed {self._nearly_said:.3f})"
            )
        return None

    def stands_in(self, prompt: str, own: Iterable[str] = ()) -> bool:
        """Return whether an evaluation row of four words or more occurs whole in a prompt.

        Args:
            prompt: What would be sent, or a part of it.
            own: The prompt's and the task's own words: what stands there is no secret, or no prompt could be sent.
        """
        # Prompts hold values as JSON: a line break or a quote must not join or split words.
        plain = prompt.replace("\\n", " ").replace('\\"', '"')
        found = set(self._parts.within(self._vocabulary.encode(plain)))
        if not found:
            return False
        return not found <= {
            part for text in own for part in self._parts.within(self._vocabulary.encode(text))
        }


class LeakGuards:
    """The leak guards of a run, each calibrated once: seconds to minutes of work that many nodes share."""

    def __init__(self, embed: Embed) -> None:
        """Take what embeds texts; nothing is embedded yet."""
        self._embed = embed
        self._made: list[tuple[tuple[Example, ...], tuple[str, int, float], LeakGuard]] = []

    def get(
        self, kind: TaskKind, examples: Sequence[Example], ngram: int, quantile: float
    ) -> LeakGuard:
        """Return the guard for these rows of a kind of task and settings."""
        rows, settings = tuple(examples), (kind.name, ngram, quantile)
        for known_rows, known_settings, guard in self._made:
            if known_settings == settings and known_rows == rows:
                return guard
        guard = LeakGuard(kind, rows, self._embed, ngram, quantile)
        self._made.append((rows, settings, guard))
        return guard
