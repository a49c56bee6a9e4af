"""Reads JSON columns, whether the database hands them over as text or already parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def json_object(value: Any) -> dict[str, Any]:
    """Return a JSON object column as a dict; empty for NULL."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return dict(parsed) if isinstance(parsed, Mapping) else {}


def text_values(value: Any) -> dict[str, str]:
    """Return a JSON object column with its values as text, as the inputs of an example are."""
    return {str(name): str(text) for name, text in json_object(value).items()}
