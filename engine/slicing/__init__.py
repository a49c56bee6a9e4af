"""Slices of the validation rows that fail more often than the rest, found by SQL alone; asks no model."""

from engine.slicing.search import LEVEL, MIN_SIZE, Search, Slice, as_category, search

__all__ = ["LEVEL", "MIN_SIZE", "Search", "Slice", "as_category", "search"]
