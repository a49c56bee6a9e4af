"""The same predictions give the same values as the reference implementations, on the split and on every draw."""

import json
import warnings
from typing import Any

import numpy as np
import pytest

from engine.metrics import METRICS, Answered
from engine.metrics.bootstrap import estimate_labels, totals
from engine.metrics.labels import labels_of
from tests.metrics.test_metrics import one_label, scored, whole


def sk() -> Any:
    """Return scikit-learn's metrics: loaded where a test needs them, not by every process that looks for tests."""
    from sklearn import metrics

    return metrics


def sacre() -> Any:
    """Return sacrebleu's metrics."""
    from sacrebleu import metrics

    return metrics


def rouge() -> Any:
    """Return the scorer of rouge_score, which brings nltk and all of scipy."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer


SKLEARN = {
    "accuracy": lambda y, p, labels: sk().accuracy_score(y, p),
    "macro_f1": lambda y, p, labels: sk().f1_score(y, p, labels=labels, average="macro"),
    "micro_f1": lambda y, p, labels: sk().f1_score(y, p, labels=labels, average="micro"),
    "weighted_f1": lambda y, p, labels: sk().f1_score(y, p, labels=labels, average="weighted"),
    "macro_precision": lambda y, p, labels: sk().precision_score(
        y, p, labels=labels, average="macro"
    ),
    "macro_recall": lambda y, p, labels: sk().recall_score(y, p, labels=labels, average="macro"),
}


def _on_draws(name: str, items: list[Answered], draws: np.ndarray) -> np.ndarray:
    metric = METRICS[name]
    params = metric.params()
    return metric.combine(totals(metric.tally(scored(metric, items), params), draws), params)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SKLEARN)
def test_one_label_agrees_with_scikit_learn_on_every_draw(name: str, seed: int) -> None:
    items = one_label(60, seed)
    items[5] = Answered(None, ("b",), "???")
    draws = np.random.default_rng(seed).integers(0, 60, size=(20, 60))
    for draw, found in zip(draws, _on_draws(name, items, draws), strict=True):
        references = [items[i].references[0] for i in draw]
        answers = [items[i].answer or "(none)" for i in draw]
        labels = sorted({*references, *answers} - {"(none)"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found == pytest.approx(SKLEARN[name](references, answers, labels)), name


@pytest.mark.parametrize("seed", range(3))
def test_balanced_accuracy_agrees_with_scikit_learn(seed: int) -> None:
    items = one_label(40, seed)
    references, answers = [i.references[0] for i in items], [i.answer for i in items]
    assert whole("balanced_accuracy", items) == pytest.approx(
        sk().balanced_accuracy_score(references, answers)
    )


def _many(n: int, seed: int) -> list[Answered]:
    rng = np.random.default_rng(seed)
    picks = rng.random((n, 2, 4)) < 0.4
    texts = [
        [json.dumps([label for label, on in zip("abcd", row, strict=True) if on]) for row in pair]
        for pair in picks
    ]
    return [Answered(answer, (reference,), answer) for reference, answer in texts]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SKLEARN)
def test_several_labels_agree_with_scikit_learn_on_every_draw(name: str, seed: int) -> None:
    items = _many(40, seed)
    draws = np.random.default_rng(seed).integers(0, 40, size=(20, 40))
    for draw, found in zip(draws, _on_draws(name, items, draws), strict=True):
        references = [json.loads(items[i].references[0]) for i in draw]
        answers = [json.loads(items[i].answer or "[]") for i in draw]
        from sklearn.preprocessing import MultiLabelBinarizer

        binarizer = MultiLabelBinarizer().fit(references + answers)
        y, p = binarizer.transform(references), binarizer.transform(answers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found == pytest.approx(SKLEARN[name](y, p, None)), name


def test_each_label_has_its_precision_and_recall_with_how_many_are_behind_it() -> None:
    items = [*one_label(50, 4), Answered("a", ("new",), "a")]
    precision, recall, _, support = sk().precision_recall_fscore_support(
        [i.references[0] for i in items],
        [i.answer for i in items],
        zero_division=0,
    )
    for name, expected in (("macro_precision", precision), ("macro_recall", recall)):
        metric = METRICS[name]
        split = scored(metric, items)
        found = estimate_labels(metric, split, metric.params(), 0)
        assert labels_of(split) == ["a", "b", "c", "d", "new"]
        values = [0.0 if one is None else one.value for one in found]
        assert values == pytest.approx(list(expected))
        if name == "macro_precision":
            assert found[-1] is None  # never answered: no precision, and no zero either
        else:
            assert [one and one.n for one in found] == list(support)


SENTENCES = [
    ("the cat sat on the mat", ("the cat is on the mat", "there is a cat on the mat")),
    ("Prices rose by 3.5 % in May, he said.", ("In May, prices rose 3.5 %, he said.",) * 2),
    ("it rained", ("It was raining all day long.", "it rained all day")),
    ("entirely other words here, nothing shared", ("completely different", "not at all alike")),
    ("a perfectly good sentence of some length", ("a perfectly good sentence of some length", "x")),
]
ITEMS = [Answered(answer, references, answer) for answer, references in SENTENCES]
EMPTY = Answered(None, ("an unreadable answer counts", "as empty"), "")


@pytest.mark.parametrize("stemmer", [False, True])
@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL"])
def test_rouge_agrees_with_rouge_score(kind: str, stemmer: bool) -> None:
    name = kind.replace("L", "_l")
    scorer = rouge()([kind], use_stemmer=stemmer)
    expected = [scorer.score_multi(list(i.references), i.answer)[kind].fmeasure for i in ITEMS]
    assert scored(METRICS[name], ITEMS, stemmer=stemmer).values == pytest.approx(expected)
    assert whole(name, ITEMS, stemmer=stemmer) == pytest.approx(float(np.mean(expected)))


def test_rouge_does_not_score_what_it_cannot_read() -> None:
    items = [Answered("猫", ("猫",), "猫"), Answered(None, ("a cat",), "")]
    assert scored(METRICS["rouge1"], items).values == [0.0]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("bleu", {}),
        ("bleu", {"tokenize": "char", "lowercase": True}),
        ("chrf", {}),
        ("chrf", {"word_order": 2}),
    ],
    ids=str,
)
def test_bleu_and_chrf_agree_with_sacrebleu_on_every_draw(
    name: str, params: dict[str, object]
) -> None:
    metric = METRICS[name]
    chosen = metric.params.model_validate(params)
    items = [*ITEMS, EMPTY]
    references = sacre()
    reference = (references.BLEU if name == "bleu" else references.CHRF)(**params)
    draws = np.random.default_rng(0).integers(0, len(items), size=(30, len(items)))
    tally = metric.tally(scored(metric, items, **params), chosen)
    for draw, found in zip(draws, metric.combine(totals(tally, draws), chosen), strict=True):
        answers = [items[i].answer or "" for i in draw]
        streams = [[items[i].references[place] for i in draw] for place in range(2)]
        assert found == reference.corpus_score(answers, streams).score
    if name == "bleu":
        reference = references.BLEU(**params, effective_order=True)
    expected = [reference.sentence_score(i.answer or "", list(i.references)).score for i in items]
    assert scored(metric, items, **params).values == expected


# Expected values from the rules of the official SQuAD v1.1 script, worked out by hand.
SQUAD = [
    ("The Denver Broncos!", ("Denver Broncos",), 1.0, 1.0),
    ("the  a An", ("the",), 1.0, 1.0),  # nothing is left of either (v2.0's rule)
    ("the", ("cat",), 0.0, 0.0),
    ("U.S.A.", ("usa",), 1.0, 1.0),  # punctuation goes, the letters close up
    ("twenty-one", ("twenty one",), 0.0, 0.0),
    ("another theory", ("other theory",), 0.0, 0.5),  # articles are whole words
    ("in 1066 1066", ("1066",), 0.0, 0.5),  # bags: the second 1066 has no partner
    ("Café", ("café",), 1.0, 1.0),
    ("“quoted”", ("quoted",), 0.0, 0.0),  # only ASCII punctuation goes
    ("Paris, France", ("London", "Paris"), 0.0, 2 / 3),
    ("a-b", ("ab",), 1.0, 1.0),
    ("B", ("A", "B."), 1.0, 1.0),
    (None, ("x",), 0.0, 0.0),
]


@pytest.mark.parametrize(("answer", "references", "exact", "f1"), SQUAD, ids=str)
def test_squads_rules(
    answer: str | None, references: tuple[str, ...], exact: float, f1: float
) -> None:
    item = Answered(answer, references, answer or "")
    assert METRICS["exact_match"].score(item, None) == exact
    assert METRICS["token_f1"].score(item, None) == pytest.approx(f1)
