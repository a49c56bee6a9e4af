"""What the processes of `engine.site.parallel` are forks of: the engine, loaded, and its own operators, read.

Nothing that starts threads is imported here, such as DuckDB: a fork would be without them.
"""

from engine.operators import find_operators
from engine.site import checking

find_operators(None)

__all__ = ["checking"]
