"""Reads a run with SQL and returns typed facts (`engine.report.records`); formats nothing."""

from engine.report.facts.collect import collect

__all__ = ["collect"]
