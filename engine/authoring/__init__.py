"""From data to a recipe, and recipes written well: proposals for a file, explained keys, order and form."""
