"""Files to frozen, typed objects: recipes, prompts and data rows, each mistake with its file, line and remedy."""
