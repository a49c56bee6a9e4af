"""Users' SQL: one expression over known columns, nothing else, the same result every time."""

from __future__ import annotations

import pytest

from engine.sql import check_expression

COLUMNS = {
    "text": "VARCHAR",
    "accuracy": "DOUBLE",
    "prediction": "VARCHAR",
    "n": "BIGINT",
    "l": "BIGINT[]",
}


@pytest.mark.parametrize(
    "sql",
    [
        "accuracy < 1", "accuracy < 1 and length(text) > 3 -- a note", "text in ('a', 'b')", "text is null",
        "text like '%not%' or text ilike 'x%'", "n between 1 and 2", "not (n = 1)", "try_cast(text as int) > 1",
        "text::varchar = 'x'", "case when n > 1 then true else false end", "regexp_matches(text, '\\bnot\\b')",
        "len(list_filter(l, lambda x: x > 1)) > 1", "coalesce(prediction, '') = ''", "Text = 'x'", "l[1] = 1",
        "date '2020-01-01' + interval 3 day > date '2019-01-01'", "lower(trim(text)) <> ''", "true",
    ],
)  # fmt: skip
def test_conditions_that_are_fine(sql: str) -> None:
    assert check_expression(sql, COLUMNS) is None


@pytest.mark.parametrize(
    "sql",
    ["avg(accuracy)", "avg((length(prediction) > 200)::int)", "count(*) filter (where accuracy < 1) / count(*)",
     "quantile_cont(accuracy, 0.9)", "count(distinct text)", "bool_and(accuracy = 1)", "1 - avg(accuracy)"],
)  # fmt: skip
def test_aggregates_that_are_fine(sql: str) -> None:
    assert check_expression(sql, COLUMNS, "aggregate") is None


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "empty"),
        ("accuracy <", "not valid SQL"),
        ("f(text", "not valid SQL"),
        ("accuracy < 1;", "ends with ';'"),
        ("1; drop table rows", "more than one expression"),
        ("true; select 1", "not a single expression"),
        ("true from rows", "not a single expression"),
        ("true from read_csv('/etc/passwd')", "not a single expression"),
        ("true) from read_csv('/etc/passwd') --", "not valid SQL"),
        ("n = 1 as z", "not a single expression"),
        ("true, false", "not a single expression"),
        ("distinct true", "not a single expression"),
        ("true order by 1", "not a single expression"),
        ("true limit 1", "not a single expression"),
        ("true union select false", "not a single expression"),
        ("n > 1 group by n", "not a single expression"),
        ("true where n > 1", "not a single expression"),
        ("(select true)", "a SELECT inside"),
        ("exists(from read_text('/etc/passwd'))", "a SELECT inside"),
        ("n in (select 1)", "a SELECT inside"),
        ("sum(n) over () > 1", "a window function"),
        ("*", "a '*'"),
        ("columns('n') > 1", "a '*'"),
        ("n = $1", "a parameter"),
        ("n = ?", "a parameter"),
        ("unnest([1, 2]) > 1", "'unnest' is not allowed"),
        ("random() < 0.5", "'random' is not allowed"),
        ("now() > text", "'now' is not allowed"),
        ("uuid() = text", "'uuid' is not allowed"),
        ("pg_sleep(1) is null", "'pg_sleep' is not allowed"),
        ("age(timestamp '2020-01-01') > interval 1 day", "'age' is not allowed"),
        ("current_setting('threads') = 'x'", "'current_setting' is not allowed"),
        ("getenv('HOME') = 'x'", "no function 'getenv'"),
        ("read_text('/etc/passwd') = 'x'", "no function 'read_text'"),
        ("lenght(text) > 1", "no function 'lenght'"),
        ("acuracy < 1 or label = 'x'", "no column 'acuracy', no column 'label'"),
        ("rows.text = 'x'", "no column 'rows'"),
        ("__row = 1", "no column '__row'"),
        ('text = "x"', "no column 'x'"),
        ("length(text)", "gives BIGINT, not true or false"),
        ("text", "gives VARCHAR, not true or false"),
        ("avg(accuracy) < 1", "the aggregate 'avg'"),
        ("count(*) > 1", "the aggregate 'count(*)'"),
        ("text + 1 > 2", "does not take values of type"),
        ("text::nonsense = 1", "Type with name nonsense does not exist"),
    ],
)  # fmt: skip
def test_conditions_that_are_refused(sql: str, said: str) -> None:
    fault = check_expression(sql, COLUMNS)
    assert fault is not None
    assert said in fault.message


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("accuracy", "a value per row"),
        ("avg(accuracy) + accuracy", "outside of an aggregate"),
        ("max(text)", "gives VARCHAR, not a number"),
        ("avg(text)", "'avg' does not take values of type VARCHAR"),
        ("reservoir_quantile(accuracy, 0.5)", "'reservoir_quantile' is not allowed"),
    ],
)
def test_aggregates_that_are_refused(sql: str, said: str) -> None:
    fault = check_expression(sql, COLUMNS, "aggregate")
    assert fault is not None
    assert said in fault.message


def test_hints_name_the_closest_column_and_the_quotes() -> None:
    fault = check_expression('acuracy < 1 or text = "yes"', COLUMNS)
    assert fault is not None
    assert "did you mean 'accuracy'?" in fault.hint
    assert "single quotes" in fault.hint


@pytest.mark.parametrize(
    ("column", "sql"),
    [
        ("Bestellwert (€)", "Bestellwert (€) > 1000"),
        ("Bestellwert (€)", "bestellwert (€) > 1000"),
        ("order no", "order no = 'x'"),
        ("Bestell-Wert", "Bestell-Wert > 3"),
        ("2nd", "2nd = 'x'"),
        ("group", "group = 'x'"),
        ("what's it", "what's it is null"),
    ],
)
def test_a_column_that_needs_quotes_is_told_with_them(column: str, sql: str) -> None:
    fault = check_expression(sql, ["text", column])
    assert fault is not None
    assert f'write the column as "{column}", in double quotes' in fault.hint


def test_quotes_are_no_advice_where_the_column_has_them_or_is_another_word() -> None:
    columns = ["a b", "Wert", "text"]
    for sql in ("nope > 'a b'", '"a b" > nope', "ca b > 1", "Wert >"):
        fault = check_expression(sql, columns)
        assert fault is not None
        assert "double quotes" not in fault.hint


def test_text_compared_with_a_number_is_told_how_to_become_one() -> None:
    for sql in ("text > 1000", "1.5 <= text", "text between 1 and 2", "avg(text)"):
        fault = check_expression(sql, COLUMNS, "aggregate" if "avg" in sql else "condition")
        assert fault is not None
        assert "try_cast(" in fault.hint, sql
    fault = check_expression("text > 1000", COLUMNS)
    assert fault is not None
    assert fault.message == "text (VARCHAR) is compared with a number (INTEGER_LITERAL) here"
    assert '`columns: {x: "try_cast(x as double)"}`' in fault.hint


def test_without_columns_only_the_form_is_checked() -> None:
    assert check_expression("whatever < 1", None) is None
    assert check_expression("whatever <", None) is not None
    assert check_expression("whatever", ["whatever"]) is None
