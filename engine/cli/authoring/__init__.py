"""The commands for those who write recipes, each in a module of its own; their arguments alone."""
