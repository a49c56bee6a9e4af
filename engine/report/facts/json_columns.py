"""Reads JSON columns, whether the database hands them over as text or already parsed, and the stored recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.turns import for_readers


def json_object(value: Any) -> dict[str, Any]:
    """Return a JSON object column as a dict; empty for NULL."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return dict(parsed) if isinstance(parsed, Mapping) else {}


def json_list(value: Any) -> list[Any]:
    """Return a JSON array column as a list; empty for NULL."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return list(parsed) if isinstance(parsed, list | tuple) else []


def model_of(recipe: Mapping[str, Any], role: str) -> dict[str, Any]:
    """Return the model of a role in an effective recipe: a judge that is not named is the teacher."""
    models = json_object(recipe.get("models"))
    return json_object(models.get(role) or (models.get("teacher") if role == "judge" else None))


def text_values(value: Any) -> dict[str, str]:
    """Return a JSON object column with its values as text, as the inputs of an example are."""
    return {str(name): str(text) for name, text in json_object(value).items()}


def shown_inputs(value: Any) -> dict[str, str]:
    """Return a row's inputs, a JSON object column, as people are shown them: of a conversation's tools the names."""
    return {name: for_readers(text) for name, text in text_values(value).items()}
