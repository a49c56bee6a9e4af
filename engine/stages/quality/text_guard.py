"""The guard of texts: does what a teacher wrote of failures (a pattern, a strategy) repeat words of an evaluation row?

A text is blocked by a run of words that stands in one evaluation row as well: of eight words, or of fewer where these
are most of a short row. What also stands in a training row or in the task's own words is no secret: long texts about a
task share many short runs with its rows, and those of eight words hardly ever by chance. Both bounds are measured:
`python -m tests.benchmarks.gates` prints how many honest texts are blocked, and how many quotes are found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.wording import Vocabulary, windows, word_count, words

RUN = 8
"""Words in a row that are a quote, of however long a row."""
SHORTEST = 4
"""Fewest words in a row that can be a quote: shorter ones occur in many texts by chance."""
SHARE = 0.6
"""Share of a short row's words that are a quote, in a row."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


class Quote(NamedTuple):
    """Where a text repeats an evaluation row, in words that may be told: they quote neither."""

    run: int
    """Words in a row, at least; characters in a script without spaces."""
    sentence: int
    """Number of the text's sentence in which they begin, from 1."""
    unit: str = "words"

    def __str__(self) -> str:
        place = f"its sentence {self.sentence}" if self.sentence > 1 else "its beginning"
        return (
            f"{self.run} or more {self.unit} in a row, from {place} on, stand in an evaluation row"
        )


class TextGuard:
    """Finds runs of words that a text shares with evaluation rows and with nothing else."""

    def __init__(
        self, vocabulary: Vocabulary, secret: Iterable[bytes], known: Iterable[bytes]
    ) -> None:
        """Index runs of words.

        Args:
            vocabulary: What encoded the texts.
            secret: The texts of evaluation rows, each column and target by itself, encoded.
            known: The texts of training rows, in the same form.
        """
        self._vocabulary = vocabulary
        self._runs: dict[int, set[bytes]] = {}
        for part in secret:
            entries, per_word = word_count(part), vocabulary.per_word(part)
            if words_in_row := quote_length(int(entries / per_word)):
                length = min(entries, round(words_in_row * per_word))
                self._runs.setdefault(length, set()).update(windows(part, length))
        for part in known:
            for length, runs in self._runs.items():
                runs.difference_update(windows(part, length))

    def find(self, text: str, own: Sequence[str] = ()) -> Quote | None:
        """Return where a text quotes an evaluation row; `own` are the task's own words, which anybody may use."""
        encoded = self._vocabulary.encode(text)
        told = [self._vocabulary.encode(other) for other in own]
        for length in sorted(self._runs, reverse=True):
            allowed = {run for other in told for run in windows(other, length)}
            for start, run in enumerate(windows(encoded, length)):
                if run in self._runs[length] and run not in allowed:
                    unit = "words" if self._vocabulary.per_word(run) == 1 else "characters"
                    return Quote(length, _sentence(text, start), unit)
        return None


def quote_length(length: int) -> int:
    """Return how many words in a row of an evaluation text of so many words are a quote; 0 for one too short."""
    return 0 if length < SHORTEST else min(RUN, max(SHORTEST, math.ceil(SHARE * length)))


def _sentence(text: str, word: int) -> int:
    """Return the number of the sentence, from 1, in which the word of that number, from 0, stands."""
    counted = 0
    for number, sentence in enumerate(_SENTENCE.split(text), start=1):
        counted += len(words(sentence))
        if word < counted:
            return number
    return 1
