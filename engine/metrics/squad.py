r"""Exact match and token F1 of question answering, after SQuAD's normalisation, best over the acceptable answers.

The rules are those of the official SQuAD v1.1 evaluation script, as kept at
https://github.com/huggingface/evaluate/blob/b6e7c3b0ed02444f1b3f4f1eb48a39f27af321ec/metrics/squad/compute_score.py:
lower case, ASCII punctuation out, the words a, an and the out, white space made single; F1 over the bags of words.
One rule is v2.0's: where an answer has no words left, F1 is 1 if neither has, else 0 (v1.1 gives 0 even to an answer
"A" that is right, which would be every A of a multiple choice).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import Any

from engine.metrics.protocol import Answered, Metric

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalized(text: str) -> str:
    """Return an answer as SQuAD compares it."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answered: Answered, params: Any) -> float:
    """Return 1 where the answer equals an acceptable one after normalisation."""
    if answered.answer is None:
        return 0.0
    return float(normalized(answered.answer) in map(normalized, answered.references))


def token_f1(answered: Answered, params: Any) -> float:
    """Return the F1 of the answer's words, best over the acceptable answers."""
    if answered.answer is None:
        return 0.0
    words = normalized(answered.answer).split()
    return max(_f1(words, normalized(reference).split()) for reference in answered.references)


def _f1(words: list[str], right: list[str]) -> float:
    if not words or not right:
        return float(words == right)
    same = sum((Counter(words) & Counter(right)).values())
    if not same:
        return 0.0
    precision, recall = same / len(words), same / len(right)
    return 2 * precision * recall / (precision + recall)


EXACT_MATCH = Metric(
    "exact_match",
    1,
    "Share of answers equal after SQuAD's normalisation.",
    exact_match,
    right_or_wrong=True,
)
TOKEN_F1 = Metric("token_f1", 1, "Mean F1 of the words, as SQuAD counts them.", token_f1)
