"""Reads JSON columns, whether the database hands them over as text or already parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object column as a dict; empty for NULL."""
    found = json.loads(value) if isinstance(value, str) else value
    return dict(found) if isinstance(found, Mapping) else {}


def texts(value: Any) -> dict[str, str]:
    """Return a JSON object column with its values as text, as the inputs of an example are."""
    return {str(name): str(text) for name, text in mapping(value).items()}
