"""Class numbers of the `datasets` library to class names: the names stand with the data, not in its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Namer = Callable[[Any], Any]
"""Puts names for the class numbers in a value."""


def namers_of(features: Mapping[str, Any]) -> dict[str, Namer]:
    """Return what puts names for class numbers, for each column that has them; `features` as the library has them."""
    return {name: named for name, each in features.items() if (named := _namer(each))}


def _namer(feature: Any) -> Namer | None:
    """Return what puts names for the class numbers in a feature's values; None where it has no classes."""
    import datasets

    if isinstance(feature, datasets.ClassLabel):
        # -1 marks a row without a label.
        return lambda index: feature.names[index] if index is not None and index >= 0 else None
    if isinstance(feature, dict):
        parts = namers_of(feature)
        return (lambda value: value and with_named(value, parts)) if parts else None
    inner = getattr(feature, "feature", None)
    if inner is not None and (each := _namer(inner)) is not None:
        return lambda values: values and [each(value) for value in values]
    return None


def with_named(values: dict[str, Any], namers: Mapping[str, Namer]) -> dict[str, Any]:
    """Return a row, or a mapping in it, with names for class numbers."""
    if not namers:
        return values
    return {key: namers[key](item) if key in namers else item for key, item in values.items()}
