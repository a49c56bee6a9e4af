"""The rules of the metrics that are ours: numbers, objects, likelihoods, calibration."""

import math
from fractions import Fraction

import pytest

from engine.metrics import METRICS, Answered
from engine.metrics.labels import label_set
from engine.numbers import number_in
from tests.metrics.test_metrics import scored, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", 18),
        (" 1,234,567. ", 1234567),
        ("1_000", 1000),
        ("$1,234.50", Fraction("1234.5")),
        ("\\$5", 5),
        ("-$5", -5),
        ("€ 7", 7),
        ("50%", 50),
        ("50\\%", 50),
        ("−3", -3),
        ("+.5", Fraction(1, 2)),
        ("2.5e3", 2500),
        ("3/4", Fraction(3, 4)),
        ("-1 3/4", Fraction(-7, 4)),
        ("\\frac{3}{4}", Fraction(3, 4)),
        ("\\dfrac{1{,}000}{3}", Fraction(1000, 3)),
        ("1{,}000", 1000),
        ("1\\,000", 1000),
        ("", None),
        ("eighteen", None),
        ("3 4", None),
        ("3, 4", None),
        ("1,23", None),
        ("1/0", None),
        ("1/2/3", None),
        ("5 dollars", None),
        ("1e9999", None),
        ("nan", None),
        ("inf", None),
        ("1" * 5000, None),
    ],
)
def test_numbers_as_people_and_models_write_them(text: str, number: object) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("answer", "reference", "params", "value"),
    [
        ("18.0", "18", {}, 1.0),
        ("1,000", "$1000", {}, 1.0),
        ("18.01", "18", {}, 0.0),
        ("1.3", "1", {"tolerance": 0.3}, 1.0),
        ("1.31", "1", {"tolerance": 0.3}, 0.0),
        ("101", "100", {"relative": 0.01}, 1.0),
        ("-101", "-100", {"relative": 0.01}, 1.0),
        ("102", "100", {"relative": 0.01}, 0.0),
        ("eighteen", "18", {}, 0.0),
        (None, "18", {}, 0.0),
        ("18", "eighteen", {}, None),
    ],
)
def test_a_number_matches_within_the_tolerance(
    answer: str | None, reference: str, params: dict[str, object], value: float | None
) -> None:
    metric = METRICS["numeric_match"]
    item = Answered(answer, (reference,), answer or "")
    assert metric.score(item, metric.params.model_validate(params)) == value


def _objects(*pairs: tuple[str | None, str]) -> list[Answered]:
    return [Answered(answer, (reference,), answer or "") for answer, reference in pairs]


def test_fields_are_counted_over_all_objects() -> None:
    items = _objects(
        ('{"time": "7pm", "people": 2}', '{"people": 2.0, "time": "8pm"}'),  # 1 of 2 and 2
        ('{"a": {"b": [1, 2]}, "c": null}', '{"a": {"b": [2, 1]}}'),  # all; null is absent
        ("[1]", '{"a": true}'),  # no object: 0 of 0 and 1
        (None, '{"a": 1}'),
        ("{}", "{}"),  # right, and no field
    )
    split = scored(METRICS["field_f1"], items)
    assert split.values == [0.5, 1.0, 0.0, 0.0, 1.0]
    assert whole("field_f1", items) == pytest.approx(2 * 3 / (2 + 2 + 2 + 2 + 1 + 1))


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ('{"a": 1}', '{"a": true}', 0.0),
        ('{"a": "true"}', '{"a": true}', 0.0),
        ('{"a": "1"}', '{"a": 1}', 0.0),
        ('{"a": [1, 1]}', '{"a": [1]}', 2 / 3),
        ('{"a": []}', '{"a": []}', 1.0),
        ('{"a": []}', "{}", 0.0),
        ('{"a.b": 1}', '{"a": {"b": 1}}', 0.0),
        ("{}", '{"a": 1}', 0.0),
        ('{"a": NaN}', '{"a": 1}', 0.0),
        ('{"a": 1}', "no object", None),
    ],
)
def test_a_field_is_a_path_and_a_typed_value(
    answer: str, reference: str, value: float | None
) -> None:
    (item,) = _objects((answer, reference))
    found = METRICS["field_f1"].score(item, None)
    assert found == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": 1}\n', 1.0),
        ("[1, 2]", 1.0),
        ('Sure: {"a": 1}', 0.0),
        ("```json\n{}\n```", 0.0),
        ('{"a": NaN}', 0.0),
        ("{'a': 1}", 0.0),
        ("", 0.0),
        ("[" * 100_000, 0.0),
    ],
    ids=range(8),
)
def test_json_is_valid_as_a_whole_or_not_at_all(text: str, value: float) -> None:
    assert METRICS["json_valid"].score(Answered("x", ("{}",), text), None) == value


def test_perplexity_is_over_tokens_and_scored_only_where_it_is_known() -> None:
    items = [
        Answered("x", ("y",), "x", reference_nats=2.0, reference_tokens=1),
        Answered("x", ("y",), "x", reference_nats=1.0, reference_tokens=5),
        Answered("x", ("y",), "x"),
    ]
    assert scored(METRICS["perplexity"], items).values == pytest.approx([math.e**2, math.e**0.2])
    assert whole("perplexity", items) == pytest.approx(math.exp(3 / 6))
    assert whole("perplexity", items[2:]) is None


def test_calibration_error_by_hand() -> None:
    # Two bins: (0, 0.5] with confidences 0.5, 0.3 and one right; (0.5, 1] with 0.9, 0.8, 0.7 and two right.
    told = [(0.5, True), (0.3, False), (0.9, True), (0.8, True), (0.7, False)]
    items = [Answered("a", ("a" if right else "b",), "a", c) for c, right in told]
    expected = 2 / 5 * abs(0.4 - 1 / 2) + 3 / 5 * abs(0.8 - 2 / 3)
    assert whole("calibration_error", items, bins=2) == pytest.approx(expected)
    assert scored(METRICS["calibration_error"], items).values == pytest.approx(
        [0.5, 0.3, 0.1, 0.2, 0.7]
    )
    unsure = Answered("a", ("a",), "a")
    assert scored(METRICS["calibration_error"], [unsure]).values == []


def test_a_reply_that_nests_without_end_is_no_list_of_labels() -> None:
    assert label_set("[" * 100_000) is None
