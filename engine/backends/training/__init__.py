"""Fine-tuning in a child process: rows to an adapter on disk; knows nothing of recipes, rounds or the store."""
