"""What the driver of a run keeps account of: the nodes that may be worked on, their rows, and who is being asked.

Commits nothing, and begins nothing by itself: that is `engine.run.execute`.
"""
