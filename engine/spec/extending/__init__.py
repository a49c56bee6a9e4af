"""Recipes that build on others: `extends`, typed vars, `--set`, `package/path`, and the recipe that comes of it all."""
