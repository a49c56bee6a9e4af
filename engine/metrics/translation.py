"""BLEU and chrF of a corpus, 0 to 100, by the package sacrebleu; per example the sentence's own score.

Sources: Post, A Call for Clarity in Reporting BLEU Scores (2018), https://aclanthology.org/W18-6319; Popović, chrF
(2015), https://aclanthology.org/W15-3049. Neither is a mean of sentences: their n-gram counts are summed over a
corpus, and a bootstrap draw is a corpus like any other. The counts come from the methods that sacrebleu's own
resampling uses.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from engine.metrics.protocol import Answered, Metric, MetricParams, Scored

if TYPE_CHECKING:
    from engine.metrics.protocol import Floats


class BleuParams(MetricParams):
    """How sentences are cut into words."""

    tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    """How sentences are cut into words. 13a: the field's default; intl: any script; zh: Chinese by character; char;
    none: by white space."""
    lowercase: bool = False
    """Whether capitals make no difference."""


class ChrfParams(MetricParams):
    """Which n-grams count."""

    word_order: Literal[0, 2] = 0
    """Most words in a row that count beside characters; 2 is chrF++."""
    lowercase: bool = False
    """Whether capitals make no difference."""


@cache
def _scorer(params: BleuParams | ChrfParams, sentence: bool = False) -> Any:
    from sacrebleu.metrics import BLEU, CHRF

    if isinstance(params, ChrfParams):
        return CHRF(word_order=params.word_order, lowercase=params.lowercase)
    return BLEU(tokenize=params.tokenize, lowercase=params.lowercase, effective_order=sentence)


# A split is counted when it is scored, when it is put together, and again in each of its slices.
@lru_cache(maxsize=100_000)
def _counts(answer: str, references: tuple[str, ...], params: BleuParams | ChrfParams) -> list[int]:
    streams = [[reference] for reference in references]
    (counts,) = _scorer(params)._extract_corpus_statistics([answer], streams)
    return list(counts)


def _sentence(answered: Answered, params: BleuParams | ChrfParams) -> float:
    if answered.answer is None:
        return 0.0
    counts = list(_counts(answered.answer, answered.references, params))
    return float(_scorer(params, sentence=True)._compute_score_from_stats(counts).score)


def _tally(split: Scored, params: BleuParams | ChrfParams) -> Floats:
    """Return each sentence's n-gram counts; an unreadable answer is an empty sentence."""
    import numpy as np

    return np.array(
        [_counts(i.answer or "", i.references, params) for i in split.items], dtype=float
    )


def _corpus(sums: Floats, params: BleuParams | ChrfParams) -> Floats:
    import numpy as np

    scorer = _scorer(params)
    return np.array([scorer._compute_score_from_stats(row.tolist()).score for row in sums])


BLEU = Metric(
    "bleu",
    1,
    "BLEU of the corpus, 0 to 100.",
    _sentence,
    _tally,
    _corpus,
    BleuParams,
    best=100.0,
    share=False,
)
CHRF = Metric(
    "chrf",
    1,
    "chrF of the corpus, 0 to 100.",
    _sentence,
    _tally,
    _corpus,
    ChrfParams,
    best=100.0,
    share=False,
)
