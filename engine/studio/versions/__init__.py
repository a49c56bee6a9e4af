"""Recipes in versions, to be looked at: history, differences, packages. Terminals are where any of it is changed."""
