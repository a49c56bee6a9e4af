"""The commands for those who write recipes: `explain`, `fmt`, `migrate`; their arguments alone."""
