"""Where what a recipe says is computed: in processes of their own, each step with a deadline and a limit of memory.

For what no other bound holds, whatever is written: SQL, templates, regular expressions. One process is started when it
is first needed, used again and again, and killed where a step takes too much, or the user presses Ctrl-C. What is sure
to be cheap by its form is computed without it (`engine.sql.plain`, `engine.spec.templates`).
Knows no recipes; what a limit is called in one is in the messages.
"""

from engine.sandbox.limits import Limits, Overrun, current, use
from engine.sandbox.workers import call, start, stream

__all__ = ["Limits", "Overrun", "call", "current", "start", "stream", "use"]
