"""The version of the engine: one place, read by the package, its runs and its reports."""

__version__ = "0.1.0"
