"""A report's charts, drawn from facts: which there are (`figures`), and how (`svg`); nothing here queries the store."""
