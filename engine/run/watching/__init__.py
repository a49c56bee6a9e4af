"""What a run shows while it works, from outside of its process: a small file that it replaces, and who reads it.

The file tells how far the run is; that it works at all is told by the run lock, which goes with its process. The run
writes it whoever started it, and nothing of it is needed to go on: rows, replies and the run itself are in the store.
"""

from engine.run.watching.live_file import FOLDER, Watched, watching
from engine.run.watching.processes import Process, Started
from engine.run.watching.standing import Standing, standing

__all__ = ["FOLDER", "Process", "Standing", "Started", "Watched", "standing", "watching"]
