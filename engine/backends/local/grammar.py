"""From a reply's schema to what constrains a local model's tokens: Outlines, with its llguidance back end.

Shared by the backends that generate here. Knows neither the model nor how it is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.errors import BackendError

METHOD = "outlines:llguidance"
"""How the replies to a schema are made here."""

LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""How JSON is written between its tokens: any white space, and a small model can spend all its tokens on it."""


def processors(schema: Mapping[str, Any], vocabulary: Any, model: Any) -> Any:
    """Return fresh logits processors for one batch under a schema, as the model's library takes them.

    Properties are written in the schema's order, which is the order of the prompt's examples: a small
    model that must begin with another key than it has seen says nonsense.

    Outlines would let the grammar allow any white space between tokens of JSON, so the grammar is
    written here without (`LAYOUT`), and Outlines applies it.

    Args:
        schema: JSON Schema of the reply.
        vocabulary: llguidance's tokenizer for the model.
        model: The model as Outlines wraps it.

    Raises:
        BackendError: the schema uses what the grammar does not know.
    """
    from llguidance import LLMatcher
    from outlines.backends.llguidance import LLGuidanceLogitsProcessor

    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=LAYOUT)
    if problem := LLMatcher.validate_grammar(grammar, vocabulary):
        raise BackendError(
            f"a reply's schema cannot be made into a grammar: {problem[:300]}",
            "use plain JSON Schema: type, properties, enum, items, bounds, anyOf, pattern",
        )
    processor = LLGuidanceLogitsProcessor(grammar, vocabulary, model.tensor_library_name)
    return model.type_adapter.format_output_type(processor)
