"""A stage played through in memory, to see what it would ask: no model is loaded, nothing is sent or stored.

The stage's own function runs with a context that keeps the requests. What comes before it is taken from the store where
a run is there, else played through the same way, and made up only where a model would have to answer (`stand_ins`). An
operator that is tried out (`trial`) is the exception: the teacher is asked for a few rows.
"""

from engine.rehearsal.own_prompts import has_own_prompts, prompt_problems
from engine.rehearsal.rehearse import (
    ASKING,
    STUDENT,
    Play,
    Prompted,
    Rehearsable,
    Rehearsal,
    rehearsable,
    rehearse,
)
from engine.rehearsal.sheets import Sheet, sheet
from engine.rehearsal.tokens import Count, count_tokens
from engine.rehearsal.trial import Trial, Tried, attempt

__all__ = [
    "ASKING",
    "STUDENT",
    "Count",
    "Play",
    "Prompted",
    "Rehearsable",
    "Rehearsal",
    "Sheet",
    "Trial",
    "Tried",
    "attempt",
    "count_tokens",
    "has_own_prompts",
    "prompt_problems",
    "rehearsable",
    "rehearse",
    "sheet",
]
