"""Where this engine keeps things on the machine that nobody named a place for."""

from __future__ import annotations

from pathlib import Path

STATE = Path(".pada")
"""Folder of the store, the trained models and the reports, from the current folder."""
