"""What a run keeps of what it was made of: the recipe as it was run, its files, their commit, the machine.

None of it decides a row, is in a fingerprint, or can make a run fail.
"""

from engine.run.kept.files import KeptFile, files_of, packages_of
from engine.run.kept.repository import Commit, commit_of
from engine.run.kept.resolved import meaning, resolved_text
from engine.run.kept.writing import Kept, keep, kept_of

__all__ = [
    "Commit",
    "Kept",
    "KeptFile",
    "commit_of",
    "files_of",
    "keep",
    "kept_of",
    "meaning",
    "packages_of",
    "resolved_text",
]
