"""What the processes of `engine.site.parallel` are forks of: the engine, loaded, and its own operators, read.

Nothing that starts threads is imported here, such as DuckDB: a fork would be without them.
"""

from engine.operators import find_operators
from engine.site import checking

OPERATORS = tuple(find_operators(None).values())
"""Read here, and so not again in each of the processes."""

__all__ = ["checking"]
