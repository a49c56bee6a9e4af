"""lookalikes: which of very many earlier texts share most of their words with new ones, without comparing all with all.

MinHash with locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets,
section 3.4), by `datasketch`. Texts are compared by their words and pairs of words, as the leak guard takes them apart,
so scripts without spaces are compared by runs of characters. The new texts are indexed, which are few, and the earlier
ones pass by once: memory grows with the new texts alone, time with the sum of both.

Two texts whose words and pairs overlap by the share s (Jaccard) are found with probability 1 - (1 - s^4)^32: 0.87 at
0.5, 0.99 at 0.6, 0.05 at 0.2. A text with one of eight words left out is at 0.75.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from engine.wording import ngrams

if TYPE_CHECKING:
    from datasketch import MinHash

BANDS, ROWS = 32, 4
"""Bands of the signature, one of which must be equal, and hash values in each."""
MOST = 64
"""Most earlier texts that one text is compared with, the most alike: in sets made of templates all share most words."""
_SEED = 1
"""Of the permutations: the same in every run."""


class Lookalikes(NamedTuple):
    """What one new text is to be compared with."""

    earlier: list[int]
    """Places of earlier texts, ascending."""
    new: list[int]
    """Places of new texts that come before it, ascending."""


def lookalikes(
    texts: Sequence[str],
    earlier: Iterable[str],
    comparable: Callable[[int, int], bool] = lambda new, earlier: True,
) -> list[Lookalikes]:
    """Return for each new text the texts that share most of their words with it, MOST of either at most.

    Args:
        texts: The new texts, which are indexed.
        earlier: All that came before; read once, one after the other.
        comparable: Whether a new text is compared with an earlier one at all, by their places.
    """
    from datasketch import MinHashLSH

    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    signatures: dict[int, MinHash] = {}
    before: list[list[tuple[float, int]]] = [[] for _ in texts]
    for place, passing in _signatures(texts):
        signature = passing.copy()
        for other in index.query(signature):
            _keep(before[place], signature.jaccard(signatures[other]), other)
        index.insert(place, signature, check_duplication=False)
        signatures[place] = signature
    found: list[list[tuple[float, int]]] = [[] for _ in texts]
    for place, signature in _signatures(earlier) if signatures else ():
        for new in index.query(signature):
            if comparable(new, place):
                _keep(found[new], signature.jaccard(signatures[new]), place)
    return [Lookalikes(_places(old), _places(new)) for old, new in zip(found, before, strict=True)]


def _signatures(texts: Iterable[str]) -> Iterator[tuple[int, MinHash]]:
    """Yield place and signature of each text that has words; it is the same object again and again."""
    from datasketch import MinHash

    # Its own hash, SHA-1, takes as long as all the rest.
    signature = MinHash(num_perm=BANDS * ROWS, seed=_SEED, hashfunc=crc32)
    for place, text in enumerate(texts):
        if parts := _parts(text):
            signature.clear()
            signature.update_batch(parts)
            yield place, signature


def _parts(text: str) -> list[bytes]:
    grams = ngrams(text, 1) | ngrams(text, 2)
    return ["\n".join(gram).encode("utf-8", "surrogatepass") for gram in grams]


def _keep(heap: list[tuple[float, int]], likeness: float, place: int) -> None:
    """Add a place to the most alike ones; of equally alike ones the first stay."""
    entry = (likeness, -place)
    if len(heap) < MOST:
        heappush(heap, entry)
    else:
        heappushpop(heap, entry)


def _places(heap: list[tuple[float, int]]) -> list[int]:
    return sorted(-place for _, place in heap)
