"""PaDA Engine: a declarative data engine that makes a small language model better at one task."""

__version__ = "0.1.0"
