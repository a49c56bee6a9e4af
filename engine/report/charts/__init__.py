"""A report's charts: which there are (`figures`), and how they are drawn (`svg`)."""
