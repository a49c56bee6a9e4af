"""Answers without a model: from a file, invented for a schema, or by the words of a text; asks and loads nothing."""
