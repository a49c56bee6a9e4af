"""Broken and hostile repositories of recipes: each ends with one clear message, and changes nothing."""
