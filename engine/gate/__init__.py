"""What a recipe may read, and which state folders are this user's: asked before any file is opened for a recipe.

A recipe may come from anybody, with its prompts, its data and its `.pada`. Every path that it leads to is resolved,
links too, and must lie under a root that the user, not the recipe, decides on. `docs/security.md` has the threat model.
"""

from engine.gate.passing import passed, passed_folder
from engine.gate.roots import allow, is_above_named, name_places, project_of, remember
from engine.gate.states import check_state, disown, own_state, trust_state

__all__ = [
    "allow",
    "check_state",
    "disown",
    "is_above_named",
    "name_places",
    "own_state",
    "passed",
    "passed_folder",
    "project_of",
    "remember",
    "trust_state",
]
