"""ROUGE-1, ROUGE-2 and ROUGE-L: mean F-measure by the package rouge-score, best over the references.

Source: Lin, ROUGE (2004), https://aclanthology.org/W04-1013; the package is a port of its Perl script. It knows only
words of a to z and 0 to 9: an example whose references have no such word is not scored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from engine.metrics.protocol import Answered, Metric, MetricParams

_KNOWN = re.compile(r"[a-z0-9]", re.IGNORECASE | re.ASCII)
_KINDS = ("rouge1", "rouge2", "rougeL")


class Params(MetricParams):
    """How words are compared."""

    stemmer: bool = False
    """Compare words by their stems (Porter; English)."""


@cache
def _scorer(stemmer: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer

    # Its own choice of the same one is logged by absl, which then prints every library's warnings from there on.
    return RougeScorer(list(_KINDS), tokenizer=DefaultTokenizer(stemmer))


# The three kinds ask for the same example one after the other: counted once.
@lru_cache(maxsize=16)
def _scores(references: tuple[str, ...], answer: str, stemmer: bool) -> Mapping[str, Any]:
    scores: Mapping[str, Any] = _scorer(stemmer).score_multi(list(references), answer)
    return scores


def _score(kind: str) -> Callable[[Answered, Params], float | None]:
    def score(answered: Answered, params: Params) -> float | None:
        if not any(_KNOWN.search(reference) for reference in answered.references):
            return None
        if answered.answer is None:
            return 0.0
        return float(_scores(answered.references, answered.answer, params.stemmer)[kind].fmeasure)

    return score


ROUGE1 = Metric("rouge1", 1, "Mean F-measure of single words.", _score("rouge1"), params=Params)
ROUGE2 = Metric("rouge2", 1, "Mean F-measure of word pairs.", _score("rouge2"), params=Params)
ROUGE_L = Metric(
    "rouge_l",
    1,
    "Mean F-measure of the longest common subsequence.",
    _score("rougeL"),
    params=Params,
)
