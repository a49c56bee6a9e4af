"""Places diagnoses on a plane by their words, so that what is said alike lies together.

The vectors that clusters are made of are not stored, and a report asks no embedder: tf-idf of the words (Salton and
Buckley, 1988) and their two principal components stand in for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.report.dossier import POINTS, DiagnosisPoint
from engine.report.records import MINE, Query
from engine.wording import words

if TYPE_CHECKING:
    import numpy as np

WORDS = 400
"""Words that are looked at, those in most diagnoses first."""

# Ids are hashes, so their order is as good as random, and stable.
_SQL = (
    MINE
    + """, m AS (
  SELECT o.seed, o.round, o.diagnosis, any_value(p.name) AS name
  FROM (SELECT * FROM pattern_member SEMI JOIN mine USING (node)) o
  JOIN (SELECT * FROM pattern SEMI JOIN mine USING (node)) p
    ON p.seed = o.seed AND p.round = o.round AND p.id = o.pattern
  GROUP BY ALL
)
SELECT d.seed, d.round, d.root_cause, d.scenario, coalesce(m.name, '') AS pattern
FROM (SELECT * FROM diagnosis SEMI JOIN mine USING (node)) d
LEFT JOIN m ON m.seed = d.seed AND m.round = d.round AND m.diagnosis = d.id
ORDER BY d.id, d.seed, d.round LIMIT ?
"""
)


def collect_points(query: Query, run: str, cap: int = POINTS) -> tuple[DiagnosisPoint, ...]:
    """Return up to `cap` diagnoses of a run with their places; none where fewer than three are told apart."""
    rows = query(_SQL, [run, cap])
    places = placed([f"{row['root_cause']} {row['scenario']}" for row in rows])
    if places is None:
        return ()
    return tuple(
        DiagnosisPoint(x=x, y=y, **row) for row, (x, y) in zip(rows, places.tolist(), strict=True)
    )


def placed(texts: Sequence[str]) -> np.ndarray | None:
    """Return the places of texts by their words, shape (texts, 2), within -1 to 1 in both directions.

    None where fewer than three texts differ in their words. Directions are signed so that the same texts are always
    placed alike.
    """
    import numpy as np

    bags = [Counter(words(text)) for text in texts]
    if len({frozenset(bag.items()) for bag in bags}) < 3:
        return None
    spread = Counter(word for bag in bags for word in bag)
    frequent = [word for word, _ in sorted(spread.items(), key=lambda item: (-item[1], item[0]))]
    column = {word: number for number, word in enumerate(frequent[:WORDS])}
    table = np.zeros((len(texts), len(column)))
    for row, bag in enumerate(bags):
        for word, times in bag.items():
            if word in column:
                table[row, column[word]] = times * np.log((1 + len(texts)) / (1 + spread[word]))
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    table = table / np.where(lengths > 0, lengths, 1)
    table -= table.mean(axis=0)
    left, strength, right = np.linalg.svd(table, full_matrices=False)
    signs = np.sign(right[np.arange(2), np.abs(right[:2]).argmax(axis=1)])
    places = left[:, :2] * strength[:2] * signs
    most = np.abs(places).max(axis=0)
    result: np.ndarray = places / np.where(most > 0, most, 1)
    return result
