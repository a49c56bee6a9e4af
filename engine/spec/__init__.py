"""Files to typed objects: recipes, prompts and rows, each mistake with line and remedy."""
