"""A stage played through in memory, to see what it would ask: no model is loaded, nothing is sent or stored.

The stage's own function runs with a context that keeps the requests. What comes before it is taken from the store where
a run is there, else played through the same way, and made up only where a model would have to answer (`stand_ins`).
"""

from engine.rehearsal.rehearse import ASKING, Prompted, Rehearsal, rehearse
from engine.rehearsal.tokens import Count, count_tokens

__all__ = ["ASKING", "Count", "Prompted", "Rehearsal", "count_tokens", "rehearse"]
