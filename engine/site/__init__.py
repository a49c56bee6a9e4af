"""A tree of recipes checked and shown as a whole: every file in it, and pages that need no server."""
