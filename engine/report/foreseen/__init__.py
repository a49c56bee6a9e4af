"""What a run is expected to take: the estimate in words, hours by devices; reads the store and changes nothing."""

from engine.report.foreseen.estimated import foreseen

__all__ = ["foreseen"]
