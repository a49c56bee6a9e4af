"""What a recipe may read, where its keys may go, and which state folders are this user's; asked before it happens.

A recipe may come from anybody, with its prompts, its data and its `.pada`. Every path that it leads to is resolved,
links too, and must lie under a root that the user, not the recipe, decides on. `docs/security.md` has the threat model.
"""

from engine.gate.consent import KeyUse, grant_keys, has_consent, refusal, remember_keys
from engine.gate.packages import remember_package
from engine.gate.passing import passed, passed_folder
from engine.gate.roots import (
    Granted,
    allow,
    grant,
    granted,
    is_above_named,
    name_packages,
    name_places,
    package_of,
    project_of,
    remember,
)
from engine.gate.states import check_state, disown, own_state, trust_state

__all__ = [
    "Granted",
    "KeyUse",
    "allow",
    "check_state",
    "disown",
    "grant",
    "grant_keys",
    "granted",
    "has_consent",
    "is_above_named",
    "name_packages",
    "name_places",
    "own_state",
    "package_of",
    "passed",
    "passed_folder",
    "project_of",
    "refusal",
    "remember",
    "remember_keys",
    "remember_package",
    "trust_state",
]
