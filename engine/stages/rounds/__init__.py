"""After a round is scored: what became of its patterns, what it broke, and whether the loop goes on."""
