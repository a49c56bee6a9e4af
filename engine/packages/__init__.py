"""Packages of recipes: which ones a project depends on, fetched with git and locked."""
