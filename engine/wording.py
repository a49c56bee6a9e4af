"""Words and word n-grams: how texts are compared by their wording, and an index of millions of n-grams.

Scripts without spaces between words are taken apart into characters, with the marks that stand on them. Lengths are
told in words all the same: so many characters are compared as make up as many words in the script of a text. Letters
are compared whatever their case and however they are composed (NFKC).

Functions of texts; knows nothing of rows, splits or embeddings.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from functools import cache
from typing import NamedTuple
from unicodedata import category, normalize

_CHINESE = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303c\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48f\uf900-\ufaff\uff66-\uff9f"
)
"""Chinese characters, kana, bopomofo, Yi."""
_THAI = (
    "\u0e01-\u0e4f\u0e5a-\u0eff\u0f00-\u0fff\u1000-\u103f\u104a-\u109f\u1780-\u17df\u1950-\u19df\u1a20-\u1aaf"
    "\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f\uaa80-\uaadf"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai Le, New Tai Lue, Tai Tham, Tai Viet."""
_WORD = re.compile(r"\w+")
_KINDS = ((re.compile(f"[{_CHINESE}]"), 1.7), (re.compile(f"[{_THAI}]"), 3.5))
"""Scripts without spaces, and about how many of their characters make a word in running text."""
_WIDTH = array("I").itemsize
"""Bytes of one word of an encoded text."""
_STEP = 4
"""The number of a word, divided by it, leaves the kind of its script: 0 for those with spaces."""
_LAST = 2 ** (8 * _WIDTH) - _STEP


class _Patterns(NamedTuple):
    """What words are where letters carry marks or words have no spaces between them."""

    word: re.Pattern[str]
    beyond: re.Pattern[str]
    """What texts whose words are simple runs of letters do not have."""


@cache
def _patterns() -> _Patterns:
    # Characters of the basic plane alone: with others a class is searched many times slower, and those of scripts
    # without spaces are rare and stand between characters of the plane.
    # Python takes marks, such as the vowels of Hindi and Thai, for no part of a word.
    joined = (chr(code) for code in range(0x300, 0x10000) if category(chr(code)) in ("Mn", "Mc"))
    marks = "".join(joined) + "\u200c\u200d"
    without_spaces = _CHINESE + _THAI
    return _Patterns(
        re.compile(rf"(?=[{without_spaces}])\w[{marks}]*|(?:(?![{without_spaces}])\w[{marks}]*)+"),
        re.compile(rf"[{without_spaces}{marks}]"),
    )


def words(text: str) -> tuple[str, ...]:
    """Return the lower-case words of a text, without punctuation; single characters where a script has no spaces."""
    if text.isascii():
        return tuple(_WORD.findall(text.casefold()))
    text = normalize("NFKC", normalize("NFKC", text).casefold())
    patterns = _patterns()
    return tuple((patterns.word if patterns.beyond.search(text) else _WORD).findall(text))


def is_character(word: str) -> bool:
    """Return whether a word of `words` is a character of a script without spaces."""
    return _kind(word) > 0


def length_in_words(text: str) -> float:
    """Return how many words a text has, by the script that most of it is in."""
    sequence = words(text)
    return len(sequence) / _per_word(map(_kind, sequence))


def without_a_word(text: str) -> list[str]:
    """Return a text without its first word, without its second, …: a character where a script has no spaces."""
    if not any(of.search(text) for of, _ in _KINDS):
        spaced = text.split()
        return [" ".join([*spaced[:at], *spaced[at + 1 :]]) for at in range(len(spaced))]
    return [
        text[: found.start()] + text[found.end() :] for found in _patterns().word.finditer(text)
    ]


def _kind(word: str) -> int:
    if word.isascii():
        return 0
    return next((number for number, (of, _) in enumerate(_KINDS, 1) if of.match(word)), 0)


def _per_word(kinds: Iterable[int]) -> float:
    """Return how many entries of a text make a word, in the script that most of it is in."""
    counts = Counter(kinds)
    kind = max(counts, key=counts.__getitem__, default=0)
    return _KINDS[kind - 1][1] if kind else 1.0


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """Return the n-grams of `n` words of a text; a shorter text is one n-gram, an empty one has none."""
    sequence = words(text)
    if not text.isascii():
        n = round(n * _per_word(map(_kind, sequence)))
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
        self._spaced = True
        """Whether no word was seen that is a character of a script without spaces."""

    def learn(self, text: str) -> bytes:
        """Return an encoded text, whose words are known from now on."""
        numbers = self._numbers
        for word in (sequence := words(text)):
            if word not in numbers:
                numbers[word] = _STEP * len(numbers) + self._kind(word)
        return array("I", [numbers[word] for word in sequence]).tobytes()

    def encode(self, text: str) -> bytes:
        """Return an encoded text; the vocabulary stays as it is."""
        sequence, unknown = words(text), dict[str, int]()
        numbers = [self._numbers.get(word, -1) for word in sequence]
        if -1 in numbers:
            for place, word in enumerate(sequence):
                if numbers[place] >= 0:
                    continue
                if word not in unknown:
                    unknown[word] = _LAST - _STEP * len(unknown) + self._kind(word)
                numbers[place] = unknown[word]
        return array("I", numbers).tobytes()

    def _kind(self, word: str) -> int:
        kind = _kind(word)
        self._spaced = self._spaced and not kind
        return kind

    def per_word(self, encoded: bytes) -> float:
        """Return how many entries of an encoded text make a word, 1 where words have spaces between them."""
        if self._spaced:
            return 1.0
        return _per_word(number % _STEP for number in array("I", encoded))


def word_count(encoded: bytes) -> int:
    """Return the number of entries of an encoded text: words, or characters."""
    return len(encoded) // _WIDTH


def windows(encoded: bytes, n: int) -> Iterator[bytes]:
    """Yield each run of `n` entries of an encoded text, in order; none where it is shorter."""
    for start in range(0, len(encoded) - n * _WIDTH + 1, _WIDTH):
        yield encoded[start : start + n * _WIDTH]


def encoded_ngrams(encoded: bytes, n: int) -> set[bytes]:
    """Return the runs of `n` entries of an encoded text; a shorter text is one n-gram, an empty one has none."""
    if len(encoded) <= n * _WIDTH:
        return {encoded} if encoded else set()
    return set(windows(encoded, n))


class NgramIndex:
    """Which of some encoded texts hold an n-gram."""

    def __init__(self, vocabulary: Vocabulary, texts: Iterable[bytes], n: int) -> None:
        """Index texts, encoded by a vocabulary, by their n-grams of `n` words."""
        self._vocabulary, self._n = vocabulary, n
        # Most n-grams stand in one text, which a number says in a tenth of a set's memory.
        self._first: dict[bytes, int] = {}
        self._others: dict[bytes, array[int]] = {}
        for number, text in enumerate(texts):
            for gram in self._grams(text):
                if self._first.setdefault(gram, number) != number:
                    self._others.setdefault(gram, array("I")).append(number)

    def _grams(self, text: bytes) -> set[bytes]:
        return encoded_ngrams(text, round(self._n * self._vocabulary.per_word(text)))

    @property
    def grams(self) -> Set[bytes]:
        """All n-grams of the texts."""
        return self._first.keys()

    def containment(self, text: bytes) -> float:
        """Return the largest share of a text's n-grams that one of the indexed texts holds, 0 to 1."""
        grams = self._grams(text)
        shared: Counter[int] = Counter()
        for gram in grams & self._first.keys():
            shared[self._first[gram]] += 1
            shared.update(self._others.get(gram, ()))
        return max(shared.values(), default=0) / len(grams) if grams else 0.0


class PartIndex:
    """Finds whole texts inside a longer one; texts shorter than `shortest` words are not looked for."""

    def __init__(self, vocabulary: Vocabulary, parts: Iterable[bytes], shortest: int) -> None:
        """Index the texts, encoded by a vocabulary, by their first words."""
        self._parts: dict[int, dict[bytes, list[bytes]]] = {}
        for part in parts:
            length = round(shortest * vocabulary.per_word(part))
            if word_count(part) >= length:
                beginnings = self._parts.setdefault(length, {})
                beginnings.setdefault(part[: length * _WIDTH], []).append(part)

    def within(self, text: bytes) -> Iterator[bytes]:
        """Yield the parts that stand whole in an encoded text."""
        for length, beginnings in self._parts.items():
            for number, beginning in enumerate(windows(text, length)):
                for part in beginnings.get(beginning, ()):
                    if text.startswith(part, number * _WIDTH):
                        yield part
