"""Lines that the prompts of several operators share, so that all say the same in the same words.

A prompt gets them under `shared`, by name.
"""

from __future__ import annotations

from types import MappingProxyType

_SKIPPED = (
    'name its id in a list "skipped" after the rows, with the reason ("wrong_target" or "not_possible") and why, in '
    "one short sentence."
)
SHARED_LINES = MappingProxyType(
    {
        "label_names": (
            "No text gives its answer away with a label's name where people would not say it. A name that is a plain "
            "word of such texts may stand in them."
        ),
        "wishes": (
            'What follows "wishes" is for variety and comes second: leave out a wish that would make the row forced '
            "or its target wrong."
        ),
        "leave_out": (
            "Where a row's target is plainly wrong, or the row cannot be worked on so that its target is right, do not "
            f"write it: {_SKIPPED}"
        ),
        "skipped": _SKIPPED,
        "some_wrong": "A few may have wrong targets; take nothing from those:",
    }
)
"""Name -> line. What changes one of them raises the version of the stage `generate`: no prompt's digest holds them."""
