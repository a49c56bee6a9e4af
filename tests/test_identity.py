"""What decides a step's rows: a field equal to its default leaves no trace, one made by `outside` never does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from engine.fingerprint import canonical
from engine.identity import Params, defaults, outside, plain
from engine.spec.recipe import Minimum, Redaction


@dataclass(frozen=True, kw_only=True)
class Part(Params):
    name: str
    weight: float = 1.0


MINIMUM = Minimum()


@dataclass(frozen=True, kw_only=True)
class Whole(Params):
    count: int
    part: Part
    minimum: Minimum = MINIMUM
    parts: tuple[Part, ...] = ()
    by_name: Mapping[str, Part] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    place: str = outside()
    key: str | None = outside(None)


def whole(**changes: Any) -> Whole:
    return Whole(**{"count": 1, "part": Part(name="a"), "place": "/x", **changes})


def test_fields_that_equal_their_defaults_leave_no_trace_nested_ones_too() -> None:
    assert whole().identity() == {"count": 1, "part": {"name": "a"}}
    spelt_out = whole(
        part=Part(name="a", weight=1.0), minimum=Minimum(utility=2), parts=(), by_name={}
    )
    assert spelt_out.identity() == whole().identity()


def test_everything_else_is_there_as_json() -> None:
    found = whole(
        part=Part(name="a", weight=2.0),
        minimum=Minimum(adherence=5),
        parts=(Part(name="b"), Part(name="c", weight=0.5)),
        by_name={"d": Part(name="e")},
        words=frozenset({"y", "x"}),
    ).identity()
    assert found == {
        "count": 1,
        "part": {"name": "a", "weight": 2.0},
        "minimum": {"adherence": 5},
        "parts": [{"name": "b"}, {"name": "c", "weight": 0.5}],
        "by_name": {"d": {"name": "e"}},
        "words": ["x", "y"],
    }
    assert canonical(found)


def test_where_a_file_lies_decides_nothing() -> None:
    assert whole(place="/y", key="KEY").identity() == whole().identity()


def test_a_required_field_stays_whatever_its_value() -> None:
    assert Part(name="").identity() == {"name": ""}


def test_models_count_without_their_defaults_under_the_names_that_recipes_use() -> None:
    assert plain(Minimum()) == {}
    assert plain(Redaction.model_validate({"pattern": "x", "with": "y"})) == {
        "pattern": "x",
        "with": "y",
    }

    class Outer(BaseModel):
        inner: Minimum = Minimum()
        many: list[Minimum] = Field(default_factory=list)

    assert plain(Outer(inner=Minimum(), many=[])) == {}
    assert plain(Outer(inner=Minimum(utility=1), many=[Minimum()])) == {
        "inner": {"utility": 1},
        "many": [{}],
    }


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [object(), Path("/x"), Decimal(1), Colour.RED, len, Part, iter([1]), 1j],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_a_stable_identity_is_refused(value: Any) -> None:
    for wrapped in (value, [value], {"key": value}):
        with pytest.raises(TypeError, match=f"a {type(value).__name__} has no stable identity"):
            plain(wrapped)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_json_is_its_own_identity(value: Any) -> None:
    assert plain(value) == value


@given(weight=st.floats(allow_nan=False), marks=st.integers(1, 5), count=st.integers())
def test_identities_differ_exactly_where_fields_do(weight: float, marks: int, count: int) -> None:
    one = whole(count=count, part=Part(name="a", weight=weight), minimum=Minimum(utility=marks))
    assert (one.identity() == whole().identity()) == (one == whole())


def test_what_is_left_out_is_known_by_its_default() -> None:
    found = defaults(whole(by_name={"d": Part(name="e")}, minimum=Minimum(adherence=5)))
    assert found == {
        "part": {"weight": 1.0},
        "minimum": {"adherence": 1, "utility": 2, "relevance": 3, "naturalness": 2},
        "parts": [],
        "by_name": {},
        "words": [],
        "key": None,
    }
    assert defaults({"a": Part(name="x")}) == {"a": {"weight": 1.0}}
    assert defaults([Part(name="x"), Part(name="y"), "z"]) == {
        "x": {"weight": 1.0},
        "y": {"weight": 1.0},
    }
    assert defaults(Redaction(pattern="x")) == {"with": "[redacted]"}
    assert defaults("text") == {}
