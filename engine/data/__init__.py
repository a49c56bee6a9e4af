"""The rows of a recipe, from their sources to three splits as a run sees them; nothing else reads data files.

Here a change to how rows are read, chosen, checked, split or redacted belongs. DuckDB is reached through `engine.sql`;
nothing here knows of plans, stages or the store.
"""
