"""A stage played through in memory, to see what it would ask: no model is loaded, nothing is sent or stored.

The stage's own function runs with a context that keeps the requests. What comes before it is taken from the store where
a run is there, else played through the same way, and made up only where a model would have to answer (`stand_ins`). An
operator that is tried out (`trial`) is the exception: the teacher is asked for a few rows.
"""

from engine.rehearsal.own_prompts import has_own_prompts, prompt_problems
from engine.rehearsal.rehearse import ASKING, Play, Prompted, Rehearsal, rehearse
from engine.rehearsal.tokens import Count, count_tokens
from engine.rehearsal.trial import Trial, Tried, attempt

__all__ = [
    "ASKING",
    "Count",
    "Play",
    "Prompted",
    "Rehearsal",
    "Trial",
    "Tried",
    "attempt",
    "count_tokens",
    "has_own_prompts",
    "prompt_problems",
    "rehearse",
]
