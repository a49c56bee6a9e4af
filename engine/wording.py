"""Words and word n-grams: how texts are compared by their wording, and an index of millions of n-grams.

Functions of texts; knows nothing of rows, splits or embeddings.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set

_WORD = re.compile(r"\w+", re.UNICODE)
_WIDTH = array("I").itemsize
"""Bytes of one word of an encoded text."""
_LAST = 2 ** (8 * _WIDTH) - 1


def text_of(inputs: Mapping[str, str]) -> str:
    """Return a row's inputs as one text, as they are embedded and compared."""
    return "\n".join(inputs.values())


def words(text: str) -> tuple[str, ...]:
    """Return the lower-case words of a text, without punctuation."""
    return tuple(_WORD.findall(text.casefold()))


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """Return the word n-grams of a text; a shorter text is one n-gram, an empty one has none."""
    sequence = words(text)
    if len(sequence) <= n:
        return {sequence} if sequence else set()
    return {sequence[i : i + n] for i in range(len(sequence) - n + 1)}


class Vocabulary:
    """Encodes the words of texts as bytes, one number per word: an n-gram takes a tenth of a tuple's memory.

    Equal bytes are equal words among learned texts, and between a learned text and any other. Two texts that were
    never learned cannot be compared: the words that are not in the vocabulary are numbered anew in each.
    """

    def __init__(self) -> None:
        """Start without words."""
        self._numbers: dict[str, int] = {}

    def learn(self, text: str) -> bytes:
        """Return an encoded text, whose words are known from now on."""
        numbers = self._numbers
        return array("I", [numbers.setdefault(w, len(numbers)) for w in words(text)]).tobytes()

    def encode(self, text: str) -> bytes:
        """Return an encoded text; the vocabulary stays as it is."""
        numbers, unknown = self._numbers, dict[str, int]()
        return array(
            "I",
            [
                numbers[word] if word in numbers else unknown.setdefault(word, _LAST - len(unknown))
                for word in words(text)
            ],
        ).tobytes()


def word_count(encoded: bytes) -> int:
    """Return the number of words of an encoded text."""
    return len(encoded) // _WIDTH


def windows(encoded: bytes, n: int) -> Iterator[bytes]:
    """Yield each run of `n` words of an encoded text, in order; none where it is shorter."""
    for start in range(0, len(encoded) - n * _WIDTH + 1, _WIDTH):
        yield encoded[start : start + n * _WIDTH]


def encoded_ngrams(encoded: bytes, n: int) -> set[bytes]:
    """Return the n-grams of an encoded text; a shorter text is one n-gram, an empty one has none."""
    if len(encoded) <= n * _WIDTH:
        return {encoded} if encoded else set()
    return set(windows(encoded, n))


class NgramIndex:
    """Which of some encoded texts hold an n-gram."""

    def __init__(self, texts: Iterable[bytes], n: int) -> None:
        """Index texts by their n-grams of `n` words."""
        self._n = n
        # Most n-grams stand in one text, which a number says in a tenth of a set's memory.
        self._first: dict[bytes, int] = {}
        self._others: dict[bytes, array[int]] = {}
        for number, text in enumerate(texts):
            for gram in encoded_ngrams(text, n):
                if self._first.setdefault(gram, number) != number:
                    self._others.setdefault(gram, array("I")).append(number)

    @property
    def grams(self) -> Set[bytes]:
        """All n-grams of the texts."""
        return self._first.keys()

    def containment(self, text: bytes) -> float:
        """Return the largest share of a text's n-grams that one of the indexed texts holds, 0 to 1."""
        grams = encoded_ngrams(text, self._n)
        shared: Counter[int] = Counter()
        for gram in grams & self._first.keys():
            shared[self._first[gram]] += 1
            shared.update(self._others.get(gram, ()))
        return max(shared.values(), default=0) / len(grams) if grams else 0.0


class PartIndex:
    """Finds whole texts inside a longer one; texts shorter than `shortest` words are not looked for."""

    def __init__(self, parts: Iterable[bytes], shortest: int) -> None:
        """Index the encoded texts by their first words."""
        self._shortest = shortest
        self._parts: dict[bytes, list[bytes]] = {}
        for part in parts:
            if word_count(part) >= shortest:
                self._parts.setdefault(part[: shortest * _WIDTH], []).append(part)

    def within(self, text: bytes) -> Iterator[bytes]:
        """Yield the parts that stand whole in an encoded text."""
        for number, beginning in enumerate(windows(text, self._shortest)):
            for part in self._parts.get(beginning, ()):
                if text.startswith(part, number * _WIDTH):
                    yield part
